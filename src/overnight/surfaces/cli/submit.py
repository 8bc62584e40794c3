"""`overnight submit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import chat_option, file_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors

SHOWN = 5
"""Names of untouched runs that are listed for people; programs get all of them."""


@click.command("submit", short_help="Submit a campaign file and return.")
@file_argument
@click.option("--update", "edited", metavar="CAMPAIGN", help="Apply the file to this campaign, which is there already.")
@chat_option
@json_option
@click.pass_obj
def command(doors: Doors, file: str, edited: str | None, chat: str | None, as_json: bool) -> int:
    """Submit a campaign file and return.

    Without a server it is stored, and its runs start with the next `overnight up` or `overnight run`. With --update new
    runs are added, pending ones get what the file says of them now, and pending ones that it has no more are cancelled;
    what runs or has ended stays as it is.
    """
    from overnight.surfaces.cli import campaign_file, reach, screen

    request = campaign_file.read(file, chat)
    with reach.reach(doors, changes=True) as reached:
        if edited is None:
            answer = reached.caller.call("submit", **request)
        else:
            answer = reached.caller.call("update", id=edited, **request)
    if as_json:
        screen.print_json({**answer, "served": reached.served})
    elif edited is not None:
        _tell_update(answer)
    else:
        tell(answer, file, served=reached.served)
    return 0


def tell(answer: dict[str, Any], file: str, *, served: bool) -> None:
    """Say what was stored and what comes next."""
    from overnight.surfaces.cli.plan import tell_warnings
    from overnight.surfaces.cli.screen import clean, plural

    campaign = answer["campaign"]
    tell_warnings(answer["warnings"])
    known = " is submitted already" if answer["resumed"] else ""
    print(f"campaign {clean(campaign['name'])} {campaign['id']}{known}: {plural(answer['runs'], 'run')}")
    if served:
        print(f"next: overnight show {campaign['id']}")
    else:
        print(f"next: its runs start with `overnight up`, or with `overnight run {clean(file)}`")


def _tell_update(answer: dict[str, Any]) -> None:
    from overnight.surfaces.cli.plan import tell_warnings
    from overnight.surfaces.cli.screen import clean, plural

    tell_warnings(answer["warnings"])
    campaign, untouched = answer["campaign"], answer["untouched"]
    numbers = [f"{answer[it]} {it}" for it in ("added", "replaced", "cancelled", "unchanged") if answer[it]]
    done = ", ".join(numbers) if answer["changed"] else "nothing changed"
    print(f"campaign {clean(campaign['name'])} {campaign['id']}: {done}")
    if untouched:
        more = f" and {len(untouched) - SHOWN} more" if len(untouched) > SHOWN else ""
        names = ", ".join(clean(name) for name in untouched[:SHOWN])
        differ = "differs" if len(untouched) == 1 else "differ"
        print(f"{plural(len(untouched), 'run')} that had started before {differ} from the file: {names}{more}")
        print("next: to run what the file says now, give it another name there")
    print(f"next: overnight status {campaign['id']}")
