"""Words that a field may hold: `enum.StrEnum`, which the Pythons of other machines (3.9) do not have yet."""

from __future__ import annotations

from enum import Enum


class Word(str, Enum):
    """A member is its text, also where it is printed."""

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]
