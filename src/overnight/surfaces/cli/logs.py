"""`overnight logs`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.caller import Caller
    from overnight.surfaces.cli.doors import Doors

CHUNK_BYTES = 256 * 1024
"""Asked for at once."""
LARGEST_ANSWER = 1_048_576
"""Bytes of a log that one answer holds at most."""
EVENTS = 1_000
"""Events read at once while waiting: only that there are some matters."""
WAIT_SECONDS = 0.5
"""How often a followed log is looked at for more while nothing happens."""
_COMMANDS = re.compile(r"\x1b(?!\[[0-9;:]*m)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
"""What could command a terminal; colours, line ends and tabs may stay."""
_UNFINISHED = re.compile(r"\x1b(\[[0-9;:]*)?\Z|\r\Z")
"""The start of a colour or line end whose rest comes with the next piece."""


@click.command("logs", short_help="What a run has written.")
@id_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
@click.option("--attempt", type=click.IntRange(1), metavar="N", help="The log of attempt N, not of the newest one.")
@json_option
@click.pass_obj
def command(doors: Doors, id: str, follow: bool, attempt: int | None, as_json: bool) -> int:
    """What a run has written to its standard output and error.

    On a terminal control characters other than colours are left out. With --json the last 1 MiB, in one object.
    """
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        pieces = _pieces(reached.caller, id, attempt, follow=follow)
        if as_json:
            for _ in pieces if follow else ():
                pass
            screen.print_json(_end(reached.caller, id, attempt))
        else:
            _write(pieces)
    return 0


def _end(caller: Caller, run: str, attempt: int | None) -> dict[str, Any]:
    return caller.call("log", id=run, attempt=attempt, offset=-LARGEST_ANSWER, limit=LARGEST_ANSWER)


def _write(pieces: Iterator[str]) -> None:
    terminal = TerminalText() if sys.stdout.isatty() else None
    for text in pieces:
        sys.stdout.write(terminal.feed(text) if terminal else text)
        sys.stdout.flush()
    if terminal:
        sys.stdout.write("\x1b[0m")


def _pieces(caller: Caller, run: str, attempt: int | None, *, follow: bool) -> Iterator[str]:
    """The log from its start, piece by piece; with `follow` until the run has ended, attempt after attempt."""
    number, offset = attempt, 0
    seen = int(caller.call("events", limit=1)["next"])
    while True:
        answer = caller.call("log", id=run, attempt=number, offset=offset, limit=CHUNK_BYTES)
        number = answer["attempt"]
        if answer["content"]:
            offset = answer["next_offset"]
            yield answer["content"]
            continue
        if not follow or answer["done"]:
            return
        if attempt is None and number is not None:
            newest = caller.call("log", id=run, offset=0, limit=1)["attempt"]
            if newest != number:
                yield f"\n--- attempt {newest} ---\n"
                number, offset = newest, 0
                continue
        seen = int(caller.call("events", after=seen, wait=WAIT_SECONDS, limit=EVENTS)["next"])


class TerminalText:
    """Makes pieces of a log inert for a terminal; a colour that is cut between two pieces stays whole."""

    def __init__(self) -> None:
        self._kept = ""

    def feed(self, text: str) -> str:
        """The next piece, without what could command a terminal; a bare carriage return becomes a line end."""
        text = self._kept + text
        unfinished = _UNFINISHED.search(text)
        self._kept = unfinished.group() if unfinished else ""
        text = text.removesuffix(self._kept).replace("\r\n", "\n").replace("\r", "\n")
        return _COMMANDS.sub("", text)
