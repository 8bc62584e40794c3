"""A table as a value: the terminal, Markdown and HTML render the same ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Every cell is one line that is safe to print; markup is not escaped, each renderer escapes its own."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """As long as the header, each."""
    right: frozenset[int] = frozenset()
    """Columns of numbers, to be aligned to the right."""
    marked: frozenset[int] = frozenset()
    """Rows to be emphasised: the best configuration."""
    note: str = ""
    """One sentence below; empty for none."""
