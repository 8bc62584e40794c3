"""`overnight cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("cancel", short_help="Cancel a campaign, sweep or run.")
@id_argument
@json_option
@click.pass_obj
def command(doors: Doors, id: str, as_json: bool) -> int:
    """Cancel a campaign, sweep or run.

    What has not run is cancelled at once; what runs is told to stop, and killed after its grace period.
    """
    from overnight.surfaces.cli.steer import steer

    return steer(doors, "cancel", as_json=as_json, id=id)
