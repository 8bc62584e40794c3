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
NEVER = frozenset(
    {errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EFBIG}
)
"""Errors that say that this machine cannot hold such a name, or so large a file (of holes, or it would lack room)."""


class Box(Protocol):
    """Reads what lies on another machine. Both raise Unavailable when it is not reached, Rejected when it refuses."""

    def inventory(self, folder: str, workdir: str, outputs: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        """Every file that an attempt left: `root` (of `ROOTS`), `path`, `bytes`, `mode`, `mtime`, and `sha256` or
        `problem`."""

    def read(self, root: str, folder: str, workdir: str, path: str, offset: int, limit: int) -> tuple[bytes, int, int]:
        """Bytes of one of them, where the next read continues, and how long the file is now. No bytes and a later
        place: a hole, what lies between is zeros; neither: its end."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Bytes of a file that are not here yet: from `start` to before `stop`."""

    file: LeftFile
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Part:
    """What a host told of a file from `start` to before `stop`; no data: a hole."""

    start: int
    stop: int
    data: bytes


class _Changed(Exception):
    """A file is not what its host listed."""


def fetch(box: Box, job: Job, home: Path, reserve: int = 0) -> Fetched:
    """Copy everything that an attempt left to `home`, leaving `reserve` bytes free; what is there already is not asked
    for again.

    Raises Unavailable when it can go on later (the host is not reached, there is no room here), SyncFailed when it
    never can.
    """
    try:
        done = copied(home, job)
        if done is not None:
            return done
        _put_aside(home)
        return _Copy(box, job, home, reserve).made()
    except OSError as error:
        name = shown(os.fsdecode(error.filename)) if error.filename is not None else "a file"
        if error.errno in NEVER:
            raise SyncFailed(f"this machine cannot hold {name}: {error.strerror}") from error
        raise Unavailable(f"{name} cannot be written here: {error.strerror}") from error


def copied(home: Path, job: Job) -> Fetched | None:
    """What was copied to a folder; None when that has not been done, or not to its end, or of another attempt of that
    name: after an older record was restored, a run has its second attempt twice."""
    try:
        manifest = json.loads((home / MANIFEST).read_text(encoding="utf-8"))
        if (manifest["attempt"], manifest["fence"], manifest["target"]) != (job.attempt, job.fence, job.target):
            return None
        files = manifest["files"]
        return Fetched(len(files), sum(int(file["bytes"]) for file in files), str(manifest["digest"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _put_aside(home: Path) -> None:
    """Keep what is in the way under another name: nobody knows whose it is."""
    number = 0
    while os.path.lexists(home):
        number += 1
        aside = home.with_name(f".{home.name}.before-{number}")
        if not os.path.lexists(aside):
            home.rename(aside)


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
        for _ in range(TRIES):
            try:
                files = self._listed()
                self._bring(files)
                return self._sealed(files)
            except (_Changed, Rejected) as error:
                problem = error
        raise SyncFailed(f"{shown(str(problem), 400)}, each of {TRIES} times")

    def _listed(self) -> list[LeftFile]:
        job = self.job
        return listed(self.box.inventory(job.folder, job.workdir, job.outputs))

    def _bring(self, files: Sequence[LeftFile]) -> None:
        """Have every file here with the hash that its host says. Raises _Changed."""
        _take_away(self.partial, {file.place for file in files})
        missing = [it for file in files if not _is_whole(it := self._begun(file))]
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix=f"copy {self.job.attempt}") as pool:
            holes: dict[str, int] = {}
            pieces = _pieces(missing, holes)
            while batch := list(islice(pieces, AT_ONCE)):
                self._check_room(sum(piece.stop - piece.start for piece in batch))
                for piece, parts in zip(batch, pool.map(self._read, batch), strict=True):
                    for part in parts:
                        self._write(piece.file, part)
                    holes[piece.file.place] = max(piece.stop, parts[-1].stop)
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

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.partial).free
        if needed + self.reserve > free:
            raise Unavailable(f"no room here for {needed} bytes more: {free} are free, {self.reserve} must stay so")

    def _read(self, piece: Missing) -> list[Part]:
        """What a piece consists of; a hole may go on behind it."""
        job, file = self.job, piece.file
        parts: list[Part] = []
        at = piece.start
        while at < piece.stop:
            data, stop, _ = self.box.read(file.root, job.folder, job.workdir, file.path, at, piece.stop - at)
            if stop <= at or len(data) > piece.stop - at or (data and len(data) != stop - at):
                raise _Changed(f"{shown(file.place)} was another one when it was read than its host had said")
            parts.append(Part(at, stop, data))
            at = stop
        return parts

    def _write(self, file: LeftFile, part: Part) -> None:
        if not part.data:
            return
        descriptor = os.open(self.partial / file.place, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            data = part.data
            while data:
                written = os.pwrite(descriptor, data, part.stop - len(data))
                data = data[written:]
        finally:
            os.close(descriptor)

    def _verify(self, file: LeftFile) -> None:
        """Compare the hashes; what is wrong is dropped. A hole at the end was not written. Raises _Changed."""
        path = self.partial / file.place
        os.truncate(path, file.bytes)
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


def _pieces(missing: Iterable[Missing], holes: Mapping[str, int]) -> Iterator[Missing]:
    """What is to be asked for, in order. `holes`: place -> up to where no more is, as that becomes known."""
    for it in missing:
        start = it.start
        while (start := max(start, holes.get(it.file.place, 0))) < it.stop:
            stop = min(start + PIECE, it.stop)
            yield Missing(it.file, start, stop)
            start = stop


def _manifest(job: Job, files: Sequence[LeftFile], fetched: Fetched) -> dict[str, Any]:
    rows = [{"path": file.place, "bytes": file.bytes, "sha256": file.sha256} for file in files]
    return {
        "version": 1,
        "attempt": job.attempt,
        "fence": job.fence,
        "target": job.target,
        "digest": fetched.digest,
        "files": rows,
    }


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
