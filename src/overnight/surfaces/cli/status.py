"""`overnight status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors

SHOWN = 50
"""Live runs that are listed for people; programs get all of them."""


@click.command("status", short_help="What goes on now: devices, live runs, active campaigns.")
@json_option
@click.pass_obj
def command(doors: Doors, as_json: bool) -> int:
    """What goes on now: devices and who holds them, live runs, active campaigns."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("status")
    if as_json:
        screen.print_json({**answer, "served": reached.served})
    else:
        _tell(answer, served=reached.served)
    return 0


def _tell(answer: dict[str, Any], *, served: bool) -> None:
    from overnight.surfaces.cli import screen

    note = "" if served else "; no server answers: nothing new starts unless one runs (overnight up)"
    print(f"home {screen.clean(answer['home'])}{note}")
    devices = [
        (it["name"], it["target"], screen.state(it["state"]), it["attempt"], it["diagnosis"] or it["busy"])
        for it in answer["devices"]
    ]
    screen.print_table(("device", "target", "state", "attempt", "trouble"), devices, title="Devices")
    running = [
        (it["id"], it["name"], screen.state(it["state"]), _since(answer["now"], it["started_at"]))
        for it in answer["running"][:SHOWN]
    ]
    screen.print_table(("run", "name", "state", "for"), running, title="Live runs")
    if len(answer["running"]) > SHOWN:
        print(f"and {len(answer['running']) - SHOWN} more")
    campaigns = [
        (it["id"], it["name"], "paused" if it["paused"] else "", screen.counted(it["counts"]))
        for it in answer["campaigns"]
    ]
    screen.print_table(("campaign", "name", "", "runs"), campaigns, title="Active campaigns")


def _since(now: float, started: float | None) -> str:
    from overnight.surfaces.cli import screen

    return "" if started is None else screen.length(max(0.0, now - started))
