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
        *_about(it),
        ("submitted", screen.moment(it["created_at"])),
        ("settled", screen.moment(it["settled_at"])),
    ))  # fmt: skip
    rows = [(s["id"], s["name"], ls.campaign_state(s), screen.counted(s["counts"])) for s in it["sweeps"]]
    screen.print_table(("sweep", "name", "state", "runs"), rows, title="Sweeps")
    print(f"\nnext: overnight ls --campaign {it['id']}; overnight summary {it['id']}")


def _about(it: dict[str, Any]) -> list[tuple[str, object]]:
    """For whom it was submitted, and the words on it."""
    chat = it["chat"] if it["attributed"] else ("none, on purpose" if it["intentional"] else None)
    return [("by", it["actor"]), ("conversation", chat), ("labels", _labels(it))]


def _labels(it: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in it["labels"].items())


def _sweep(it: dict[str, Any]) -> None:
    from overnight.surfaces.cli import screen

    screen.print_pairs((
        ("sweep", f"{it['name']}  {it['id']}"),
        ("campaign", it["campaign_id"]),
        ("phase", it["phase"]),
        ("state", f"{it['state']}{' (paused)' if it['paused'] else ''}"),
        ("runs", screen.counted(it["counts"])),
        ("priority", it["priority"] or None),
        ("labels", _labels(it)),
        ("waits", "until all sweeps before it are over and the devices are clean" if it["barrier"] else None),
        *_shared(it),
    ))  # fmt: skip


def _shared(it: dict[str, Any]) -> list[tuple[str, object]]:
    """What all runs of a sweep share, and the runs' own where they have some."""
    from overnight.surfaces.cli import screen

    retry = it["retry"]
    return [
        ("folder", it["workdir"]),
        ("frozen copy", it["snapshot"]),
        ("targets", ", ".join(it["targets"])),
        ("needs", _resources(it["resources"])),
        ("attempts", f"at most {retry['attempts']}, the first retry after {screen.length(retry['delay'])}"),
        ("time limit", screen.length(it["time_limit"])),
        ("estimate", screen.length(it["estimate"])),
        ("hung after", screen.length(it["hang"])),
        ("environment", _environment(it["environment"])),
        ("secrets", ", ".join(f"{name} from {source}" for name, source in it["secrets"].items())),
    ]


def _resources(need: dict[str, Any]) -> str:
    from overnight.surfaces.cli import screen

    if not need["gpus"]:
        return screen.plural(need["slots"], "CPU slot") if need["slots"] else "no device"
    memory = f" of {need['gpu_memory_mib']} MiB or more" if need["gpu_memory_mib"] else ""
    named = f" named like {need['gpu_name']}" if need["gpu_name"] else ""
    allowed = f", one of {', '.join(map(str, need['devices']))}" if need["devices"] is not None else ""
    shared = f", which {need['share']} runs may share" if need["share"] > 1 else ""
    return f"{screen.plural(need['gpus'], 'GPU')}{memory}{named}{allowed}{shared}"


def _environment(environment: dict[str, Any]) -> str:
    """`conda exp`; empty for none."""
    kinds = ("venv", "conda", "uv", "container")
    return ", ".join(f"{kind} {environment[kind]}" for kind in kinds if environment[kind] is not None)


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
        ("phase", it["phase"]),
        ("changed", _changed(it["changed"])),
        *_about(it),
        ("submitted", screen.moment(it["created_at"])),
        ("took", ls.lasted(it)),
        ("in use", _in_use(it["attempts_made"])),
        ("copied here", _fetch(it["fetch"])),
    ))  # fmt: skip
    frozen = it["frozen"]
    screen.print_title("Frozen at submission")
    screen.print_pairs((
        ("command", screen.command_text(frozen["command"])),
        *((f"  {name}", json.dumps(value, ensure_ascii=False)) for name, value in frozen["parameters"].items()),
        ("outputs", ", ".join(frozen["outputs"])),
        ("requires", ", ".join(frozen["requires"])),
        ("variables", ", ".join(frozen["environment_names"])),
        *_shared(frozen),
        ("code", _code(frozen["code"])),
    ))  # fmt: skip
    screen.print_table(("run", "name", "state"), [_need(need) for need in it["needs"]], title="Needs")
    header = ("attempt", "state", "because", "code", "signal", "started", "took", "devices", "folder")
    screen.print_table(header, [_attempt(made) for made in it["attempts_made"]], title="Attempts", right=(0, 3, 4))
    marks = [(mark["attempt"], mark["mark"], mark["detail"], screen.moment(mark["at"])) for mark in it["marks"]]
    screen.print_table(("attempt", "mark", "because", "at"), marks, title="Worth a look")
    screen.print_table(("metric", "value"), sorted(it["results"].items()), title="Results", right=(1,))
    print(f"\nnext: overnight logs {it['id']}; overnight explain {it['id']}")


def _in_use(attempts: list[dict[str, Any]]) -> str | None:
    """What its live attempt was last seen to use; None without one."""
    from overnight.surfaces.cli import screen

    use = next((made["in_use"] for made in reversed(attempts) if made["in_use"]), None)
    if use is None:
        return None
    gpus = f", GPU {use['gpu_utilisation']:.0f} %" if use["gpu_utilisation"] is not None else ""
    memory = f", {use['gpu_memory_mib']} MiB of its memory" if use["gpu_memory_mib"] is not None else ""
    mib, most = (use[name] // 1024**2 for name in ("rss_bytes", "peak_rss_bytes"))
    processes = f"{use['processes']} process{'' if use['processes'] == 1 else 'es'}"
    return (
        f"{use['cpu_seconds']:.0f} s of CPU, {mib} MiB in {processes} (at most {most} MiB){gpus}{memory}, "
        f"seen {screen.moment(use['at'])}"
    )


def _fetch(fetch: dict[str, Any] | None) -> str | None:
    """How far the copy of what its newest attempt left on another machine is; None for one of this machine."""
    from overnight.surfaces.cli import screen

    if fetch is None:
        return None
    if fetch["state"] == "done":
        return f"{screen.plural(fetch['files'], 'file')}, {fetch['bytes']} bytes"
    tries = f", failed {screen.plural(fetch['tries'], 'time')}" if fetch["tries"] else ""
    why = f": {fetch['problem']}" if fetch["problem"] else ""
    return f"{'never' if fetch['state'] == 'failed' else 'on the way'}{tries}{why}"


def _changed(parameters: dict[str, Any]) -> str:
    """`batch=32`: what the smaller setting that it is at has changed."""
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in parameters.items())


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
