"""`overnight brief`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("brief", short_help="State, history and next steps of one thing, or of everything open.")
@click.argument("id", metavar="[ID]", required=False)
@click.option("--all", "whole", is_flag=True, help="All of it, however long.")
@json_option
@click.pass_obj
def command(doors: Doors, id: str | None, whole: bool, as_json: bool) -> int:
    """All that somebody needs to go on who knows only an id: of a campaign, sweep, run or attempt (RUN.NUMBER).

    Its state and since when, what was asked, what happened by the event log, how attempts ended and why, what it waits
    for, what goes on by itself, what a person has to decide, exact commands, where things lie. Without an ID:
    everything that is open. About a screen, unless --all.
    """
    from overnight.reports.brief import lines
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("brief", id=id)
    if as_json:
        screen.print_json(answer)
    else:
        for line in lines(answer, _clock, whole=whole):
            print(screen.clean(line))
    return 0


def _clock(wall: float) -> str:
    """Local time without the year."""
    return datetime.fromtimestamp(wall).strftime("%m-%d %H:%M:%S")
