"""`overnight doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("doctor", short_help="Preflight of a target.")
@click.argument("target", default="here")
@click.option("--python", metavar="PROGRAM", help="Interpreter there, of your runs' environment, to call CUDA in.")
@json_option
@click.pass_obj
def command(doors: Doors, target: str, python: str | None, as_json: bool) -> int:
    """Look at a target (this machine is `here`) without changing anything; ends with 1 when a check fails."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("doctor", target=target, **({"python": python} if python else {}))
    if as_json:
        screen.print_json(answer)
    else:
        rows = [(it["check"], screen.state(it["verdict"]), it["value"], it["advice"]) for it in answer["checks"]]
        screen.print_table(("check", "verdict", "found", "what to do"), rows)
    return 0 if answer["ok"] else 1
