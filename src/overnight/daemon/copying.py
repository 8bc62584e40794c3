"""Copies what an attempt left on another machine into a folder here: whole and verified, or not at all.

What has come so far lies in a partial folder beside its place, so that a cut goes on at the byte after it. The folder
gets its name when everything in it has the hash that its host says, is on the disk, and is listed in a manifest.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from overnight.domain.errors import Rejected, Unavailable
from overnight.domain.fetch import MANIFEST, Fetched, Job, LeftFile, SyncFailed, listed, shown, summary_of
from overnight.host.durable import sync

TRIES = 3
"""How often a copy is begun again because a file was another one when it was read than when it was listed."""
PIECE = 512 * 1024
"""Bytes that are asked for at once."""
AT_ONCE = 4
"""Requests under way."""
NEVER = frozenset({errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})
"""Errors that say that this machine cannot hold a name."""


class Box(Protocol):
    """Reads what lies on another machine. Both raise Unavailable when it is not reached, Rejected when it refuses."""

    def inventory(self, folder: str, workdir: str, outputs: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """Every file that an attempt left: `root` (`run` or `work`), `path`, `bytes`, `mode`, `mtime`, `sha256`."""

    def read(self, root: str, folder: str, workdir: str, path: str, offset: int, limit: int) -> bytes:
        """Bytes of one of them; less than `limit` at its end."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Bytes of a file that are not here yet: from `start` to before `stop`."""

    file: LeftFile
    start: int
    stop: int


class _Changed(Exception):
    """A file is not what its host listed."""


def fetch(box: Box, job: Job, home: Path, reserve: int = 0) -> Fetched:
    """Copy everything that an attempt left to `home`, leaving `reserve` bytes free; what is there already is not asked
    for again.

    Raises Unavailable when it can go on later (the host is not reached, there is no room here), SyncFailed when it
    never can.
    """
    try:
        done = copied(home)
        return done if done is not None else _Copy(box, job, home, reserve).made()
    except OSError as error:
        name = shown(os.fsdecode(error.filename)) if error.filename is not None else "a file"
        if error.errno in NEVER:
            raise SyncFailed(f"this machine cannot hold {name}: {error.strerror}") from error
        raise Unavailable(f"{name} cannot be written here: {error.strerror}") from error
    except Rejected as error:
        raise SyncFailed(f"its host refuses: {shown(str(error))}") from error


def copied(home: Path) -> Fetched | None:
    """What was copied to a folder; None when that has not been done, or not to its end."""
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        files = manifest["files"]
        return Fetched(len(files), sum(int(file["bytes"]) for file in files), str(manifest["digest"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy that is under way."""

    box: Box
    job: Job
    home: Path
    reserve: int

    @property
    def partial(self) -> Path:
        return self.home.with_name(f".{self.home.name}.partial")

    def made(self) -> Fetched:
        """Bring everything, verify it, and give the folder its name."""
        self.partial.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem: object = None
        for turn in range(TRIES):
            files = self._listed()
            try:
                self._bring(files, gaps=turn == 0)
                return self._sealed(files)
            except (_Changed, Rejected) as error:
                problem = error
        raise SyncFailed(f"{problem}, each of {TRIES} times")

    def _listed(self) -> list[LeftFile]:
        job = self.job
        return listed(self.box.inventory(job.folder, job.workdir, job.outputs))

    def _bring(self, files: Sequence[LeftFile], *, gaps: bool) -> None:
        """Have every file here with the hash that its host says. Raises _Changed."""
        _take_away(self.partial, {file.place for file in files})
        missing = [it for file in files if not _is_whole(it := self._begun(file))]
        wanted = [part for it in missing for part in self._parts(it, files, gaps=gaps)]
        self._check_room(sum(part.stop - part.start for part in wanted))
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"copy {self.job.attempt}") as pool:
            pieces = _pieces(wanted)
            while batch := list(islice(pieces, AT_ONCE)):
                for piece, data in zip(batch, pool.map(self._read, batch), strict=True):
                    self._write(piece, data)
        for it in missing:
            self._verify(it.file)

    def _begun(self, file: LeftFile) -> Missing:
        """What of a file is not here yet; one that is here as a whole and is not the one listed is begun anew."""
        path = self.partial / file.place
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size > file.bytes or (size == file.bytes and _sha256(path) != file.sha256):
                os.ftruncate(descriptor, 0)
                size = 0
        finally:
            os.close(descriptor)
        return Missing(file, size, file.bytes)

    def _parts(self, it: Missing, files: Sequence[LeftFile], *, gaps: bool) -> list[Missing]:
        """What must be asked for: all that is missing, but for what the runner gave back of a log, which is zeros."""
        if not gaps or it.file.place != "log" or all(file.place != "log.gap" for file in files):
            return [it]
        start, stop = self._gap()
        parts = (Missing(it.file, it.start, min(start, it.stop)), Missing(it.file, max(stop, it.start), it.stop))
        return [part for part in parts if part.start < part.stop] if start < stop else [it]

    def _gap(self) -> tuple[int, int]:
        job = self.job
        try:
            start, stop = (
                int(word) for word in self.box.read("run", job.folder, job.workdir, "log.gap", 0, 64).split()
            )
        except ValueError:
            return 0, 0
        return max(0, start), stop

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.partial).free
        if needed + self.reserve > free:
            raise Unavailable(f"no room here for {needed} bytes more: {free} are free, {self.reserve} must stay so")

    def _read(self, piece: Missing) -> bytes:
        job, file = self.job, piece.file
        data = self.box.read(file.root, job.folder, job.workdir, file.path, piece.start, piece.stop - piece.start)
        if len(data) != piece.stop - piece.start:
            raise _Changed(f"{shown(file.place)} was shorter when it was read than its host had said")
        return data

    def _write(self, piece: Missing, data: bytes) -> None:
        descriptor = os.open(self.partial / piece.file.place, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            while data:
                written = os.pwrite(descriptor, data, piece.stop - len(data))
                data = data[written:]
        finally:
            os.close(descriptor)

    def _verify(self, file: LeftFile) -> None:
        """Compare the hashes; what is wrong is dropped. Raises _Changed."""
        path = self.partial / file.place
        if _sha256(path) != file.sha256:
            os.truncate(path, 0)
            raise _Changed(f"{shown(file.place)} was another one when it was read than its host had said")

    def _sealed(self, files: Sequence[LeftFile]) -> Fetched:
        for file in files:
            os.chmod(self.partial / file.place, file.mode & 0o755 | 0o600)
            os.utime(self.partial / file.place, (file.mtime, file.mtime))
        fetched = summary_of(files)
        manifest = self.partial / MANIFEST
        manifest.write_text(json.dumps(_manifest(self.job, files, fetched)), encoding="utf-8")
        sync(os.fsencode(self.partial), [os.fsencode(self.partial / file.place) for file in files])
        sync(os.fsencode(self.partial), [os.fsencode(manifest)])
        os.rename(self.partial, self.home)
        sync(os.fsencode(self.home.parent), [])
        return fetched


def _is_whole(it: Missing) -> bool:
    return it.start == it.stop and it.file.bytes > 0


def _pieces(wanted: Iterable[Missing]) -> Iterator[Missing]:
    for it in wanted:
        for start in range(it.start, it.stop, PIECE):
            yield Missing(it.file, start, min(start + PIECE, it.stop))


def _manifest(job: Job, files: Sequence[LeftFile], fetched: Fetched) -> dict[str, Any]:
    rows = [{"path": file.place, "bytes": file.bytes, "sha256": file.sha256} for file in files]
    return {"version": 1, "attempt": job.attempt, "target": job.target, "digest": fetched.digest, "files": rows}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _take_away(folder: Path, places: set[str]) -> None:
    """Drop what an earlier list had and this one has not, and folders where files are to be."""
    for above, folders, files in os.walk(folder, topdown=False):
        for name in files:
            path = Path(above, name)
            if str(path.relative_to(folder)) not in places:
                path.unlink()
        for name in folders:
            with suppress(OSError):
                Path(above, name).rmdir()
