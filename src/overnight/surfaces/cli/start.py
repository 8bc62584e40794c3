"""`overnight start`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("start", short_help="Queue ready runs.")
@id_argument
@json_option
@click.pass_obj
def command(doors: Doors, id: str, as_json: bool) -> int:
    """Queue the ready runs of a campaign or sweep, or one of them.

    They start by themselves when there is room.
    """
    from overnight.surfaces.cli.steer import steer

    return steer(doors, "start", as_json=as_json, id=id)
