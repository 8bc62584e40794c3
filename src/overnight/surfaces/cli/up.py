"""`overnight up`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from overnight.config import DEFAULT_PORT
from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.config import Configuration
    from overnight.surfaces.cli.doors import Doors, Served


@click.command("up", short_help="Serve: carry runs out until stopped.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--trust-loopback", is_flag=True, help="Ask nobody on this machine for a token.")
@click.option("--insecure-bind", is_flag=True, help="Allow an address that other machines reach, without TLS.")
@json_option
@click.pass_obj
def command(doors: Doors, host: str, port: int, trust_loopback: bool, insecure_bind: bool, as_json: bool) -> int:
    """Serve in the foreground: carry runs out and answer on a port, until SIGTERM or Ctrl-C.

    Prints `ready http://HOST:PORT` once it answers. Runs that have started go on when it ends; the next server finds
    them.
    """
    from overnight.surfaces.cli.reach import configured
    from overnight.surfaces.http.server import serve

    configuration = configured()
    refuse_second(doors, configuration)

    def say(text: str) -> None:
        _say(text, as_json=as_json)

    def start(broken: Callable[[str], None], url: str) -> Served:
        return doors.start(configuration, broken, url)

    return serve(start, host, port, insecure_bind=insecure_bind, trust_loopback=trust_loopback, say=say)


def refuse_second(doors: Doors, configuration: Configuration) -> None:
    """Conflict, naming the pid, when this home has a server: said before the port that both want is looked at."""
    from overnight.domain.errors import Conflict

    holder = doors.holder(configuration)
    if holder is None:
        return
    pid, url = holder
    where = f" at {url}" if url else ", without a port: a command that carries out its own campaign"
    raise Conflict(
        f"a server of {configuration.home} is running already (pid {pid}){where}",
        next_step="Use that one, or end it first.",
    )


def _say(text: str, *, as_json: bool) -> None:
    from overnight.surfaces.cli.screen import print_json

    if not as_json:
        print(text, flush=True)
        return
    word, _, url = text.partition(" ")
    answer: dict[str, Any] = {word: url}
    print_json(answer)
