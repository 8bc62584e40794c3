"""People and agents who submit, cancel, retry, pause and resume at random, and repeat what was not answered."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from overnight.domain.errors import Conflict, NotFound
from overnight.domain.plan import Budget, CampaignPlan, CellPlan, Need, Retry, Smaller, SweepNeed, SweepPlan
from overnight.service import retrying, steer, submit
from overnight.service.context import Context
from overnight.service.once import OnceStore
from overnight.service.requests import One, Priority, Request, SingleRuns
from overnight.service.requests import Retry as RetryRequest
from overnight.store import campaigns, scope
from overnight.store.base import Session
from overnight.testing.editor import apply_plan, edited
from overnight.testing.inspector import Broken, Inspector
from overnight.testing.waits import NEVER, path_from

View = dict[str, Any]

CHANGES: Mapping[str, tuple[type[Request], Callable[[Context, Any], View]]] = {
    "submit_runs": (SingleRuns, submit.submit_runs),
    "cancel": (One, steer.cancel),
    "retry": (RetryRequest, retrying.retry),
    "pause": (One, steer.pause),
    "resume": (One, steer.resume),
    "priority": (Priority, steer.priority),
}
"""The operations that actors use, as the table of operations has them; reports have no part in a simulation."""


def perform(context: Context, name: str, fields: View, key: str | None = None) -> View:
    """As `service.dispatch.perform`."""
    return answer(context, name, fields, key)[0]


def answer(context: Context, name: str, fields: View, key: str | None) -> tuple[View, bool]:
    """The answer, and whether it is a stored one."""
    model, work = CHANGES[name]
    request = model.model_validate(fields)
    if key is None:
        return work(context, request), False
    store = OnceStore(context.store, context.change.actor, name, key, request.model_dump_json())
    return work(replace(context, store=store), request), store.replayed


HOLD = 0.4
"""Share of the sweeps on other machines whose runs are held when their host is not heard of."""
HANGS = (None, None, 10.0, 90.0)
"""After how many still seconds the runs of a sweep are taken to hang."""


@dataclass(slots=True, eq=False)
class Wish:
    """Something that an actor wants, until it is answered."""

    key: str | None
    work: Callable[[Context, str | None], View]
    answered: Callable[[View], None]
    answer: View | None = None


@dataclass(slots=True)
class Actors:
    """All who use the server. They keep the answers that they got, and hold the server to them."""

    rng: random.Random
    inspector: Inspector
    largest: int
    """Runs in one submission at most."""
    open: list[Wish] = field(default_factory=list)
    """Asked for and not answered yet: the answer was lost, or the server died."""
    done: list[Wish] = field(default_factory=list)
    """Answered, with a key: asking again must give the same answer."""
    plans: list[CampaignPlan] = field(default_factory=list)
    files: dict[str, CampaignPlan] = field(default_factory=dict)
    """Campaign -> what its file says now."""
    number: int = 0

    def act(self, context: Context) -> None:
        """One request. Raises what kills the server; the actor survives that."""
        rng = self.rng
        if self.open and rng.random() < 0.7:
            self._ask(context, rng.choice(self.open))
        elif self.done and rng.random() < 0.15:
            self._ask_again(context, rng.choice(self.done))
        elif rng.random() < 0.35 or not self.inspector.projection.runs:
            self._wish(context, self._submission())
        elif self.files and rng.random() < 0.15:
            self._wish(context, self._edit())
        else:
            self._steer(context)

    def _wish(self, context: Context, wish: Wish) -> None:
        if wish.key is not None:
            self.open.append(wish)
        self._ask(context, wish)

    def _ask(self, context: Context, wish: Wish) -> None:
        chance = self.inspector.chance
        view = wish.work(context, wish.key)
        if wish.key is not None and chance.hits("reply_lost_to_actor"):
            return
        wish.answer = view
        wish.answered(view)
        if wish in self.open:
            self.open.remove(wish)
            if "refused" not in view:
                self.done.append(wish)

    def _ask_again(self, context: Context, wish: Wish) -> None:
        view = wish.work(context, wish.key)
        if view != wish.answer:
            raise Broken(f"I3: the key {wish.key} was answered {wish.answer} and now {view}")
        self.inspector.chance.meet("answer_replayed")

    def forget_answers(self) -> None:
        """The record went back: what was answered since is not known to it."""
        self.done.clear()
        self.open.clear()

    # Submissions

    def _submission(self) -> Wish:
        self.number += 1
        key = f"key-{self.number}" if self.rng.random() < 0.7 else None
        if self.rng.random() < 0.3:
            return self._singles(key)
        plan = self._plan(f"campaign-{self.number}")
        if self.plans and self.rng.random() < 0.15:
            plan = self.rng.choice(self.plans)
            self.inspector.chance.meet("resubmission_resumed")
        self.plans.append(plan)
        return Wish(key, lambda context, key: submit_plan(context, plan, key), lambda view: self._stored(plan, view))

    def _stored(self, plan: CampaignPlan, answer: View) -> None:
        self.files.setdefault(answer["campaign"], plan)
        self._submitted(answer)

    def _submitted(self, answer: View) -> None:
        self.inspector.acknowledged.update(answer["ids"])

    def _edit(self) -> Wish:
        """Somebody edits the file of a campaign and applies it."""
        self.number += 1
        campaign = self.rng.choice(list(self.files))
        plan = self.files[campaign] = edited(self.rng, self.files[campaign], self.number)
        key = f"key-{self.number}" if self.rng.random() < 0.4 else None
        return Wish(key, lambda context, key: self._apply(context, campaign, plan, key), lambda _: None)

    def _apply(self, context: Context, campaign: str, plan: CampaignPlan, key: str | None) -> View:
        try:
            return apply_plan(context, campaign, plan, key)
        except NotFound as refused:
            return {"refused": type(refused).__name__}
        finally:
            self.inspector.look()

    def _singles(self, key: str | None) -> Wish:
        rng = self.rng
        made: list[View] = []
        for place in range(rng.randint(1, 3)):
            name = f"single-{self.number}-{place}"
            made.append(
                {
                    "name": name,
                    "command": ["job"],
                    "workdir": "/study",
                    "gpus": rng.choice((0, 0, 1, 2)),
                    "slots": rng.choice((1, 1, 2)),
                    "attempts": rng.choice((1, 2, 3)),
                    "delay": rng.choice((0.0, 1.0, 60.0)),
                    "time_limit": rng.choice((None, None, 30.0)),
                    "grace": rng.choice((0.0, 1.0, 10.0)),
                    "priority": rng.choice((-1, 0, 0, 5)),
                }
            )
        return Wish(key, lambda context, key: perform(context, "submit_runs", {"runs": made}, key), self._submitted)

    def _plan(self, name: str) -> CampaignPlan:
        rng = self.rng
        sweeps: list[SweepPlan] = []
        left = rng.randint(1, self.largest)
        while left > 0 and len(sweeps) < 4:
            cells = rng.randint(1, left)
            sweeps.append(self._sweep(name, sweeps, cells))
            left -= cells
        budget = Budget(attempts=rng.choice((None, None, None, 1, 3, 8)))
        return CampaignPlan(name, tuple(sweeps), budget=budget, parallel=rng.choice((None, None, 1, 3)))

    def _sweep(self, campaign: str, before: list[SweepPlan], number: int) -> SweepPlan:
        rng = self.rng
        name = f"s{len(before)}"
        needs, cell_needs = self._needs(before)
        command = ("job", str(rng.choice((2_000, 5_000, 12_000))))
        cells = tuple(self._cell(f"{campaign}-{name}-{place}", command, cell_needs) for place in range(number))
        smaller = tuple(Smaller({"x": -n}, ("job", str(2_000 // n))) for n in range(1, rng.choice((0, 0, 1, 2)) + 1))
        cells = tuple(replace(cell, smaller=smaller) for cell in cells)
        barrier = bool(before) and rng.random() < 0.15
        hosts = list(self.inspector.hosts)
        anywhere = not barrier and not any(cell.requires or cell.skip_if_done for cell in cells)
        targets = tuple(rng.sample(hosts, rng.randint(1, len(hosts)) if anywhere else 1))
        hold = targets == ("here",) or rng.random() < HOLD
        return SweepPlan(
            name=name,
            cells=cells,
            workdir="/study",
            needs=needs,
            need=self._need(),
            targets=targets,
            on_disconnect="hold" if hold else rng.choice(("requeue", "requeue", "kill")),
            lease=rng.choice((60.0, 120.0, 300.0, 900.0)),
            retry=self._retry(len(smaller)),
            breaker=rng.choice((None, 1, 2, 5)),
            time_limit=rng.choice((None, None, 20.0, 3600.0)),
            grace=rng.choice((0.0, 1.0, 10.0, 60.0)),
            parallel=rng.choice((None, None, 1, 2)),
            priority=rng.choice((0, 0, 1)),
            hang=rng.choice(HANGS),
            barrier=barrier,
            precondition_wait=rng.choice((0.0, 0.0, 90.0)),
        )

    def _retry(self, smaller: int) -> Retry:
        rng = self.rng
        delay, memory = rng.choice((0.0, 5.0, 300.0)), rng.random() < 0.3
        return Retry(rng.choice((1, 1, 2, 3)), delay=delay, only_memory=memory, smaller=smaller)

    def _needs(self, before: list[SweepPlan]) -> tuple[tuple[SweepNeed, ...], tuple[CellPlan, ...]]:
        rng = self.rng
        if not before or rng.random() < 0.4:
            return (), ()
        needed = rng.choice(before)
        if rng.random() < 0.5:
            return (SweepNeed(needed.name),), ()
        return (SweepNeed(needed.name, ("x",)),), needed.cells

    def _need(self) -> Need:
        rng = self.rng
        kind = rng.random()
        if kind < 0.35:
            return Need(0, rng.choice((0, 1, 1, 1, 2)))
        below = rng.choice((None, None, None, 500, 5_000))
        if kind < 0.6:
            return Need(1, share=rng.choice((2, 2, 3)), free_below_mib=below)
        allowed = rng.choice((None, None, (0,), (1, 3)))
        return Need(rng.choice((1, 1, 2, 3)), devices=allowed, free_below_mib=below)

    def _cell(self, name: str, command: tuple[str, ...], needed: tuple[CellPlan, ...]) -> CellPlan:
        rng = self.rng
        chosen = rng.sample([cell.name for cell in needed], rng.randint(1, min(2, len(needed)))) if needed else ()
        skip, needs = rng.random() < 0.1, tuple(sorted(chosen))
        outputs = (self._path(),) if skip else ("${run_dir}/model",) if rng.random() < 0.5 else ()
        requires = (self._path(),) if rng.random() < 0.1 else ()
        return CellPlan(name, {"x": 1}, command, outputs, {}, needs, requires=requires, skip_if_done=skip)

    def _path(self) -> str:
        """Where something lies already, will lie some time, or never."""
        now = next(iter(self.inspector.hosts.values())).machine.clock.true
        when = self.rng.choice((0.0, 0.0, 7.0, 60.0, 2_000.0, None))
        return NEVER if when is None else path_from(now + when)

    # Steering

    def _steer(self, context: Context) -> None:
        rng, projection = self.rng, self.inspector.projection
        kind = rng.choice(("run", "run", "run", "sweep", "campaign"))
        lives: dict[str, list[str]] = {
            "run": list(projection.runs),
            "sweep": list(projection.sweeps),
            "campaign": list(projection.campaigns),
        }
        if not lives[kind]:
            return
        thing = rng.choice(lives[kind])
        name = rng.choice(("cancel", "retry", "retry", "pause", "resume", "priority"))
        self.number += 1
        key = f"key-{self.number}" if rng.random() < 0.4 else None
        self._wish(context, Wish(key, lambda context, key: self._do(context, name, thing, key), lambda _: None))

    def _do(self, context: Context, name: str, thing: str, key: str | None) -> View:
        inspector = self.inspector
        fields: View = {"id": thing}
        if name == "retry":
            fields["failed"] = ord(thing[0]) % 2 == 0
            fields["again"] = thing in inspector.projection.runs
        if name == "priority":
            fields["priority"] = ord(thing[0]) % 5
        inspector.asked = inspector.runs_of(thing) if name == "cancel" else set()
        try:
            view, replayed = answer(context, name, fields, key)
            if name == "cancel" and not replayed:
                self._cancelled(thing)
            return view
        except (Conflict, NotFound) as refused:
            return {"refused": type(refused).__name__}
        finally:
            inspector.look()
            inspector.asked = set()

    def _cancelled(self, thing: str) -> None:
        self.inspector.look()
        runs = self.inspector.projection.runs
        for run in self.inspector.runs_of(thing):
            if runs[run].state not in {"cancelled", "cancelling", "succeeded", "failed"}:
                raise Broken(f"I15: {run} is {runs[run].state} after {thing} was cancelled")

    def cancel_what_runs(self, context: Context) -> None:
        """Somebody tidies up: one run that is going on is cancelled."""
        running = [run for run, life in self.inspector.projection.runs.items() if life.state == "running"]
        if running:
            self._do(context, "cancel", self.rng.choice(running), None)

    def resume_everything(self, context: Context) -> None:
        """Open every gate, so that nothing waits for a person."""
        projection = self.inspector.projection
        for thing, life in [*projection.campaigns.items(), *projection.sweeps.items()]:
            if life.gate == "paused":
                perform(context, "resume", {"id": thing})


def submit_plan(context: Context, plan: CampaignPlan, key: str | None) -> View:
    """`service.submit` without looking at the folder of the code, which would cost more than all else."""
    change = context.change
    store = context.store if key is None else OnceStore(context.store, change.actor, "submit", key, plan.name)

    def work(session: Session) -> View:
        digest = campaigns.digest_of(plan, "/study/campaign.yaml")
        known = scope.under_way(session, digest)
        submission = campaigns.Submission("", "/study/campaign.yaml", {})
        campaign = known or campaigns.submit(session, plan, submission, digest, context.rng)
        rows = session.rows("runs_of_campaign", campaign_id=campaign, after=0, limit=10_000)
        return {"campaign": campaign, "ids": [row[0] for row in rows]}

    answer = store.write(change, work)
    context.wake()
    return answer
