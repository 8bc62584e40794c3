"""`overnight verify-log`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("verify-log", short_help="Check the record against itself.")
@json_option
@click.pass_obj
def command(doors: Doors, as_json: bool) -> int:
    """Check the event log's hash chain, the tables against the log, and the invariants; ends with 1 when one is broken.

    Takes time in proportion to the length of the log.
    """
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("verify_log")
    if as_json:
        screen.print_json(answer)
    elif answer["ok"]:
        print(f"ok: {screen.plural(answer['events'], 'event')}, {len(answer['checked'])} invariants hold")
        print(f"head {answer['head']}")
    else:
        rows = [(it["invariant"], it["subject"], it["message"]) for it in answer["violations"]]
        print(f"{screen.plural(answer['found'], 'violation')} in {screen.plural(answer['events'], 'event')}")
        screen.print_table(("invariant", "subject", "what is wrong"), rows)
    return 0 if answer["ok"] else 1
