"""How a simulation ends: nothing goes wrong any more, and everything must come to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from overnight.domain.reasons import Reason
from overnight.domain.states import OPEN_RUN
from overnight.service.look import explain_thing
from overnight.service.requests import One
from overnight.testing.clock import TICK
from overnight.testing.inspector import Broken

if TYPE_CHECKING:
    from overnight.testing.world import Simulation

QUIET_TURNS = 2_000
"""Turns within which everything must have ended once nothing disturbs any more."""
MOVING = frozenset({"running", "cancelling", "collecting", "delayed"})
"""States of a run that comes to an end by itself."""
LEGITIMATE_WAITS = frozenset({"never_fits"})
"""Why a run may stay where it is for ever, by the code of its explanation."""
UNWANTED_SECONDS = 150.0
"""Within this time of peace an unwanted process ends: the longest grace, and a few repeated orders."""
LONGEST_STEP = 30.0
"""Seconds that count at most between two turns: a server that skips hours orders nothing meanwhile."""
LONGEST_WAIT = 5.5 * 3600.0
"""Seconds of peace within which something moves: the longest job and the latest news together."""


def heal(it: Simulation) -> None:
    it.chance.calm = True
    for name, host in it.hosts.items():
        host.machine.heal()
        host.unreached_until = 0.0
        if it.server.targets[name].found_out is not None:
            it.server.targets[name].lose()
    it.actors.resume_everything(it.server.context)
    if it.clients:
        it.clients.finish(it.server.context)
    if it.rng.random() < 0.5:
        it.actors.cancel_what_runs(it.server.context)


def wait_until_quiet(it: Simulation) -> None:
    """Nothing goes wrong and nothing is asked any more: everything must come to its end."""
    moved, seq = it.clock.true, 0
    unwanted: dict[str, tuple[float, float]] = {}
    for _ in range(QUIET_TURNS):
        pause = it.turn()
        _see_unwanted(it, unwanted)
        if _is_quiet(it):
            return
        if it.inspector.audit.seq > seq:
            moved, seq = it.clock.true, it.inspector.audit.seq
        elif it.clock.true - moved > LONGEST_WAIT:
            break
        it.advance(_idle(it, pause))
    still = it.clock.true - moved
    raise Broken(f"I36: nothing moves for {still:.0f} s of peace: {'; '.join(_unfinished(it)[:6])}")


def _see_unwanted(it: Simulation, since: dict[str, tuple[float, float]]) -> None:
    """I38, I40: what nobody wants any more ends soon, however often an order was lost."""
    living = [process for host in it.hosts.values() for process in host.machine.live]
    names = {f"{process.attempt} {process.fence}" for process in living if not it.inspector.wants(process)}
    for name in since.keys() - names:
        del since[name]
    for name in names:
        last, total = since.get(name, (it.clock.true, 0.0))
        total += min(it.clock.true - last, LONGEST_STEP)
        since[name] = (it.clock.true, total)
        if total > UNWANTED_SECONDS:
            raise Broken(f"I38, I40: {name} lives on, though nobody has wanted it for {total:.0f} s at least")


def _idle(it: Simulation, pause: float) -> float:
    """Nobody wakes the loop but by what happens; turns in which nothing could happen are left out."""
    if any(target.woken for target in it.server.targets.values()):
        return 0.0
    event = it.next_event()
    return TICK + (min(event, 600.0) if pause > 0.5 and event > pause else min(pause, event))


def _is_quiet(it: Simulation) -> bool:
    projection = it.inspector.projection
    moving = any(life.state in MOVING for life in projection.runs.values())
    alive = any(host.next_due() < float("inf") for host in it.hosts.values())
    quiet = not (moving or alive or projection.holders) and not _unfinished(it)
    if quiet and any(life.state == "queued" for life in projection.runs.values()):
        it.chance.meet("never_fits")
    return quiet


def _unfinished(it: Simulation) -> list[str]:
    """What still goes on, apart from runs that legitimately wait."""
    projection = it.inspector.projection
    open_runs = [run for run, life in projection.runs.items() if life.state in OPEN_RUN]
    going = [f"{run} is {_why(it, run)}" for run in open_runs if _why(it, run) not in LEGITIMATE_WAITS]
    held = [f"{device} is held by {attempts}" for device, attempts in projection.holders.items()]
    coming = [
        f"what {it} left is pending" for it, life in projection.homecoming.fetches.items() if life.state == "pending"
    ]
    return going + held + coming


def _why(it: Simulation, run: str) -> str:
    life = it.inspector.projection.runs[run]
    if life.state == "waiting":
        return _why_waiting(it, run)
    code = str(explain_thing(it.server.context, One(id=run))["code"])
    return "never_fits" if code == "held" and _stuck_before(it, run) else code


def _why_waiting(it: Simulation, run: str) -> str:
    """A run may wait for ever for one that waits for ever."""
    needed: list[str] = it.record.store.read(lambda session: it.inspector.needed(session, run))
    states = {name: it.inspector.projection.runs[name].state for name in needed}
    stuck = [name for name, state in states.items() if state in OPEN_RUN and _why(it, name) in LEGITIMATE_WAITS]
    return "never_fits" if stuck or _others_stuck(it, run) else f"waiting for {states}"


def _stuck_before(it: Simulation, run: str) -> bool:
    """Whether an earlier sweep, which a barrier waits for, has a run that waits for ever."""
    runs = it.inspector.projection.runs
    before = it.inspector.waits.before(run, runs)
    return any(_why(it, other) in LEGITIMATE_WAITS for other in before if runs[other].state in OPEN_RUN)


def _others_stuck(it: Simulation, run: str) -> bool:
    """Whether a run waits for files while another of its campaign, queued for ever, keeps the campaign going."""
    runs = it.inspector.projection.runs
    reason = it.record.store.read(lambda session: session.rows("run_get", id=run)[0][6])
    queued = [other for other in it.inspector.waits.siblings(run, runs) if runs[other].state == "queued"]
    return reason == Reason.PRECONDITION_MISSING and any(_never_fits(it, other) for other in queued)


def _never_fits(it: Simulation, run: str) -> bool:
    return str(explain_thing(it.server.context, One(id=run))["code"]) in LEGITIMATE_WAITS


def judge(it: Simulation) -> None:
    """Nothing is left over anywhere, and what was promised is there."""
    it.inspector.look(tables=True)
    projection = it.inspector.projection
    for host in it.hosts.values():
        left = [entry.launch.attempt for entry in host.entries.values() if not entry.final]
        if left:
            raise Broken(f"I40: {left} live on {host.machine.name} though nothing wants them")
    for thing, life in projection.campaigns.items():
        open_runs = [run for run in it.inspector.runs_of(thing) if projection.runs[run].state in OPEN_RUN]
        if life.state == "active" and not open_runs:
            raise Broken(f"I36: campaign {thing} is active though nothing of it goes on")
    for thing, life in projection.sweeps.items():
        tally = projection.tallies[thing]
        if life.state == "active" and not any(tally[state] for state in OPEN_RUN):
            raise Broken(f"I36: sweep {thing} is active though nothing of it goes on")
