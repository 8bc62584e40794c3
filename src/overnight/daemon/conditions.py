"""Looks at the files that waiting runs require, and releases, skips or in the end blocks these runs.

The look happens outside the transaction, for file systems are slow; what it found is taken in by the turn's
transaction, which guards each step again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from overnight.daemon.presence import Condition, Found, ask
from overnight.daemon.world import World
from overnight.domain.errors import Unavailable
from overnight.domain.nouns import SweepSettings
from overnight.domain.reasons import Reason
from overnight.planner.waves import Standing
from overnight.service import consequences
from overnight.service.consequences import EndedRun
from overnight.service.lanes import can_go_on
from overnight.store import campaigns, runs
from overnight.store.base import Session
from overnight.store.moves import move_runs

AT_ONCE = 5_000
"""Runs whose files are looked at in one turn at most; the next turn goes on after the last of them."""
SECONDS = 5.0
"""How often the files of waiting runs are looked at while nothing else happens."""
NAMED = 3
"""Missing paths that a sentence names before it only counts them."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found, and of which campaigns nothing else went on then."""

    found: tuple[Found, ...] = ()
    idle: frozenset[str] = frozenset()
    last: int = 0
    """`seq` of the last run; the next look goes on after it. 0 = all were looked at."""
    after: int = 0
    """`seq` after which it began."""


NOTHING = Look()


def look(world: World, after: int) -> Look:
    """Look at the files of the next waiting runs whose needs are met, in order of submission from `after` on."""
    waiting, more, idle = world.store.read(lambda session: _waiting(session, after))
    groups: dict[tuple[str, str], list[Condition]] = {}
    for condition in waiting:
        settings = condition.sweep.settings
        place = world.places.get(one_target(settings))
        if place is not None:
            with suppress(Unavailable):
                groups.setdefault((one_target(settings), place.workdir(settings)), []).append(condition)
    found = [it for (target, workdir), group in groups.items() for it in ask(world, target, workdir, group)]
    return Look(tuple(found), idle, waiting[-1].seq if more else 0, after)


def one_target(settings: SweepSettings) -> str:
    """Where the files of a sweep are looked for: who waits for files names one target alone."""
    return settings.targets[0]


def _waiting(session: Session, after: int) -> tuple[list[Condition], bool, frozenset[str]]:
    """The next conditions, whether there are more of them, and the campaigns of which nothing else goes on."""
    found = [it for (sweep_id,) in session.rows("sweeps_with_waiting") for it in _open(session, sweep_id, after)]
    found.sort(key=lambda it: it.seq)
    more = len(found) > AT_ONCE
    return found[:AT_ONCE], more, _idle(session, {it.sweep.campaign_id for it in found if it.sweep.campaign_id})


def _open(session: Session, sweep_id: str, after: int) -> list[Condition]:
    """The open conditions of one sweep, once the sweeps that it needs have succeeded."""
    table = session.rows("conditions_open", sweep_id=sweep_id, after=after, limit=AT_ONCE + 1)
    if not table or consequences.whole_needs(session, sweep_id) is not Standing.MET:
        return []
    sweep = campaigns.get_sweep(session, sweep_id)
    return [Condition(sweep, *columns) for columns in table]


def _idle(session: Session, campaign_ids: Iterable[str]) -> frozenset[str]:
    """Those of which nothing runs or can run without new files, and which nobody has paused."""
    found = [campaigns.get(session, it) for it in campaign_ids]
    return frozenset(it.id for it in found if it.gate == "open" and not can_go_on(session, it.id))


def take_in(session: Session, seen: Look) -> bool:
    """Carry out what a look found, and what follows; returns whether runs ended by it: more may wait for files now."""
    found = _current(session, seen)
    ended = _skip(session, [it for it in found if it.done])
    _release(session, [it for it in found if not it.done and not it.missing])
    missing = [it for it in found if it.missing]
    _say(session, missing)
    ended += _give_up(session, missing, seen.idle)
    consequences.follow(session, ended)
    return bool(ended)


def _current(session: Session, seen: Look) -> list[Found]:
    """What was found for conditions that are still the same: runs may have been edited or tried again meanwhile."""
    now = {it.run_id: it for it in _waiting(session, seen.after)[0]} if seen.found else {}
    return [it for it in seen.found if now.get(it.condition.run_id) == it.condition]


def _skip(session: Session, done: Sequence[Found]) -> list[EndedRun]:
    """End runs whose outputs were there already; their numbers are kept like any other's."""
    ended: list[EndedRun] = []
    for sweep_id, found in _by_sweep(_still(session, done)).items():
        by_run = {it.condition.run_id: it for it in found}
        moved = move_runs(session, list(by_run), "skip", subject=sweep_id, reason=Reason.SKIPPED)
        detail = "its outputs were there already"
        table = [{"id": run, "reason": Reason.SKIPPED, "detail": detail, "now": session.now} for run in moved]
        session.many("run_skipped", table)
        for run in moved:
            runs.keep_results(session, run, by_run[run].metrics)
            ended.append(EndedRun(run, sweep_id, by_run[run].condition.sweep.campaign_id, "succeeded"))
    return ended


def _release(session: Session, found: Sequence[Found]) -> None:
    """Queue runs whose paths are all there."""
    for sweep_id, its in _by_sweep(_still(session, found)).items():
        ready = [it.condition.run_id for it in its]
        session.many("run_waits", [{"id": run, "reason": None, "detail": None} for run in ready])
        consequences.release(session, sweep_id, ready)


def _still(session: Session, found: Sequence[Found]) -> list[Found]:
    """Those that still wait for the very same; from now on their conditions are met."""
    arguments = [{"run_id": it.condition.run_id, "requires": it.condition.requires} for it in found]
    return [it for it, met in zip(found, arguments, strict=True) if session.rows("condition_met", **met)]


def _by_sweep(found: Iterable[Found]) -> dict[str, list[Found]]:
    sweeps: dict[str, list[Found]] = {}
    for it in found:
        sweeps.setdefault(it.condition.sweep.id, []).append(it)
    return sweeps


def _say(session: Session, missing: Sequence[Found]) -> None:
    """Note what each waits for, where that is new."""
    reason = Reason.PRECONDITION_MISSING
    table = [{"id": it.condition.run_id, "reason": reason, "detail": sentence(it.missing)} for it in missing]
    session.many("run_waits", table)


def sentence(missing: Sequence[str]) -> str:
    """`a, b and 2 more are not there`."""
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return f"{', '.join(missing[:NAMED])}{more} {'is' if len(missing) == 1 else 'are'} not there"


def _give_up(session: Session, missing: Sequence[Found], idle: frozenset[str]) -> list[EndedRun]:
    """Block what has waited long enough for files that nothing of its campaign will make any more.

    Only when nothing else went on, neither before the look nor now, and all that could start was looked at since.
    """
    idle &= _idle(session, {it.condition.sweep.campaign_id for it in missing if it.condition.sweep.campaign_id})
    table = [
        {"run_id": it.condition.run_id, "since": since}
        for it in missing
        if (since := _since(session, it.condition, idle)) != it.condition.idle_since
    ]
    session.many("condition_idle", table)
    return [ended for it in sorted(idle) if not _unseen(session, it) for ended in _block(session, it)]


def _unseen(session: Session, campaign_id: str) -> bool:
    """Whether the files of some run that could start were not looked at since nothing else goes on."""
    return any(
        session.rows("conditions_unseen", sweep_id=sweep.id)
        and consequences.whole_needs(session, sweep.id) is Standing.MET
        for sweep in campaigns.sweeps_of(session, campaign_id)
    )


def _since(session: Session, condition: Condition, idle: frozenset[str]) -> float | None:
    """When its campaign was first seen to be idle; a clock that was set back starts the wait anew."""
    if condition.sweep.campaign_id not in idle:
        return None
    return session.now if condition.idle_since is None else min(condition.idle_since, session.now)


def _block(session: Session, campaign_id: str) -> list[EndedRun]:
    """Block those of a campaign whose wait is over."""
    over: dict[str, tuple[str, str]] = {}
    for run_id, sweep_id, detail, since in session.rows("conditions_missing", campaign_id=campaign_id, limit=AT_ONCE):
        sweep = campaigns.get_sweep(session, sweep_id)
        if sweep.gate == "open" and session.now - since >= sweep.settings.precondition_wait:
            over[run_id] = (sweep_id, detail)
    reason = Reason.PRECONDITION_MISSING
    moved = move_runs(session, list(over), "block", subject=campaign_id, reason=reason, detail="files are missing")
    session.many("run_blocked", [{"id": run, "reason": reason, "detail": over[run][1]} for run in moved])
    return [EndedRun(run, over[run][0], campaign_id, "blocked") for run in moved]
