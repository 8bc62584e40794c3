"""Whether two patterns of file names can match the same path.

`*` and `?` stay within one folder level and `[...]` is one character; `**` goes across levels.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice, takewhile
from typing import Generic, TypeVar

T = TypeVar("T")

WILD = "*?["
_TOKEN = re.compile(r"\*\*|\*|\?|\[[!^]?\]?[^\]]*\]|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path or pattern with the literal characters at its two ends."""

    text: str
    start: str
    end: str

    @classmethod
    def of(cls, text: str) -> Pattern:
        """The pattern of a text."""
        wild = [index for index, character in enumerate(text) if character in WILD]
        if not wild:
            return cls(text, text, text)
        last = max(wild[-1], text.rfind("]") if "[" in text else -1)
        return cls(text, text[: wild[0]], text[last + 1 :])

    @property
    def wild(self) -> bool:
        """Whether it is a pattern and not a path."""
        return len(self.start) < len(self.text)


class _Beginnings(Generic[T]):
    """Things found by a text that begins as theirs does, as far as both go."""

    def __init__(self) -> None:
        self._things: dict[str, T] = {}
        self._texts: list[str] = []
        """In order."""
        self._lengths: set[int] = set()

    def at(self, text: str, new: Callable[[], T]) -> T:
        """The thing of exactly this text; made when there is none."""
        if text not in self._things:
            insort(self._texts, text)
            self._lengths.add(len(text))
            self._things[text] = new()
        return self._things[text]

    def like(self, text: str) -> Iterator[T]:
        """Those whose text begins with this one, and those with whose text this one begins."""
        shorter = (text[:length] for length in self._lengths if length < len(text))
        first = bisect_left(self._texts, text)
        longer = takewhile(lambda known: known.startswith(text), islice(self._texts, first, None))
        return (self._things[known] for known in chain(shorter, longer) if known in self._things)


class Index(Generic[T]):
    """Things found by patterns that could match what theirs do, judged by the literal ends."""

    def __init__(self) -> None:
        self._starts: _Beginnings[_Beginnings[list[tuple[Pattern, T]]]] = _Beginnings()

    def add(self, pattern: Pattern, thing: T) -> None:
        """One more."""
        ends: _Beginnings[list[tuple[Pattern, T]]] = self._starts.at(pattern.start, _Beginnings)
        ends.at(pattern.end[::-1], list).append((pattern, thing))

    def like(self, pattern: Pattern) -> Iterator[tuple[Pattern, T]]:
        """Patterns whose literal beginnings and ends allow that they match what this one does, with their things; two
        different paths never do."""
        for ends in self._starts.like(pattern.start):
            for found in ends.like(pattern.end[::-1]):
                yield from (item for item in found if pattern.wild or item[0].wild or pattern.text == item[0].text)


def meet(one: Pattern, other: Pattern) -> bool:
    """Whether some path is matched by both; may say yes for unusual `[...]`, never no where there is one."""
    return _meet(_tokens(one.text), _tokens(other.text))


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(text))


def _meet(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """A walk over pairs of positions: every pair is looked at once."""
    seen: set[tuple[int, int]] = set()
    pending = [(0, 0)]
    while pending:
        pair = pending.pop()
        if pair in seen:
            continue
        seen.add(pair)
        i, j = pair
        if i == len(left) and j == len(right):
            return True
        one = left[i] if i < len(left) else None
        two = right[j] if j < len(right) else None
        pending.extend(_steps(i, j, one, two))
    return False


def _steps(i: int, j: int, one: str | None, two: str | None) -> list[tuple[int, int]]:
    """Pairs of positions that one more character, or the end of a star, leads to."""
    steps: list[tuple[int, int]] = []
    if one in ("*", "**"):
        steps.append((i + 1, j))
    if two in ("*", "**"):
        steps.append((i, j + 1))
    if one is not None and two is not None and _share(one, two):
        steps.append((i if one in ("*", "**") else i + 1, j if two in ("*", "**") else j + 1))
    return steps


@cache
def _share(one: str, two: str) -> bool:
    """Whether some character fits both tokens."""
    if "/" in (one, two):
        return all(token in ("/", "**") for token in (one, two))
    if len(one) == 1 and len(two) == 1 and one not in WILD and two not in WILD:
        return one == two
    for token, other in ((one, two), (two, one)):
        if len(token) > 2 and token != "**" and len(other) == 1 and other not in WILD:
            return _fits(token, other)
    return True


def _fits(token: str, character: str) -> bool:
    """Whether `[...]` has the character; yes when the token is no proper set."""
    inside = token[1:-1]
    negated = inside[:1] in ("!", "^")
    try:
        body = inside[1:] if negated else inside
        ranged = re.escape(body).replace(r"\-", "-")
        return (re.fullmatch(f"[{ranged}]", character) is not None) != negated
    except re.error:
        return True
