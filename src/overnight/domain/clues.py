"""What the whole log of a failed attempt says about its end. Pure: bytes go in, in pieces of any size.

Two looks in one pass: every line that a rule of `clue_rules` could be about, wherever it stands; and the last
`ENDING_BYTES` in full (`endings`), since the exception that ended a program explains more than what it survived.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.clue_rules import CAPITALS, SMALL, reason_of
from overnight.domain.endings import ending_of
from overnight.domain.signatures import plain, quoted, signature_of, unprefixed

ENDING_BYTES = 32 * 1024
"""Bytes of a log's end that are read line by line: an exception further up was survived."""
LONGEST = 4 * 1024
"""Bytes of a line that are looked at on each side of what was found."""
MOST_LOOKS = 500
"""Lines that are looked at for the same words, so that a log full of them costs no more; its end is always read."""

_BREAK = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class Reading:
    """What a log says: reason -> the first line that convinces of it, and the signature of its end (None = empty)."""

    clues: Mapping[str, str]
    signature: str | None


def read_log(pieces: Iterable[bytes], code: int | None) -> Reading:
    """Read a whole log of an attempt that failed with an exit code (None = by a signal)."""
    scanner = Scanner()
    for piece in pieces:
        scanner.feed(piece)
    return scanner.finish(code)


class Scanner:
    """Takes a log in pieces; keeps a few kilobytes."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._looks: Counter[bytes] = Counter()
        self._rest = b""
        """The unfinished line at the end of what came so far."""
        self._tail = b""

    def feed(self, piece: bytes) -> None:
        """The next bytes."""
        data = self._rest + piece
        self._tail = (self._tail + piece)[-ENDING_BYTES:]
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if len(data) - end > 2 * LONGEST:
            self._look(data)
            self._rest = data[-LONGEST:]
        else:
            self._look(data[:end])
            self._rest = data[end:]

    def finish(self, code: int | None) -> Reading:
        """There is no more."""
        self._look(self._rest)
        lines = _lines(self._tail)
        ending = ending_of(lines, code)
        clues = self._found if ending.after < 0 else _clues_in(lines[ending.after + 1 :])
        if ending.reason is not None:
            clues = {**clues, ending.reason: quoted(ending.line)}
        return Reading(clues, signature_of(ending.signature) or None)

    def _look(self, data: bytes) -> None:
        for place, word in sorted(_places(data)):
            self._looks[word] += 1
            if self._looks[word] <= MOST_LOOKS:
                line = _line_around(data, place)
                if (reason := reason_of(unprefixed(line))) is not None:
                    self._found.setdefault(reason, quoted(line))


def _places(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where words stand that a rule could be about, and which."""
    for match in CAPITALS.finditer(data):
        yield match.start(), match[0]
    for word in SMALL:
        place = data.find(word)
        while place >= 0:
            yield place, word
            place = data.find(word, place + len(word))


def _line_around(data: bytes, place: int) -> str:
    low = max(0, place - LONGEST)
    start = max(data.rfind(b"\n", low, place), data.rfind(b"\r", low, place)) + 1 or low
    found = _BREAK.search(data, place, place + LONGEST)
    return plain(data[start : found.start() if found else place + LONGEST].decode("utf-8", errors="replace"))


def _lines(tail: bytes) -> list[str]:
    return [plain(line.decode("utf-8", errors="replace")) for line in _BREAK.split(tail)]


def _clues_in(lines: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if (reason := reason_of(unprefixed(line))) is not None:
            found.setdefault(reason, quoted(line))
    return found
