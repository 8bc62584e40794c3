"""`overnight summary`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("summary", short_help="What a campaign found.")
@click.argument("campaign", metavar="CAMPAIGN")
@json_option
@click.pass_obj
def command(doors: Doors, campaign: str, as_json: bool) -> int:
    """What a campaign found."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("summary", id=campaign)
    if as_json:
        screen.print_json(answer)
    else:
        tell(answer)
    return 0


def tell(answer: dict[str, Any]) -> None:
    """Show a summary."""
    from overnight.surfaces.cli import screen

    print(screen.counted(answer["counts"]))
