"""`overnight retry`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("retry", short_help="Try failed runs again.")
@id_argument
@click.option("--failed", is_flag=True, help="Only failed runs and those blocked by them, not cancelled ones.")
@json_option
@click.pass_obj
def command(doors: Doors, id: str, failed: bool, as_json: bool) -> int:
    """Try failed and cancelled runs of a campaign, sweep or run again.

    What they had blocked waits for them again.
    """
    from overnight.surfaces.cli.steer import steer

    return steer(doors, "retry", as_json=as_json, id=id, failed=failed)
