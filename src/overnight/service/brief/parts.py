"""What briefs of all kinds are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from overnight.domain.errors import OvernightError
from overnight.domain.nouns import Campaign, Run, Sweep
from overnight.domain.plan import Need
from overnight.reports.story import Happening
from overnight.service import views
from overnight.service.context import Context, Spot
from overnight.service.routes import ROUTES
from overnight.service.views import View
from overnight.store import marks, targets
from overnight.store.base import Session

TAIL_BYTES, TAIL_LINES, LONGEST_LINE = 8_192, 8, 400
"""How much of the end of a log is shown."""
COMMANDS = {"logs": "log", "ls": "list_runs"}
"""Commands that are not called as their operations are."""


@dataclass(frozen=True, slots=True)
class Log:
    """Where a log lies of which the end is shown, and the part of the answer that gets it."""

    into: View
    target: str
    folder: str


@dataclass(slots=True)
class Draft:
    """A brief while it is made: `view` is the answer, `logs` are read after the record was closed."""

    view: View
    logs: list[Log] = field(default_factory=list)


def empty(session: Session, kind: str, id_: str | None, name: str, state: str) -> View:
    """A brief that says nothing yet."""
    return {
        "id": id_,
        "kind": kind,
        "name": name,
        "now": session.now,
        "state": state,
        "since": None,
        "text": "",
        "asked": asked(),
        "history": [],
        "attempts": [],
        "failures": [],
        "progress": {
            "counts": {}, "done": 0, "total": 0, "seconds": None, "left": None, "numbers": {}, "best": None,
            "usage": None,
        },
        "waits": [],
        "coming": [],
        "decide": [],
        "next": [],
        "places": [],
        "last_event": 0,
        "content": "",
    }  # fmt: skip


def asked(**known: Any) -> View:
    """What was asked, as far as it is known."""
    return {
        "by": None, "surface": None, "at": None, "command": None, "parameters": {}, "folder": None, "file": None,
        "targets": [], "needs": None, "code": {}, "limits": {}, "goal": None, **known,
    }  # fmt: skip


def asked_by(it: Campaign | Run) -> View:
    """Who asked, by which surface, when."""
    return {"by": it.actor, "surface": it.origin or None, "at": it.created_at}


def shared(sweep: Sweep) -> View:
    """What all runs of a sweep share, for `asked`."""
    settings = sweep.settings
    limits: View = {
        "attempts": settings.retry.attempts,
        "time_limit": settings.time_limit,
        "estimate": settings.estimate,
        "hang": settings.hang,
        "parallel": settings.parallel,
    }
    if settings.targets != ("here",):
        limits |= {"on_disconnect": settings.on_disconnect, "lease": settings.lease}
    return {
        "folder": settings.workdir,
        "targets": list(settings.targets),
        "needs": needs_in_words(settings.need),
        "limits": {name: value for name, value in limits.items() if value is not None},
        "code": {"snapshot": settings.code} if settings.code else {},
    }


def needs_in_words(need: Need) -> str:
    """`2 GPUs of 40000 MiB or more`."""
    number, noun = (need.gpus, "GPU") if need.gpus else (need.slots, "CPU slot")
    memory = f" of {need.gpu_memory_mib} MiB or more" if need.gpus and need.gpu_memory_mib else ""
    return f"{number} {noun}{'' if number == 1 else 's'}{memory}"


def told(story: Iterable[Happening]) -> list[View]:
    """A story as the answer has it."""
    return [{name: value for name, value in asdict(it).items() if name != "like"} for it in story]


def plain(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers among some values, as JSON can carry them."""
    kept = {name: value for name, value in numbers.items() if type(value) in (int, float)}
    return views.metrics({name: float(value) for name, value in kept.items()})


def finite(value: Any) -> Any:
    """A number as JSON can carry it."""
    return views.metrics({"": float(value)})[""] if isinstance(value, float) and not math.isfinite(value) else value


def unreached(session: Session, among: Iterable[str]) -> list[View]:
    """What goes on by itself about those targets that are not reached now: they are asked again, and nothing else."""
    wanted, found = set(among), targets.known(session).values()
    return [
        {
            "at": None,
            "text": f"{it.name} is not reached since {session.now - it.since:.0f} s ({it.detail}): it is asked again "
            "and again; what runs there counts as unknown, and is neither ended nor repeated",
        }
        for it in found
        if it.name in wanted and it.state == targets.UNKNOWN
    ]


def held(session: Session, among: Iterable[str]) -> list[View]:
    """What somebody has to decide about holds on targets (names) and sweeps (ids)."""
    wanted = set(among)
    return [
        {"text": f"nothing new starts for {subject}: {detail} ({code})", "commands": ["overnight doctor"]}
        for subject, (code, detail) in marks.holds(session).items()
        if subject in wanted
    ]


def permitted(context: Context, view: View) -> View:
    """The same without the commands that who asks may not use."""
    view["decide"] = [{**it, "commands": _allowed(context, it["commands"])} for it in view["decide"]]
    view["next"] = _allowed(context, view["next"])
    return view


def _allowed(context: Context, commands: Sequence[str]) -> list[str]:
    routes = {route.name: route for route in ROUTES}
    kept = []
    for command in dict.fromkeys(commands):
        word = command.split()[1]
        route = routes.get(COMMANDS.get(word, word))
        whole = route is not None and route.whole and context.principal.scope is not None
        if route is None or (context.principal.may(route.verb) and not whole):
            kept.append(command)
    return kept


def read_logs(spots: Mapping[str, Spot], logs: Iterable[Log]) -> None:
    """Put the ends of logs where they are wanted; of one that cannot be read now, why."""
    for log in logs:
        log.into["log"] = _tail(spots, log)


def _tail(spots: Mapping[str, Spot], log: Log) -> list[str]:
    spot = spots.get(log.target)
    if spot is None:
        return []
    try:
        data, _ = spot.files.log(log.folder, -TAIL_BYTES, TAIL_BYTES)
    except OvernightError as error:
        return [f"(cannot be read now: {error.message})"]
    return [line[:LONGEST_LINE] for line in data.decode("utf-8", errors="replace").splitlines() if line.strip()][
        -TAIL_LINES:
    ]
