"""`overnight up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("up", short_help="Serve: carry runs out until stopped.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=3111, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--trust-loopback", is_flag=True, help="Ask nobody on this machine for a token.")
@click.option("--insecure-bind", is_flag=True, help="Allow an address other than loopback, without TLS.")
@json_option
@click.pass_obj
def command(doors: Doors, host: str, port: int, trust_loopback: bool, insecure_bind: bool, as_json: bool) -> int:
    """Serve in the foreground: carry runs out and answer on a port, until SIGTERM or Ctrl-C.

    Prints `ready http://HOST:PORT` once it answers. Runs go on when it ends; the next server finds them.
    """
    raise NotImplementedError
