"""`overnight events`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.caller import Caller
    from overnight.surfaces.cli.doors import Doors

WAIT_SECONDS = 20.0
"""How long one question for news waits; then it is asked again."""
SHOWN = 120
"""Characters of one value of an event that are shown to people."""
PAGE = 1_000
"""Events read at once while following."""


@click.command("events", short_help="What happened, in order.")
@click.argument("id", metavar="[ID]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on, until Ctrl-C.")
@click.option("--after", type=click.IntRange(0), metavar="N", help="Only events with a larger number.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="List at most so many.")
@json_option
@click.pass_obj
def command(doors: Doors, id: str | None, follow: bool, after: int | None, limit: int, as_json: bool) -> int:
    """What happened: the newest events, or those after a number; about one id or about everything.

    With --json and --follow every event is an object on a line of its own.
    """
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        head = reached.caller.call("events", limit=1)["next"]
        answer = reached.caller.call("events", after=after, limit=limit, subject=id)
        if as_json and not follow:
            screen.print_json(answer)
            return 0
        for event in answer["events"]:
            _tell(event, as_json=as_json)
        if follow:
            told = answer["next"] if answer["events"] and (id is None or len(answer["events"]) == limit) else head
            _follow(reached.caller, id, told, as_json=as_json)
    return 0


def _follow(caller: Caller, subject: str | None, seen: int, *, as_json: bool) -> None:
    """All events are read, and those about others left out: waiting for a subject's own would wake for any event."""
    wanted = caller.call("show", id=subject)["id"] if subject is not None else None
    while True:
        answer = caller.call("events", after=seen, wait=WAIT_SECONDS, limit=PAGE)
        seen = answer["next"]
        for event in answer["events"]:
            if wanted is None or wanted in _about(event):
                _tell(event, as_json=as_json)


def _about(event: dict[str, Any]) -> set[str]:
    """What an event is about: its subject, and the run that it names beside it."""
    return {event["subject"], str(event["payload"].get("run"))}


def _tell(event: dict[str, Any], *, as_json: bool) -> None:
    from overnight.surfaces.cli.screen import clean, moment

    if as_json:
        print(json.dumps(event, separators=(",", ":")), flush=True)
        return
    details = "  ".join(f"{name}={_short(value)}" for name, value in event["payload"].items())
    line = f"{event['seq']:>7}  {moment(event['at'])}  {event['kind']:<17} {event['subject']:<14} {event['actor']}"
    print(clean(f"{line}  {details}"), flush=True)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
