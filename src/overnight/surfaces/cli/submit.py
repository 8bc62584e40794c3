"""`overnight submit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import file_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("submit", short_help="Submit a campaign file and return.")
@file_argument
@json_option
@click.pass_obj
def command(doors: Doors, file: str, as_json: bool) -> int:
    """Submit a campaign file and return.

    Without a server it is stored, and its runs start with the next `overnight up` or `overnight run`.
    """
    from overnight.surfaces.cli import campaign_file, reach, screen

    request = campaign_file.read(file)
    with reach.reach(doors, changes=True) as reached:
        answer = reached.caller.call("submit", **request)
    if as_json:
        screen.print_json({**answer, "served": reached.served})
    else:
        tell(answer, file, served=reached.served)
    return 0


def tell(answer: dict[str, Any], file: str, *, served: bool) -> None:
    """Say what was stored and what comes next."""
    from overnight.surfaces.cli.screen import clean, plural

    campaign = answer["campaign"]
    known = " is submitted already" if answer["resumed"] else ""
    print(f"campaign {clean(campaign['name'])} {campaign['id']}{known}: {plural(answer['runs'], 'run')}")
    if served:
        print(f"next: overnight show {campaign['id']}")
    else:
        print(f"next: its runs start with `overnight up`, or with `overnight run {clean(file)}`")
