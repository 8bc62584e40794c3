"""`overnight wait`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import id_argument, json_option

if TYPE_CHECKING:
    from overnight.clock import Clock
    from overnight.surfaces.cli.doors import Doors

TIMEOUT = 3_600.0
"""Seconds that are waited unless somebody says otherwise."""
LONGEST = 86_400.0
"""Seconds that are waited at most: a wait always ends."""
TURN_SECONDS = 60.0
"""How long one request waits; then it is asked again."""
AWAY_SECONDS = 1.0
"""Pause before it is asked again after the server was away, or while there is none."""


@click.command("wait", short_help="Wait until something came of a campaign, sweep, run or attempt.")
@id_argument
@click.option(
    "--until",
    "words",
    multiple=True,
    metavar="WORD",
    help="A state, final (default), started, change, or a kind of event; repeatable.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, LONGEST),
    default=TIMEOUT,
    show_default=True,
    metavar="S",
    help="Seconds to wait at most.",
)
@click.option("--after", type=click.IntRange(0), metavar="N", help="What happened after this event counts too.")
@json_option
@click.pass_obj
def command(doors: Doors, id: str, words: tuple[str, ...], timeout: float, after: int | None, as_json: bool) -> int:
    """Wait until a campaign, sweep, run or attempt (RUN.NUMBER) reaches a state, or an event about it happens.

    Ends with 0 when it came; with 1 when it did not within --timeout, cannot come any more, or another wait for it
    took over. WORD is a state (succeeded, running, …), `final`, `started`, `change`, or a kind of event
    (`attempt.confirm`, `alert.*`). Goes on through restarts of the server. To miss nothing between two waits, give the
    `next` of the first as --after to the second.
    """
    from overnight.clock import SystemClock
    from overnight.surfaces.cli import screen

    clock = SystemClock()
    begun = clock.boot()
    asked = {"id": id, "until": list(words) or ["final"], "after": after}
    answer = _wait(doors, asked, clock, begun + timeout)
    answer = {**answer, "seconds": round(clock.boot() - begun, 3)}
    if as_json:
        screen.print_json(answer)
    else:
        print(screen.clean(_sentence(answer)))
    return 0 if answer["came"] else 1


def _wait(doors: Doors, asked: dict[str, Any], clock: Clock, deadline: float) -> dict[str, Any]:
    """Ask until there is something to say or the time is over. Whoever answered once may be away for a while."""
    from overnight.clock import pause
    from overnight.domain import errors
    from overnight.ids import new_token

    answer, served = _ask(doors, asked, 0.0)
    asked = {**asked, "id": answer["id"], "subscriber": new_token()}
    while answer["why"] == "timeout" and (left := deadline - clock.boot()) > 0:
        if not served:
            pause(min(AWAY_SECONDS, left))
        asked["after"] = answer["next"]
        try:
            answer, served = _ask(doors, asked, max(0.0, deadline - clock.boot()))
        except (errors.Unreachable, errors.StoreUnavailable):
            served = False
    return answer


def _ask(doors: Doors, asked: dict[str, Any], left: float) -> tuple[dict[str, Any], bool]:
    """One answer, and whether a server gave it: the record alone is looked at without waiting."""
    from overnight.surfaces.cli import reach

    with reach.reach(doors) as reached:
        wait = min(TURN_SECONDS, left) if reached.served else 0.0
        return reached.caller.call("wait", **asked, wait=round(wait, 3)), reached.served


def _sentence(it: dict[str, Any]) -> str:
    what = f"{it['kind']} {it['name']} {it['id']} is {it['state']}"
    again = f"go on with: overnight wait {it['id']} --after {it['next']}"
    if it["came"]:
        event = f" (event {it['event']['seq']}: {it['event']['kind']} {it['event']['subject']})" if it["event"] else ""
        return f"{it['until']}: {what}{event}"
    if it["why"] == "cannot":
        return f"cannot come any more: {what}; see: overnight brief {it['id']}"
    if it["why"] == "superseded":
        return f"superseded: another wait for it took over; {what}"
    return f"timeout: {what} after {it['seconds']:.0f} s; {again}"
