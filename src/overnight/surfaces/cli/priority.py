"""`overnight priority`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command(
    "priority", short_help="Let something go before the rest.", context_settings={"ignore_unknown_options": True}
)
@id_argument
@click.argument("number", metavar="NUMBER", type=int)
@json_option
@click.pass_obj
def command(doors: Doors, id: str, number: int, as_json: bool) -> int:
    """Let a run, a sweep, or all sweeps of a campaign go before what has a smaller NUMBER; 0 is usual.

    What runs already is not touched.
    """
    from overnight.surfaces.cli.steer import steer

    return steer(doors, "priority", as_json=as_json, id=id, priority=number)
