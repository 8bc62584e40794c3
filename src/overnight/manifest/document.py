"""YAML or JSON text as a tree of nodes that know their line.

The tree is immutable; an alias is a second reference to the same node, and the size of a node counts what its aliases
stand for, so that a small file cannot unfold into a large one. Plain scalars are read by the YAML 1.2 core schema:
`yes`, `on` and dates are text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from overnight.domain.plan import Scalar

MAX_BYTES = 4 * 1024 * 1024
"""Largest file, in bytes."""
MAX_NODES = 400_000
"""Most values and keys in one file, what aliases stand for included."""
MAX_DEPTH = 50
"""Deepest nesting of lists and mappings."""


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A value: what it means, and the characters that said so."""

    line: int
    value: Scalar
    source: str
    size: int = 1
    literal: bool = False
    """A block text (`|`), whose content starts on the line after `line` and keeps its line ends."""


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list of nodes."""

    line: int
    items: tuple[Node, ...]
    size: int = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping; `line` is the key's."""

    key: str
    line: int
    value: Node


@dataclass(frozen=True, slots=True)
class TableNode:
    """A mapping whose keys are texts, each once, in the order of the file."""

    line: int
    entries: tuple[Entry, ...]
    size: int = 1

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def get(self, key: str) -> Entry | None:
        """The entry of a key, or None."""
        return next((entry for entry in self.entries if entry.key == key), None)


Node = ScalarNode | ListNode | TableNode


class Unreadable(Exception):
    """The text is no document at all; nothing after this place can be judged."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Size:
    """Counts what was read of one file and stops at its bounds."""

    def __init__(self) -> None:
        self._seen = 0

    def count(self, line: int, depth: int) -> None:
        """One more value or key, `depth` levels deep; raises Unreadable beyond the bounds."""
        self._seen += 1
        if self._seen > MAX_NODES:
            raise Unreadable(line, f"the file has more than {MAX_NODES:,} values: split it, or use `grid`")
        if depth > MAX_DEPTH:
            raise Unreadable(line, f"lists and mappings are nested deeper than {MAX_DEPTH} levels: flatten them")


def repeated_key(first: Entry) -> str:
    """The sentence for a key that stands twice."""
    return f"the key `{first.key}` stands here a second time (first on line {first.line}): remove one"


def inside(place: str, key: str) -> str:
    """The place of a key within a place; the top of a file has the empty place."""
    named = key or "''"
    return f"{place}.{named}" if place else named


def kind(node: Node) -> str:
    """What a node is, in the words of the user."""
    if isinstance(node, TableNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    return scalar_kind(node.value)


def scalar_kind(value: Scalar) -> str:
    """What a value is, in the words of the user."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return "a whole number"
    return "a number" if isinstance(value, float) else "text"
