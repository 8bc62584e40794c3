"""`overnight resume`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("resume", short_help="Allow starts again.")
@id_argument
@json_option
@click.pass_obj
def command(doors: Doors, id: str, as_json: bool) -> int:
    """Allow starts again.

    Ends a pause of a campaign, a sweep, or an agent's loop (wild-…).
    """
    from overnight.surfaces.cli.steer import steer

    return steer(doors, "resume", as_json=as_json, id=id)
