"""`overnight show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("show", short_help="One campaign, sweep or run, whole.")
@id_argument
@json_option
@click.pass_obj
def command(doors: Doors, id: str, as_json: bool) -> int:
    """One campaign, sweep or run with everything that belongs to it."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("show", id=id)
    if as_json:
        screen.print_json(answer)
    else:
        {"campaign": _campaign, "sweep": _sweep, "run": _run}[answer["kind"]](answer)
    return 0


def _campaign(it: dict[str, Any]) -> None:
    from overnight.surfaces.cli import ls, screen

    goal = it["goal"]
    screen.print_pairs((
        ("campaign", f"{it['name']}  {it['id']}"),
        ("state", f"{it['state']}{' (paused)' if it['paused'] else ''}"),
        ("runs", screen.counted(it["counts"])),
        ("goal", f"{goal['direction']} {goal['metric']}" if goal else None),
        ("file", it["path"]),
        ("code", _code(it["code"])),
        ("submitted", screen.moment(it["created_at"])),
        ("settled", screen.moment(it["settled_at"])),
    ))  # fmt: skip
    rows = [(s["id"], s["name"], ls.campaign_state(s), screen.counted(s["counts"])) for s in it["sweeps"]]
    screen.print_table(("sweep", "name", "state", "runs"), rows, title="Sweeps")
    print(f"\nnext: overnight ls --campaign {it['id']}; overnight summary {it['id']}")


def _sweep(it: dict[str, Any]) -> None:
    from overnight.surfaces.cli import screen

    screen.print_pairs((
        ("sweep", f"{it['name']}  {it['id']}"),
        ("campaign", it["campaign_id"]),
        ("state", f"{it['state']}{' (paused)' if it['paused'] else ''}"),
        ("runs", screen.counted(it["counts"])),
        *_shared(it),
    ))  # fmt: skip


def _shared(it: dict[str, Any]) -> list[tuple[str, object]]:
    """What all runs of a sweep share."""
    from overnight.surfaces.cli import screen

    needs, retry, environment = it["resources"], it["retry"], it["environment"]
    memory = f" of {needs['gpu_memory_mib']} MiB or more" if needs["gpu_memory_mib"] else ""
    slots = screen.plural(needs["slots"], "CPU slot")
    return [
        ("folder", it["workdir"]),
        ("needs", f"{screen.plural(needs['gpus'], 'GPU')}{memory}" if needs["gpus"] else slots),
        ("attempts", f"at most {retry['attempts']}, the first retry after {screen.length(retry['delay'])}"),
        ("time limit", screen.length(it["time_limit"])),
        ("environment", environment["venv"] or environment["conda"]),
    ]


def _code(code: dict[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (code or {}).items() if value not in (None, ""))


def _run(it: dict[str, Any]) -> None:
    from overnight.surfaces.cli import ls, screen

    screen.print_pairs((
        ("run", f"{it['name']}  {it['id']}"),
        ("state", it["state"]),
        ("because", ls.because(it)),
        ("campaign", it["campaign_id"]),
        ("sweep", it["sweep_id"]),
        ("submitted", screen.moment(it["created_at"])),
        ("took", ls.lasted(it)),
    ))  # fmt: skip
    frozen = it["frozen"]
    screen.print_title("Frozen at submission")
    screen.print_pairs((
        ("command", screen.command_text(frozen["command"])),
        *((f"  {name}", json.dumps(value, ensure_ascii=False)) for name, value in frozen["parameters"].items()),
        ("outputs", ", ".join(frozen["outputs"])),
        ("variables", ", ".join(frozen["environment_names"])),
        *_shared(frozen),
        ("code", _code(frozen["code"])),
    ))  # fmt: skip
    screen.print_table(("run", "name", "state"), [_need(need) for need in it["needs"]], title="Needs")
    header = ("attempt", "state", "because", "code", "signal", "started", "took", "devices", "folder")
    screen.print_table(header, [_attempt(made) for made in it["attempts_made"]], title="Attempts", right=(0, 3, 4))
    screen.print_table(("metric", "value"), sorted(it["results"].items()), title="Results", right=(1,))
    print(f"\nnext: overnight logs {it['id']}; overnight explain {it['id']}")


def _need(need: dict[str, Any]) -> tuple[object, ...]:
    from overnight.surfaces.cli import screen

    return need["id"], need["name"], screen.state(need["state"])


def _attempt(made: dict[str, Any]) -> tuple[object, ...]:
    from overnight.surfaces.cli import ls, screen

    return (
        made["number"],
        screen.state(made["state"]),
        ls.because(made),
        made["code"],
        made["signal"],
        screen.moment(made["started_at"]),
        screen.length(made["seconds"]),
        ", ".join(made["devices"]),
        made["folder"],
    )
