"""Lists of what an attempt left, with the hash of each file: made on a thread, brought in pages.

The list is made once for a question and kept until its last page was asked for. Hashing takes as long as it takes: a
request waits some seconds and else says how far it is, and asking again goes on waiting for the same list.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from overnight.domain.errors import Rejected
from overnight.host.matching import matching
from overnight.host.reading import open_below

PATIENCE = 5.0
"""Seconds that a request waits for a list."""
MOST_FILES = 100_000
"""Files of one attempt."""
PAGE = 2_000
"""Files in one answer: some 500 KB."""
MOST_AT_ONCE = 2
"""Lists that are made at the same time."""
PIECE = 1024 * 1024
"""Bytes that are hashed at once."""

Row = dict[str, Any]
"""`root` (`run`, `work`, or `out`: the whole file system), `path` below it, `bytes`, `mode`, `mtime`, and `sha256`, or
`problem`: why it has none."""
Key = tuple[str, str, tuple[str, ...]]


class Inventories:
    """The lists that somebody asked for and has not had whole."""

    def __init__(self) -> None:
        self._lists: dict[Key, _List] = {}
        self._lock = threading.Lock()
        self._turns = threading.Semaphore(MOST_AT_ONCE)

    def ask(
        self, folder: str, workdir: str, outputs: Sequence[str], first: int = 0, patience: float = PATIENCE
    ) -> Mapping[str, Any]:
        """`files` from position `first` on and `next`, the position of the next page (None = that was all); or
        `working`, the bytes that are hashed so far.

        Raises Rejected when there are too many files, and for a page of a list that is not here any more.
        """
        key = (folder, workdir, tuple(outputs))
        found = self._list(key, first)
        if not found.done.wait(min(max(patience, 0.0), PATIENCE)):
            return {"working": found.hashed}
        if found.error is None and first + PAGE < len(found.rows):
            return {"files": found.rows[first : first + PAGE], "next": first + PAGE}
        with self._lock:
            self._lists.pop(key, None)
        if found.error is not None:
            raise found.error
        return {"files": found.rows[first:], "next": None}

    def _list(self, key: Key, first: int) -> _List:
        with self._lock:
            if key not in self._lists:
                if first:
                    raise Rejected("this list is not here any more: ask for its first page")
                self._lists[key] = _List(key, self._turns)
            return self._lists[key]


class _List:
    """One list, as it grows."""

    def __init__(self, key: Key, turns: threading.Semaphore) -> None:
        self.rows: list[Row] = []
        self.hashed = 0
        self.error: Exception | None = None
        self.done = threading.Event()
        self._key = key
        self._turns = turns
        threading.Thread(target=self._make, daemon=True).start()

    def _make(self) -> None:
        folder, workdir, outputs = self._key
        try:
            with self._turns:
                for root, path in _files(folder, workdir, outputs):
                    if len(self.rows) >= MOST_FILES:
                        raise Rejected(f"{folder} and the declared outputs are more than {MOST_FILES} files")
                    self.rows += self._row(root, {"run": folder, "work": workdir}.get(root, "/"), path)
        except Exception as error:
            self.error = error
        finally:
            self.done.set()

    def _row(self, root: str, base: str, path: str) -> list[Row]:
        """The row of a file; none when it has gone meanwhile."""
        row: Row = {"root": root, "path": path}
        try:
            descriptor = open_below(base, path)
        except FileNotFoundError:
            return []
        except (OSError, Rejected) as error:
            return [{**row, "bytes": 0, "mode": 0, "mtime": 0.0, "problem": str(error)}]
        with open(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            row.update(bytes=found.st_size, mode=stat.S_IMODE(found.st_mode), mtime=found.st_mtime)
            try:
                return [{**row, "sha256": self._digest(file, found.st_size)}]
            except OSError as error:
                return [{**row, "problem": str(error)}]

    def _digest(self, file: Any, size: int) -> str:
        """The hash of the first `size` bytes: a file that grows meanwhile would never end."""
        digest = hashlib.sha256()
        while size > 0 and (data := file.read(min(size, PIECE))):
            digest.update(data)
            size -= len(data)
            self.hashed += len(data)
        return digest.hexdigest()


def _files(folder: str, workdir: str, outputs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(root, path) of everything regular in an attempt's folder, and of the declared outputs, each once."""
    yield from (("run", os.path.relpath(path, folder)) for path in _below(folder))
    seen: set[tuple[str, str]] = set()
    for output in outputs:
        for path in matching(workdir, output):
            found = _rooted(folder, workdir, path)
            if found is not None and found not in seen and os.path.isfile(path):
                seen.add(found)
                yield found


def _below(folder: str) -> Iterator[str]:
    """Every regular file below a folder; links are neither followed nor listed."""
    if not os.path.isdir(folder):
        raise Rejected(f"{folder} is not there any more")
    waiting = [folder]
    while waiting:
        for entry in _entries(waiting.pop()):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry.path


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What is in a folder, by name; nothing where it has gone meanwhile."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda it: it.name)
    except FileNotFoundError:
        return []


def _rooted(folder: str, workdir: str, path: str) -> tuple[str, str] | None:
    """(root, path) of an output: None for one in the attempt's folder, all of which is listed; `out` and its real path
    for one that lies, or to which a link leads, outside of the working folder."""
    real = os.path.realpath(path)
    if real.startswith(os.path.join(os.path.realpath(folder), "")):
        return None
    if real.startswith(os.path.join(os.path.realpath(workdir), "")):
        return "work", os.path.relpath(path, workdir)
    return "out", real[1:]
