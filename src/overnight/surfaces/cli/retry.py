"""`overnight retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("retry", short_help="Try failed, blocked or chosen runs again.")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--failed", is_flag=True, help="Only failed runs and blocked ones, not cancelled ones.")
@click.option("--blocked", is_flag=True, help="Only blocked runs; with --failed failed ones too.")
@click.option("--name", "names", metavar="RUN", multiple=True, help="Exactly this run of the campaign ID; repeatable.")
@click.option("--again", is_flag=True, help="Chosen runs also when they have succeeded.")
@json_option
@click.pass_obj
def command(
    doors: Doors, ids: tuple[str, ...], failed: bool, blocked: bool, names: tuple[str, ...], again: bool, as_json: bool
) -> int:
    """Try failed, cancelled and blocked runs of campaigns and sweeps, or exactly the chosen runs, again.

    What they had blocked waits for them again. All of it happens, or nothing.
    """
    from overnight.surfaces.cli.steer import steer

    first, *more = ids
    fields = {"id": first, "ids": more, "names": list(names), "failed": failed, "blocked": blocked, "again": again}
    return steer(doors, "retry", as_json=as_json, **fields)
