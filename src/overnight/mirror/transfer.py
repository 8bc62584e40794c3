"""How files travel: by rsync, which goes on within a file, or as a tar stream into a program of ours."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from overnight.domain.errors import Unavailable
from overnight.mirror.files import open_regular
from overnight.runner.snapshot import Listed, raw

STILL_SECONDS = 60.0
"""A transfer that moves nothing for so long is given up."""
END_SECONDS = 120.0
"""The same for its end: the other side has everything and writes it down."""
LONGEST_WORDS = 500
"""Bytes of what a program says of its failure that are kept."""


@dataclass(frozen=True, slots=True)
class Load:
    """Files of a frozen copy that travel, each with its position in the list."""

    tree: Path
    files: Sequence[tuple[int, Listed]]

    def path(self, listed: Listed) -> bytes:
        """Where one of them lies here."""
        return os.fsencode(self.tree) + b"/" + raw(listed.path)


def by_rsync(load: Load, shell: Sequence[str], end: str, environment: Mapping[str, str]) -> bool:
    """Whether rsync is here and has brought them; what it has brought of the rest stays there."""
    program = shutil.which("rsync")
    if program is None or ":" in end.partition(":/")[0]:
        return False  # an address with colons is one of several words to rsync
    argv = [program, "-tp", "--from0", "--files-from=-", "--partial", "--protect-args"]
    argv += [f"--timeout={STILL_SECONDS:.0f}", "-e", shlex.join(shell), "--", f"{load.tree}/", f"{end}/"]
    nothing = subprocess.DEVNULL
    with tempfile.TemporaryFile() as listed:
        # Of names that begin with # rsync would make comments.
        listed.writelines(b"./" + raw(it.path) + b"\0" for _, it in load.files)
        listed.seek(0)
        rsync = subprocess.Popen(
            argv, stdin=listed, stdout=nothing, stderr=nothing, env=environment, start_new_session=True
        )
    return rsync.wait() == 0


def by_stream(load: Load, command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Send them to a command's standard input as a tar stream: each named by its position, so that no name can do harm.

    Raises Unavailable with the command's own words when it fails or stands still.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=environment,
            start_new_session=True,
        )
        try:
            why = _pour(load, process)
        finally:
            process.kill()
            process.wait()
        if why is not None:
            said.seek(0)
            words = said.read(LONGEST_WORDS).decode("utf-8", "replace").strip()
            raise Unavailable(f"the frozen copy could not be sent: {words or why}")


def _pour(load: Load, process: subprocess.Popen[bytes]) -> str | None:
    """Why it failed; None = it did not."""
    if process.stdin is None:
        raise AssertionError("It was started with a pipe.")
    try:
        pipe: Any = _Patient(process.stdin)
        with process.stdin, tarfile.open(fileobj=pipe, mode="w|") as archive:
            for index, listed in load.files:
                _add(archive, str(index), load.path(listed), listed)
        code = process.wait(END_SECONDS)
    except (OSError, subprocess.TimeoutExpired, tarfile.TarError) as error:
        return str(error)
    return None if code == 0 else f"it ended with code {code}"


def _add(archive: tarfile.TarFile, name: str, path: bytes, listed: Listed) -> None:
    with open_regular(path) as file:
        member = tarfile.TarInfo(name)
        member.size, member.mtime = listed.size, int(os.fstat(file.fileno()).st_mtime)
        archive.addfile(member, file)


class _Patient:
    """A pipe that is written to for as long as it moves. Raises TimeoutError when it stands still."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._descriptor = pipe.fileno()
        os.set_blocking(self._descriptor, False)

    def write(self, data: bytes) -> int:
        """Write everything."""
        left = memoryview(data)
        while left:
            _, ready, _ = select.select([], [self._descriptor], [], STILL_SECONDS)
            if not ready:
                raise TimeoutError(f"nothing moved for {STILL_SECONDS:g} s")
            left = left[os.write(self._descriptor, left) :]
        return len(data)
