"""Defects to plant: each puts one mistake into the real code that its authors took care not to make, or made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from overnight.daemon import (
    asking,
    conditions,
    devices,
    fetching,
    judging,
    leases,
    loop,
    orphans,
    placing,
    presence,
    sessions,
    settle,
    watch,
)
from overnight.daemon.loop import Loop
from overnight.domain.nouns import Attempt
from overnight.planner import fit, judge, lease, place
from overnight.service import consequences, lanes, once, steer
from overnight.service.chosen import Chosen
from overnight.store import cluster, moves, projection, runs
from overnight.store.base import Session
from overnight.targets.base import Absent, Alive, Dead, News, Refused, Unknown
from overnight.testing import actors, chance, host, machine, world

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]
DEFECTS: dict[str, Plant] = {}
"""What is wrong, in words -> how it is planted."""


def defect(sentence: str) -> Callable[[Plant], Plant]:
    def keep(plant: Plant) -> Plant:
        DEFECTS[sentence] = plant
        return plant

    return keep


def nothing(*_: Any, **__: Any) -> None:
    """Does not do what should be done."""


def always(answer: Any) -> Callable[..., Any]:
    """Says the same whatever it is asked."""
    return lambda *_, **__: answer


def seen_as(patch: Patch, wrong: Callable[[News], Any]) -> None:
    """Have the loop understand news in another way."""
    true = loop.ours

    def ours(claims: Any, news: Sequence[News]) -> Any:
        return true(claims, [replace(item, seen=wrong(item)) for item in news])

    patch.setattr(loop, "ours", ours)


# What stands still


@defect("an attempt that moves is taken for one that hangs")
def _(patch: Patch) -> None:
    true = watch.next_look
    patch.setattr(watch, "next_look", lambda it, _seen, *rest: true(it, it.last, *rest))


@defect("time that nobody watched is held against an attempt")
def _(patch: Patch) -> None:
    patch.setattr(actors, "HANGS", (10.0, 90.0))
    true = watch.next_look

    def look(before: Any, glimpse: Any, limits: Any, now: float) -> Any:
        seen = true(before, glimpse, limits, now)
        return replace(seen, still=seen.still and before.still + 10 * (now - before.seen))

    patch.setattr(watch, "next_look", look)


# What is unknown


@defect("an attempt of which nothing is known is taken for dead")
def _(patch: Patch) -> None:
    seen_as(patch, lambda it: Dead("no answer") if isinstance(it.seen, Unknown) else it.seen)


@defect("an attempt of which nothing is known is queued again")
def _(patch: Patch) -> None:
    seen_as(patch, lambda it: Refused("no answer") if isinstance(it.seen, Unknown) else it.seen)


@defect("an attempt of which nothing is known is called absent and sent again or given up")
def _(patch: Patch) -> None:
    seen_as(patch, lambda it: Absent() if isinstance(it.seen, Unknown) else it.seen)


@defect("a start whose connection broke is tried again as another attempt")
def _(patch: Patch) -> None:
    true = asking.start

    def start(world: Any, name: str, made: Any) -> list[News]:
        before = world.places[name].target.generation
        news = true(world, name, made)
        if world.places[name].target.generation != before:
            news += [News(it.attempt, it.fence, Refused("the connection broke")) for it in made]
        return news

    patch.setattr(asking, "start", start)


@defect("a host is asked about an attempt while its start is on the way there")
def _(patch: Patch) -> None:
    true = Loop._observe

    def observe(self: Loop, name: str, *, near: bool) -> None:
        sent, self._sent = self._sent, {}
        true(self, name, near=near)
        self._sent = sent

    patch.setattr(Loop, "_observe", observe)


@defect("a look at GPUs from before the end of an attempt proves them clean")
def _(patch: Patch) -> None:
    true = devices.note
    patch.setattr(devices, "note", lambda session, target, offers, fresh=True: true(session, target, offers))  # noqa: ARG005


@defect("an absent attempt that was never confirmed is given up as if it had been refused, while its start is sent")
def _(patch: Patch) -> None:
    true = settle._absent

    def absent(session: Session, attempt: Attempt, fact: Any, done: Any) -> None:
        true(session, attempt, fact, done)
        if attempt.state == "launching":
            outcome = judge.Outcome(settle.Reason.NEVER_STARTED, "absent")
            settle._end(session, attempt, fact, "refuse", outcome, done)

    patch.setattr(settle, "_absent", absent)


# Tokens


@defect("an end that is told twice is judged twice")
def _(patch: Patch) -> None:
    true_end, true_forget = runs.end_attempt, Loop._carry_out

    def end(session: Session, attempt: Attempt, transition: str, outcome: Any) -> bool:
        true_end(session, attempt, transition, outcome)
        return True

    def carry_out(self: Loop, settled: Any, claimed: Any) -> None:
        kept = dict(self.claims)
        true_forget(self, settled, claimed)
        self.claims = kept | self.claims

    def accept(session: Session, facts: Sequence[settle.Fact]) -> settle.Settled:
        done = settle.Settled()
        for fact in facts:
            attempt = runs.get_attempt(session, fact.news.attempt)
            if attempt is not None and attempt.fence == fact.news.fence:
                settle._settle_one(session, attempt, fact, done)
        return done

    true_judge = settle.judge

    def judged(session: Session, attempt: Attempt, *rest: Any) -> Any:
        newest = session.rows("run_get", id=attempt.run_id)[0][17]
        return true_judge(session, replace(attempt, fence=newest), *rest)

    patch.setattr(runs, "end_attempt", end)
    patch.setattr(Loop, "_carry_out", carry_out)
    patch.setattr(loop, "settle", accept)
    patch.setattr(settle, "judge", judged)


@defect("after an older record was restored, tokens begin where that record ends")
def _(patch: Patch) -> None:
    patch.setattr(orphans, "_raise_fence", nothing)
    patch.setattr(sessions, "FENCES_PER_MINUTE_BITS", 0)
    patch.setattr(host.FakeHost, "hello", always(True))
    patch.setattr(host.FakeHost, "owned", always([]))


# Stop orders and strangers


@defect("strangers are left alone")
def _(patch: Patch) -> None:
    patch.setattr(orphans, "_is_stranger", always(False))


@defect("cancelling a run that runs changes its state and stops nothing")
def _(patch: Patch) -> None:
    patch.setattr(steer, "order_stop", lambda session, run, **_: moves.move(session, steer.RUN, run, "order_stop"))


@defect("a stop order that was lost is not sent again")
def _(patch: Patch) -> None:
    """Those of every second attempt are lost, and nobody repeats them."""
    true = asking.orders_of

    def orders_of(session: Session, **fields: Any) -> Any:
        return [it for it in true(session, **fields) if it[0].fence % 2]

    patch.setattr(asking, "orders_of", orders_of)


@defect("cancelling one run stops its neighbours too")
def _(patch: Patch) -> None:
    true = steer.in_states

    def in_states(session: Session, it: Chosen, states: Any) -> list[str]:
        return true(session, Chosen(it.sweep_id) if states == ("running",) else it, states)

    patch.setattr(steer, "in_states", in_states)


@defect("cancelling forgets runs whose back-off lasts")
def _(patch: Patch) -> None:
    patch.setattr(steer, "NOT_RUNNING", ("waiting", "queued", "blocked"))


# Devices


@defect("devices come back when a stop is ordered")
def _(patch: Patch) -> None:
    true = steer.order_stop

    def order_stop(session: Session, run: str, **said: Any) -> bool:
        found = session.value("attempt_live_of_run", run_id=run)
        attempt = runs.get_attempt(session, found) if found else None
        if attempt is not None:
            runs.release_leases(session, attempt)
        return true(session, run, **said)

    patch.setattr(steer, "order_stop", order_stop)


@defect("a GPU comes back without a look at its memory")
def _(patch: Patch) -> None:
    patch.setattr(settle, "_is_gpu", always(False))


@defect("devices of ended attempts are never given back")
def _(patch: Patch) -> None:
    patch.setattr(loop.devices, "_free_clean", nothing)


@defect("runs share a GPU although nobody knows what they need")
def _(patch: Patch) -> None:
    def may_join(device: Any, need: Any, _: Any) -> bool:
        return len(device.holders) < min(need.share, *(holder.share for holder in device.holders))

    patch.setattr(fit, "_may_join", may_join)


@defect("a run that wants its GPU alone joins those that share one")
def _(patch: Patch) -> None:
    true = fit._may_join
    patch.setattr(fit, "_may_join", lambda device, need, peak: need.share == 1 or true(device, need, peak))


@defect("the GPUs that a run allows are ignored")
def _(patch: Patch) -> None:
    true = fit.suits
    patch.setattr(fit, "suits", lambda device, need: true(device, replace(need, devices=None)))


@defect("runs that take no device have no bound")
def _(patch: Patch) -> None:
    patch.setattr(lanes, "bound_of", lambda _, sweep, __: sweep)


# Runs


@defect("retries have no limit")
def _(patch: Patch) -> None:
    true = judge.verdict_of
    patch.setattr(
        judging, "verdict_of", lambda o, retry, standing, now: true(o, replace(retry, attempts=99), standing, now)
    )


@defect("a run whose host was lost is tried again without end")
def _(patch: Patch) -> None:
    """With one interruption allowed instead of three, which a schedule seldom reaches."""
    patch.setattr(projection, "INTERRUPTIONS_ALLOWED", 1)
    patch.setattr(judge, "INTERRUPTIONS_ALLOWED", 99)


@defect("exit 0 is success even if an output is missing")
def _(patch: Patch) -> None:
    true = judge.outcome_of
    patch.setattr(settle, "outcome_of", lambda record, proof: true(record, replace(proof, missing=())))


@defect("a run that was killed by a signal counts as a success")
def _(patch: Patch) -> None:
    true = judge.outcome_of
    patch.setattr(settle, "outcome_of", lambda record, proof: true({**record, "signal": None, "code": 0}, proof))


@defect("runs whose back-off is over are not woken")
def _(patch: Patch) -> None:
    patch.setattr(consequences, "wake_due", nothing)
    patch.setattr(consequences, "_wake_set_back", nothing)


@defect("a clock that was set back makes delayed runs wait for years (found by simulation)")
def _(patch: Patch) -> None:
    patch.setattr(consequences, "_wake_set_back", nothing)


@defect("a run that fits no machine keeps the devices from all others (found by simulation)")
def _(patch: Patch) -> None:
    patch.setattr(placing, "well_devices", nothing)


# What depends on others


@defect("dependants are released when what they need has failed")
def _(patch: Patch) -> None:
    def released(session: Session, run_id: str) -> None:
        waiting = [row[0] for row in session.rows("runs_waiting_for", needs_id=run_id)]
        moves.move_runs(session, waiting, "release", subject=run_id)

    patch.setattr(consequences, "block_dependants", released)


@defect("dependants of what has failed wait for ever")
def _(patch: Patch) -> None:
    patch.setattr(consequences, "block_dependants", nothing)
    patch.setattr(consequences, "_look_at_waiting", nothing)


@defect("dependants are never released")
def _(patch: Patch) -> None:
    patch.setattr(consequences, "_release_dependants", nothing)
    patch.setattr(consequences, "_weigh_whole_needs", nothing)


@defect("sweeps and campaigns stay active")
def _(patch: Patch) -> None:
    patch.setattr(consequences, "settle_sweeps", nothing)


# Files, barriers, room


@defect("a run goes to any target that is reached, whichever its sweep names")
def _(patch: Patch) -> None:
    patch.setattr(lanes, "targets_of", lambda _, __, reached: tuple(sorted(reached)))


@defect("what a run requires is taken to be there")
def _(patch: Patch) -> None:
    patch.setattr(presence, "_missing", always(frozenset()))


@defect("outputs are taken to be there, so that what has to run is skipped")
def _(patch: Patch) -> None:
    patch.setattr(presence, "_done", lambda _, __, condition, ___: presence.Found(condition, done=True))


@defect("a run that is tried again is looked at as if it were new, and skipped by what it wrote")
def _(patch: Patch) -> None:
    true = Session.many

    def many(self: Session, name: str, table: Any) -> Any:
        return true(self, "conditions_again" if name == "conditions_retry" else name, table)

    patch.setattr(Session, "many", many)


@defect("what misses files is blocked while others of its campaign run")
def _(patch: Patch) -> None:
    patch.setattr(conditions, "can_go_on", always(False))


@defect("what misses files waits for ever")
def _(patch: Patch) -> None:
    patch.setattr(conditions, "_give_up", always([]))


@defect("a barrier is always open")
def _(patch: Patch) -> None:
    patch.setattr(lanes, "barrier_of", always(None))


@defect("what is held is started")
def _(patch: Patch) -> None:
    without(patch, "held")


# Limits


def without(patch: Patch, *codes: str) -> None:
    true = place.limit_of

    def limit_of(lane: Any, sweeps: Any, campaigns: Any) -> str | None:
        found = true(lane, sweeps, campaigns)
        return None if found in codes else found

    patch.setattr(place, "limit_of", limit_of)


@defect("what is paused is started")
def _(patch: Patch) -> None:
    without(patch, "sweep_paused", "campaign_paused")


@defect("the limit of a sweep is ignored")
def _(patch: Patch) -> None:
    without(patch, "sweep_parallel")


@defect("the limit of a campaign is ignored")
def _(patch: Patch) -> None:
    without(patch, "campaign_parallel")


@defect("the budget is ignored")
def _(patch: Patch) -> None:
    without(patch, "budget_attempts")


# Room


@defect("what the cluster has room for is ignored")
def _(patch: Patch) -> None:
    without(patch, "capacity")


@defect("runs that are being launched take no room")
def _(patch: Patch) -> None:
    true = cluster.capacity

    def capacity(session: Session) -> Any:
        found = true(session)
        return replace(found, live=found.live - int(session.value("attempts_launching")))

    patch.setattr(cluster, "capacity", capacity)


# The record


@defect("counters are not kept up")
def _(patch: Patch) -> None:
    patch.setattr(moves, "_count", nothing)


@defect("a state changes without an event")
def _(patch: Patch) -> None:
    true = Session.record

    def record(self: Session, kind: str, /, *rest: Any, **payload: Any) -> None:
        if kind != "attempt.confirm":
            true(self, kind, *rest, **payload)

    patch.setattr(Session, "record", record)


@defect("attempts are started before their claim is durable")
def _(patch: Patch) -> None:
    true = Loop._decide

    def decide(self: Loop, session: Session, facts: Any, offers: Any, now: float) -> Any:
        settled, claimed = true(self, session, facts, offers, now)
        for made in claimed:
            self.world.places[made.target].target.start(self._launch(made))
        return settled, claimed

    patch.setattr(Loop, "_decide", decide)


@defect("answers are not kept for repeated keys")
def _(patch: Patch) -> None:
    patch.setattr(once.OnceStore, "write", lambda self, change, work: self._store.write(change, work))


@defect("a confirmed process is forgotten when the server starts anew")
def _(patch: Patch) -> None:
    true = Loop._observe

    def observe(self: Loop, name: str) -> list[News]:
        first = name not in self.generations
        found = true(self, name)
        return [replace(it, seen=Dead("the server was away")) if first and isinstance(it.seen, Alive) else it
                for it in found]  # fmt: skip

    patch.setattr(Loop, "_observe", observe)


# Other machines


@defect("a run of another machine succeeds before its files are here")
def _(patch: Patch) -> None:
    true = settle.judge

    def judge(*rest: Any, here: bool) -> Any:
        assert here in {True, False}
        return true(*rest)

    patch.setattr(settle, "judge", judge)


@defect("what could not be copied at once is not tried again")
def _(patch: Patch) -> None:
    patch.setattr(fetching.fetches, "postpone", lambda session, it, _, why: session.rows(
        "fetch_postponed", id=it, not_before=float(2**40), problem=why))  # fmt: skip
    patch.setattr(fetching.fetches, "hurry", nothing)


@defect("a copy that was cut is taken for whole")
def _(patch: Patch) -> None:
    true = fetching.bring

    def bring(world: Any, job: Any) -> Any:
        found = true(world, job)
        return found if found.fetched else replace(found, fetched=fetching.Fetched(0, 0, "0" * 64))

    patch.setattr(fetching, "bring", bring)


@defect("a host that cannot be reached now is taken for one whose files never come")
def _(patch: Patch) -> None:
    true = fetching.bring
    patch.setattr(fetching, "bring", lambda *rest: replace(true(*rest), hopeless=True))


def leased(patch: Patch) -> None:
    """Have what a defect concerns happen often: other machines, leases, and servers that die while some run out."""
    patch.setattr(world, "WIDTHS", (0.0, 0.8, 0.2))
    patch.setattr(actors, "HOLD", 0.0)
    patch.setitem(cast("dict[str, Any]", chance._USUAL), "server_killed_while_leases_run", (0.5,))


@defect("a server starts a run anew at the end of its lease, without grace")
def _(patch: Patch) -> None:
    leased(patch)
    true = leases.Term
    patch.setattr(leases, "Term", lambda *rest: true(*rest, grace=0.0))


@defect("a run that holds is started anew when nothing is heard of its host")
def _(patch: Patch) -> None:
    patch.setattr(leases, "HOLD", "never")
    patch.setattr(lease, "HOLD", "never")


@defect("a new server does not wait for one whole term")
def _(patch: Patch) -> None:
    leased(patch)
    true = leases.Term
    patch.setattr(leases, "Term", lambda policy, seconds, _, renewed: true(policy, seconds, -1e9, renewed))


@defect("a number of a process that comes again after a start of the machine is taken for the process")
def _(patch: Patch) -> None:
    patch.setattr(machine, "same_boot", always(True))


@defect("a run that another home kept off its GPU counts as one that failed")
def _(patch: Patch) -> None:
    true = settle.outcome_of

    def outcome_of(record: Any, proof: Any) -> Any:
        found = true(record, proof)
        return replace(found, reason=settle.Reason.START_FAILED) if record["reason"] == "device_held" else found

    patch.setattr(settle, "outcome_of", outcome_of)
