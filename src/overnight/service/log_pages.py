"""Pages of a log: by bytes, but never through a character, so that pages together are the log, each byte once."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from overnight.targets.base import Files

LONGEST_CHARACTER = 4
"""Bytes of a character in UTF-8."""
EVERYTHING = 2**62
"""An offset behind the end of every log."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a log. Offsets are in bytes; `end` is where the next page begins."""

    content: str
    start: int
    end: int
    total: int
    status: str | None = None
    """How it ended, once nothing more will be written; None while it goes on."""

    @property
    def last(self) -> bool:
        """Whether nothing will ever follow."""
        return self.status is not None and self.end >= self.total


class Bytes(Protocol):
    """A log as bytes that only become more."""

    def size(self) -> int:
        """How many there are."""

    def read(self, offset: int, limit: int) -> tuple[bytes, int]:
        """Up to `limit` bytes from `offset` on, and where they end: behind what is missing in the middle, perhaps."""


def page(log: Bytes, offset: int, limit: int, status: str | None = None) -> Page:
    """The page from byte `offset` (negative: from the end), of at most `limit` bytes and at least one character.

    `status`: see `Page.status`; it must have been found out before, so that the log is whole if it is not None. A page
    that is asked for inside of a character begins with that character, one from the end with the next.
    """
    total = log.size()
    start = _whole(log, max(0, total + offset), forward=True) if offset < 0 else _whole(log, offset, forward=False)
    data, end = log.read(start, limit)
    text, rest = _decoded(data)
    if data and not text:
        data, end = log.read(start, max(limit, LONGEST_CHARACTER))
        text, rest = _decoded(data)
    start = end - len(data)
    total = max(total, end)
    if rest and ((end < total and not text) or (end == total and status is not None)):
        # Nobody will complete this character: it is replaced like every other byte that is none.
        text, rest = data.decode("utf-8", errors="replace"), 0
    return Page(text, start, end - rest, total, status)


def _decoded(data: bytes) -> tuple[str, int]:
    """Whole characters of some bytes, and how many bytes at their end belong to one that is not whole yet."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    return text, len(decoder.getstate()[0])


def _whole(log: Bytes, offset: int, *, forward: bool) -> int:
    """The nearest byte, on or before `offset` (`forward`: on or behind it), at which no character goes on."""
    first = max(0, offset - LONGEST_CHARACTER + 1)
    data, end = log.read(first, 2 * LONGEST_CHARACTER)
    before = offset - first
    if end - len(data) != first or before >= len(data):
        return offset  # behind the end, or beside what is missing: no character goes on here
    for back in range(1, before + 1):
        length = _length(data[before - back])
        if length > back and _is_one(data[before - back : before - back + length]):
            return first + before - back + (length if forward else 0)
        if length:
            break
    return offset


def _length(lead: int) -> int:
    """How long the character is that a byte begins; 0 for a byte in the middle of one."""
    return 0 if lead & 0xC0 == 0x80 else 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)


def _is_one(data: bytes) -> bool:
    """Whether these bytes, of which the first begins a character, are that character or as much as is there of it."""
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(data)
    except UnicodeDecodeError:
        return False
    return True


class Joined:
    """The logs of a run's attempts, one behind the other: what a run said, however often it was tried."""

    def __init__(self, parts: Sequence[tuple[Files, str]]) -> None:
        """`parts`: each attempt's files and folder, oldest first."""
        self._parts = [(files, folder, files.log(folder, EVERYTHING, 0)[1]) for files, folder in parts]

    def size(self) -> int:
        """See `Bytes.size`."""
        return sum(size for _, _, size in self._parts)

    def read(self, offset: int, limit: int) -> tuple[bytes, int]:
        """See `Bytes.read`."""
        data, place, before = b"", offset, 0
        for files, folder, size in self._parts:
            if place < before + size:
                piece, end = files.log(folder, place - before, limit - len(data))
                if data and end - len(piece) != place - before:
                    break  # what is missing begins here: the next page goes on behind it
                data, place = data + piece, before + end
                if end < size:
                    break
            before += size
        return data, min(place, self.size()) if not data else place


class Text:
    """A text as a log."""

    def __init__(self, text: str) -> None:
        self._data = text.encode("utf-8", errors="replace")

    def size(self) -> int:
        """See `Bytes.size`."""
        return len(self._data)

    def read(self, offset: int, limit: int) -> tuple[bytes, int]:
        """See `Bytes.read`."""
        start = min(offset, len(self._data))
        data = self._data[start : start + limit]
        return data, start + len(data)
