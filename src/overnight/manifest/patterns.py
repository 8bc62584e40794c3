"""Whether two patterns of file names can match the same path.

`*` and `?` stay within one folder level and `[...]` is one character; `**` goes across levels.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

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

    def edges_like(self, other: Pattern) -> bool:
        """Whether the literal beginnings and ends allow that both match one path."""
        starts = self.start.startswith(other.start) or other.start.startswith(self.start)
        return starts and (self.end.endswith(other.end) or other.end.endswith(self.end))


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
