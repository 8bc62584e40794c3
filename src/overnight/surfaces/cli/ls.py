"""`overnight ls`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.caller import Caller
    from overnight.surfaces.cli.doors import Doors


@click.command("ls", short_help="List campaigns and runs.")
@click.option("--runs", is_flag=True, help="List all runs, not only those outside any campaign.")
@click.option("--campaign", metavar="ID", help="List the runs of one campaign, in the order of its file.")
@click.option("--state", metavar="STATE", multiple=True, help="List runs in this state; several add up.")
@click.option("--label", metavar="NAME[=VALUE]", help="List only what has this label.")
@click.option("--chat", metavar="SESSION", help="List only what this conversation asked for.")
@click.option(
    "--sort", metavar="ORDER", help="List runs by created, name, param:NAME or metric:NAME; -ORDER: largest first."
)
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="List at most so many.")
@json_option
@click.pass_obj
def command(doors: Doors, /, runs: bool, limit: int, as_json: bool, **filters: Any) -> int:
    """List campaigns and the runs outside them, newest first; with --campaign, --state or --sort only runs."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = _ask(reached.caller, runs, {**filters, "state": list(filters["state"]) or None, "limit": limit})
    if as_json:
        screen.print_json(answer)
    else:
        _tell(answer, limit)
    return 0


OF_RUNS = ("campaign", "state", "sort")
"""Filters that campaigns do not have."""


def _ask(caller: Caller, runs: bool, filters: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in filters.items() if value is not None}
    if any(name in given for name in OF_RUNS):
        return {"campaigns": [], **caller.call("list_runs", **given)}
    answer = caller.call("list_campaigns", **given)
    return {**answer, **caller.call("list_runs", **given)} if runs else answer


def _tell(answer: dict[str, Any], limit: int) -> None:
    from overnight.surfaces.cli import screen

    rows = [
        (it["id"], it["name"], campaign_state(it), screen.counted(it["counts"]), screen.moment(it["created_at"]))
        for it in answer["campaigns"]
    ]
    screen.print_table(("campaign", "name", "state", "runs", "submitted"), rows)
    if rows and answer["runs"]:
        print()
    print_runs(answer["runs"])
    if not rows and not answer["runs"]:
        print("Nothing yet. Submit a campaign file with: overnight run FILE")
    if limit in (len(rows), len(answer["runs"])):
        print(f"(the newest {limit}; more with --limit)")


def campaign_state(campaign: dict[str, Any]) -> Any:
    """The state of a campaign or sweep, or that it is paused."""
    from overnight.surfaces.cli import screen

    return screen.state("paused" if campaign["paused"] and campaign["state"] == "active" else campaign["state"])


def print_runs(runs: list[dict[str, Any]]) -> None:
    """Runs as a table."""
    from overnight.surfaces.cli import screen

    rows = [
        (
            run["id"],
            run["name"],
            screen.state(run["state"]),
            run["attempts"],
            screen.moment(run["started_at"]),
            lasted(run),
            because(run),
        )
        for run in runs
    ]
    screen.print_table(("run", "name", "state", "attempts", "started", "took", "because"), rows, right=(3,))


def because(it: dict[str, Any]) -> str:
    """Why a run or attempt is in its state, as far as the state does not say it."""
    return "" if it["reason"] == "ok" else it["detail"] or it["reason"] or ""


def lasted(run: dict[str, Any]) -> str:
    """How long a run that has ended took."""
    from overnight.surfaces.cli import screen

    if run["started_at"] is None or run["ended_at"] is None:
        return ""
    return screen.length(max(0.0, run["ended_at"] - run["started_at"]))
