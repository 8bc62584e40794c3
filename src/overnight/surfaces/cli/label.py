"""`overnight label`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("label", short_help="Put labels on something, or take them off.")
@id_argument
@click.argument("words", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--remove", metavar="NAME", multiple=True, help="Take this label off; may be given several times.")
@json_option
@click.pass_obj
def command(doors: Doors, id: str, words: tuple[str, ...], remove: tuple[str, ...], as_json: bool) -> int:
    """Put labels on a campaign, sweep or run, or take them off; without any, say which it has.

    Runs have the labels of their sweep and campaign too. Find them with: overnight ls --label NAME=VALUE
    """
    from overnight.surfaces.cli import screen
    from overnight.surfaces.cli.reach import reach

    pairs = [word.partition("=") for word in words]
    for name, given, _ in pairs:
        if not given:
            raise click.UsageError(f"{name!r} is not NAME=VALUE")
    asked: dict[str, Any] = {"set": {name: value for name, _, value in pairs}, "remove": list(remove)}
    with reach(doors, changes=True) as reached:
        answer = reached.caller.call("label", id=id, **asked)
    if as_json:
        screen.print_json({**answer, "served": reached.served})
    else:
        listed = ", ".join(screen.clean(f"{name}={value}") for name, value in answer["labels"].items())
        print(f"{answer['kind']} {answer['id']}: {listed or 'no labels'}")
    return 0
