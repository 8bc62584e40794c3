"""`overnight explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("explain", short_help="Why something waits or failed, and what may be done.")
@id_argument
@json_option
@click.pass_obj
def command(doors: Doors, id: str, as_json: bool) -> int:
    """Why a run, or each kind of run of a campaign or sweep, is where it is, and what may be done about it."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("explain", id=id)
    if as_json:
        screen.print_json(answer)
    elif answer["kind"] == "run":
        print(f"{answer['state']}: {screen.clean(answer['reason'])} ({answer['code']})")
        _tell_next(answer["next"])
    else:
        _tell_reasons(answer["reasons"])
    return 0


def _tell_reasons(reasons: list[dict[str, Any]]) -> None:
    from overnight.surfaces.cli.screen import clean, plural

    if not reasons:
        print("all of its runs have succeeded")
    for reason in reasons:
        example = f"for example {clean(reason['name'])} {reason['example']}"
        print(f"{plural(reason['runs'], 'run')} {reason['state']}; {example}: {clean(reason['reason'])}")
        _tell_next(reason["next"])


def _tell_next(commands: list[str]) -> None:
    from overnight.surfaces.cli.screen import clean

    for text in commands:
        print(f"next: {clean(text)}")
