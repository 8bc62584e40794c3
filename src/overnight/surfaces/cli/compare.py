"""`overnight compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("compare", short_help="Two runs side by side.")
@click.argument("first", metavar="ID")
@click.argument("second", metavar="ID")
@json_option
@click.pass_obj
def command(doors: Doors, first: str, second: str, as_json: bool) -> int:
    """Two runs side by side: what differs in them, and in what they found."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("compare", first=first, second=second)
    if as_json:
        screen.print_json(answer)
    else:
        for table in answer["tables"]:
            screen.print_report_table(table)
    return 0
