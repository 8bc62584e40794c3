"""What cancel, start, retry, pause, resume and priority share: ask, and say what changed."""

from __future__ import annotations

from typing import Any

from overnight.surfaces.cli import screen
from overnight.surfaces.cli.doors import Doors
from overnight.surfaces.cli.reach import reach


def steer(doors: Doors, operation: str, *, as_json: bool, **fields: Any) -> int:
    """Ask for a change and say what it did; without a server it is stored, and carried out by the next one."""
    with reach(doors, changes=True) as reached:
        answer = reached.caller.call(operation, **fields)
    if as_json:
        screen.print_json({**answer, "served": reached.served})
        return 0
    print(f"{answer['kind']} {answer['id']}: {_changed(operation, answer)}")
    if not reached.served and (answer.get("stopping") or operation in {"retry", "resume", "start"}):
        print("next: no server runs; it is carried out with: overnight up")
    return 0


def _changed(operation: str, answer: dict[str, Any]) -> str:
    if operation == "cancel":
        return _cancelled(answer["cancelled"], answer["stopping"])
    if operation == "start":
        return f"{screen.plural(answer['started'], 'run')} queued" if answer["started"] else "none of its runs is ready"
    if operation == "retry":
        return f"{screen.plural(answer['retried'], 'run')} will be tried again"
    if operation == "priority":
        return f"priority {answer['priority']}" + ("" if answer["changed"] else ", as before")
    paused = "paused: nothing new of it starts" if answer["paused"] else "open: its runs may start"
    return paused if answer["changed"] else f"nothing changed; it is {paused}"


def _cancelled(cancelled: int, stopping: int) -> str:
    if not cancelled and not stopping:
        return "nothing to cancel: all of its runs have ended or are being stopped"
    stopped = f", {stopping} told to stop" if stopping else ""
    return f"{screen.plural(cancelled, 'run')} cancelled{stopped}"
