"""`overnight pause`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("pause", short_help="Start nothing new of a campaign or sweep.")
@id_argument
@json_option
@click.pass_obj
def command(doors: Doors, id: str, as_json: bool) -> int:
    """Start nothing new of a campaign, a sweep, or the conversation of an agent's loop (wild-…).

    What runs goes on.
    """
    from overnight.surfaces.cli.steer import steer

    return steer(doors, "pause", as_json=as_json, id=id)
