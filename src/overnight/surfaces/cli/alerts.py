"""`overnight alerts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("alerts", short_help="What people were told, or are still to be told.")
@click.argument("campaign", metavar="[CAMPAIGN]", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="List at most so many.")
@json_option
@click.pass_obj
def command(doors: Doors, campaign: str | None, limit: int, as_json: bool) -> int:
    """Alerts, newest first: what happened, and whether somebody was told (`[notify]` in config.toml says who)."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("alerts", campaign=campaign, limit=limit)
    if as_json:
        screen.print_json(answer)
        return 0
    rows = [
        (screen.moment(it["at"]), it["kind"], it["state"], it["title"], it["failure"] or it["detail"])
        for it in answer["alerts"]
    ]
    screen.print_table(("when", "kind", "told", "what", "detail"), rows)
    return 0
