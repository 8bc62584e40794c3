"""`overnight mcp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("mcp", short_help="Serve an agent over standard input and output.")
@click.pass_obj
def command(doors: Doors) -> int:
    """Speak the Model Context Protocol over standard input and output, until the input ends.

    For hosts that start their servers themselves. Asks the server that OVERNIGHT_URL and OVERNIGHT_TOKEN name, else the
    home's own, else the home itself: then nothing starts until one serves (overnight up).
    """
    from overnight.surfaces.mcp.stdio import serve

    return serve(doors)
