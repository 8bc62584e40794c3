"""`overnight status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors

SHOWN = 50
"""Live runs, or jobs that have not ended well, that are listed for people; programs get all of them."""


@click.command("status", short_help="What goes on now, or how the queue of a campaign stands.")
@click.argument("campaign", metavar="[CAMPAIGN]", required=False)
@json_option
@click.pass_obj
def command(doors: Doors, campaign: str | None, as_json: bool) -> int:
    """What goes on now: devices and who holds them, live runs, active campaigns.

    With a campaign: its queue, job by job. Nothing is changed by looking.
    """
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("queue", id=campaign) if campaign is not None else reached.caller.call("status")
    if as_json:
        screen.print_json({**answer, "served": reached.served})
    elif campaign is not None:
        _tell_queue(answer["queue"])
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
    machines = [
        (it["name"], screen.state(it["state"]), _age(it["age"]), it["live"], it["why"] or "", it["next"] or "")
        for it in answer["targets"]
    ]
    if len(machines) > 1:
        heads = ("target", "state", "heard", "runs", "trouble", "what to do")
        screen.print_table(heads, machines, title="Targets", right=(3,))
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


def _age(seconds: float | None) -> str:
    from overnight.surfaces.cli import screen

    return "never" if seconds is None else f"{screen.length(seconds)} ago"


def _since(now: float, started: float | None) -> str:
    from overnight.surfaces.cli import screen

    return "" if started is None else screen.length(max(0.0, now - started))


def _tell_queue(queue: dict[str, Any]) -> None:
    from overnight.surfaces.cli import screen

    print(_line(queue["counts"]))
    phases = [(it["name"], screen.state(it["status"]), ", ".join(it["depends_on"])) for it in queue["phases"]]
    screen.print_table(("phase", "status", "after"), phases, title="Phases")
    open_jobs = [job for job in queue["jobs"] if job["status"] != "completed"]
    listed = [
        (job["id"], job["phase"], screen.state(job["status"]), job["attempts"], _about(job))
        for job in open_jobs[:SHOWN]
    ]
    screen.print_table(("job", "phase", "status", "attempts", "because"), listed, title="Jobs", right=(3,))
    if len(open_jobs) > SHOWN:
        print(f"and {len(open_jobs) - SHOWN} more (all of them: --json)")


def _line(counts: dict[str, Any]) -> str:
    """`3 done / 1 running / 2 pending / 1 stuck, 4 min 05 s left`."""
    from overnight.surfaces.cli import screen

    numbers = [(counts["completed"], "done"), (counts["running"], "running")]
    numbers.append((counts["pending"] + counts["failed_oom"], "pending"))
    numbers += [(counts[word], word) for word in ("blocked", "stuck", "canceled") if counts[word]]
    left = f", about {screen.length(counts['eta_seconds'])} left" if counts["eta_seconds"] else ""
    return " / ".join(f"{number} {word}" for number, word in numbers) + left


def _about(job: dict[str, Any]) -> str:
    return ": ".join(text for text in (job["error_class"], job["error"], job["reason"]) if text)
