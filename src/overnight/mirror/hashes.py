"""Hashes of files that have not changed since they were read: what makes the second look at a folder cheap."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FRESH_NANOSECONDS = 2_000_000_000
"""A file that changed this shortly before a look may change again with the same time of change: it is read."""
FOLDER = ".hashes"
"""Where they are kept, among the copies."""

Key = list[int]
"""Size, time of change, time of change of the entry (both nanoseconds) and inode of a file."""


@dataclass(slots=True)
class Hashes:
    """What is known of the files of one folder: path -> (key, size of the content, SHA-256)."""

    path: Path
    now: int
    """Nanoseconds, by the clock of the file system."""
    known: dict[str, tuple[Key, int, str]]
    seen: dict[str, tuple[Key, int, str]] = field(default_factory=dict)
    changed: bool = False

    def of(self, path: str, stat: os.stat_result) -> tuple[int, str] | None:
        """Size and hash of the content, when the file is as it was when it was read."""
        found = self.known.get(path)
        if found is None or found[0] != _key(stat):
            return None
        self.seen[path] = found
        return found[1], found[2]

    def keep(self, path: str, stat: os.stat_result, size: int, digest: str) -> None:
        """A file was read: `stat` is from before that."""
        if max(stat.st_mtime_ns, stat.st_ctime_ns) < self.now - FRESH_NANOSECONDS:
            self.seen[path] = (_key(stat), size, digest)
            self.changed = True

    def save(self) -> None:
        """Write down what was seen. A full disk makes the next look slower, nothing else."""
        if not self.changed and len(self.seen) == len(self.known):
            return
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with suppress(OSError):
            temporary.write_text(json.dumps(self.seen, separators=(",", ":")), encoding="ascii")
            temporary.rename(self.path)


def _key(stat: os.stat_result) -> Key:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def hashes_of(folder: str, copies: Path) -> Hashes:
    """What is known of a folder's files; nothing, when what was written down cannot be read."""
    place = copies / FOLDER
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}.json"
    with tempfile.TemporaryFile(dir=place) as file:
        now = os.fstat(file.fileno()).st_mtime_ns
    return Hashes(path, now, _read(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
