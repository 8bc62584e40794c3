"""Everything that is wrong with one file, collected so that it can be told at once."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from overnight.domain.errors import InvalidFile, Problem

MOST_PROBLEMS = 1000
"""Problems after which a file is not judged further: nobody reads more, and finding them can take long."""
MOST_NAMED = 5
"""So many cells, names or groups are written out in one problem; the rest are counted."""


class TooManyProblems(Exception):
    """As many problems were noted as are worth telling."""


class Findings:
    """Collects problems; of one topic at one place the first is kept, since thousands of cells share a mistake."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], Problem] = {}
        self._noted = 0

    def __len__(self) -> int:
        """How often something was noted, repetitions included: it grows exactly when a step found something wrong."""
        return self._noted

    def add(self, place: str, line: int | None, message: str, *, topic: str | None = None) -> None:
        """Note one problem: where, on which line (from 1), what is wrong and what to do; the topic is the sentence.

        Raises TooManyProblems once there are enough.
        """
        self._noted += 1
        if len(self._problems) >= MOST_PROBLEMS:
            raise TooManyProblems
        self._problems.setdefault((place, topic or message), Problem(place=place, message=message, line=line))

    def error(self, path: str) -> InvalidFile:
        """The error that lists every problem in file order."""
        ordered = sorted(self._problems.values(), key=lambda problem: problem.line or 0)
        return InvalidFile(path, ordered)


def listing(names: Iterable[str], most: int = MOST_NAMED) -> str:
    """`a, b, c and 4 more`; `nothing` when there are none."""
    known = list(names)
    if not known:
        return "nothing"
    shown = ", ".join(known[:most])
    return shown if len(known) <= most else f"{shown} and {len(known) - most:,} more"


def suggestion(word: str, legal: Iterable[str], synonyms: dict[str, str] | None = None) -> str:
    """` (did you mean ...?)` for the legal word nearest to `word`, or empty text."""
    known = list(legal)
    meant = (synonyms or {}).get(word.lower())
    if meant not in known:
        meant = next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), None)
    return f"; did you mean `{meant}`?" if meant else ""


def quoted(value: object) -> str:
    """A short, single-line picture of a value for a sentence."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
