"""How things look on a terminal, and in a pipe: plain text that no hostile name can command."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from overnight.reports.duration import duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PIPE_COLUMNS = 10_000
"""Width of a table that is not for a terminal: nothing is cut or wrapped there."""

COLOURS = {
    "succeeded": "green", "completed": "green", "healthy": "green", "ok": "green", "exited": "green",
    "running": "cyan", "launching": "cyan", "active": "cyan", "collecting": "cyan",
    "failed": "red", "stuck": "red", "blocked": "red", "fail": "red", "quarantined": "red", "lost": "red",
    "refused": "red",
    "cancelled": "yellow", "canceled": "yellow", "cancelling": "yellow", "stopping": "yellow", "delayed": "yellow",
    "failed_oom": "yellow", "warn": "yellow", "unknown": "yellow", "paused": "yellow",
}  # fmt: skip
"""State or verdict -> colour; the word itself always stands there too."""


def clean(text: object) -> str:
    """A text on one line, with every character that could command a terminal or reorder a line written as an escape."""
    kept = str(text)
    if kept.isprintable():
        return kept
    return "".join(it if it.isprintable() else _escaped(it) for it in kept)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def print_json(answer: Mapping[str, Any]) -> None:
    """One JSON object on one line; in ASCII, so that it is inert on a terminal too."""
    print(json.dumps(answer, separators=(",", ":")), flush=True)


def console() -> Console:
    """Where tables go; no markup, no emoji, no highlighting: what is printed is what was said."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return Console(markup=False, emoji=False, highlight=False, width=width)


def state(name: str) -> Text:
    """A state in its colour."""
    from rich.text import Text

    return Text(clean(name), style=COLOURS.get(name, ""))


def print_table(
    header: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, right: Collection[int] = ()
) -> None:
    """A table with texts cleaned; Rich's own Text cells stay as they are. Nothing is printed when it has no rows."""
    listed = list(rows)
    if not listed:
        return
    if title:
        print_title(title)
    console().print(table_of(header, listed, right=right))


def table_of(header: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[int] = ()) -> Table:
    """A plain table: two spaces between columns, no lines; the columns `right` hold numbers."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, name in enumerate(header):
        table.add_column(Text(clean(name)), overflow="fold", justify="right" if place in right else "left")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text("" if cell is None else clean(cell)) for cell in row))
    return table


def print_report_table(report: Mapping[str, Any]) -> None:
    """A table of `overnight.reports` as the operations give it: marked rows stand out, the note comes below."""
    from rich.text import Text

    rows = [
        [Text(clean(cell), style="bold green") for cell in row] if place in report["marked"] else row
        for place, row in enumerate(report["rows"])
    ]
    print_table(report["header"], rows, title=report["title"], right=report["right"])
    if report["note"]:
        print(clean(report["note"]))


def print_title(text: str) -> None:
    """A heading with an empty line before it."""
    from rich.text import Text

    console().print(Text("\n" + clean(text), style="bold"))


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Name and value per line, those without a value left out."""
    kept = [(name, value) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in kept), default=0)
    for name, value in kept:
        print(f"{name.ljust(width)}  {clean(value)}")


def moment(wall: float | None) -> str:
    """Local date and time of wall seconds; empty for None."""
    return "" if wall is None else datetime.fromtimestamp(wall).strftime("%Y-%m-%d %H:%M:%S")


def length(seconds: float | None) -> str:
    """`850 ms`, `12.3 s`, `4 min 05 s`, `1 h 04 min`; empty for None."""
    return "" if seconds is None else duration(seconds)


def counted(counts: Mapping[str, int]) -> str:
    """`12 succeeded, 3 running` from counts by state: those that are not zero, without the total."""
    named = [f"{number} {name}" for name, number in counts.items() if number and name != "total"]
    return ", ".join(named) or "no runs"


def plural(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def command_text(command: str | Sequence[str]) -> str:
    """A command as one would type it."""
    if isinstance(command, str):
        return command
    import shlex

    return shlex.join(command)
