"""The operations on a store of their own, and the daemon's steps in a few words."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from overnight.clock import SystemClock
from overnight.config import Configuration
from overnight.domain.nouns import Run
from overnight.domain.plan import CampaignPlan
from overnight.domain.reasons import Reason
from overnight.domain.states import ATTEMPT, RUN
from overnight.service import consequences
from overnight.service.consequences import EndedRun
from overnight.service.context import Context, Spot
from overnight.service.dispatch import perform
from overnight.store import campaigns, rows, runs
from overnight.store.base import SYSTEM, Change, Session, Store
from overnight.store.moves import move
from overnight.store.sqlite import SqliteStore
from overnight.store.verify import verify
from overnight.targets.base import Offer
from overnight.targets.files import LocalFiles

PERSON = Change("ada")


class CpuTarget:
    """As much of a target as operations ask: it has two CPU slots."""

    def offers(self) -> list[Offer]:
        return [Offer(f"here/slot{it}", "slot", it, None, "slot", 0, None, None) for it in range(2)]


class Desk:
    """A record in a folder, without a loop: runs start and end when a test says so."""

    def __init__(self, folder: Path, store: Store | None = None) -> None:
        self.store = store or SqliteStore(str(folder / "record.db"), SystemClock())
        configuration = Configuration(folder, f"sqlite:///{folder}/record.db", None, None)
        self.woken = 0
        here = Spot(CpuTarget(), LocalFiles())  # type: ignore[arg-type]
        self.context = Context(self.store, {"here": here}, configuration, random.Random(1), self._wake, PERSON)

    def _wake(self) -> None:
        self.woken += 1

    def ask(self, operation: str, /, key: str | None = None, **fields: Any) -> dict[str, Any]:
        """One operation of the table; its answer is plain JSON."""
        answer = perform(self.context, operation, fields, key=key)
        return dict(json.loads(json.dumps(answer, allow_nan=False)))

    def submit(self, plan: CampaignPlan) -> str:
        """Store a plan; returns the campaign's id."""
        submission = campaigns.Submission(source="", path="/plan.yaml", code={})
        return self.store.write(PERSON, lambda s: campaigns.submit(s, plan, submission, plan.name, self.context.rng))

    def runs(self, campaign: str) -> dict[str, Run]:
        """Runs by name; of equal names the newest."""
        found = self.store.read(lambda s: s.rows("runs_of_campaign", campaign_id=campaign, after=0, limit=100_000))
        return {row[4]: rows.run(row) for row in found}

    def states(self, campaign: str) -> dict[str, str]:
        return {name: run.state for name, run in self.runs(campaign).items()}

    def start(self, run: Run, device: str | None = None) -> str:
        """Claim a queued run; returns its attempt."""

        def work(session: Session) -> str:
            number = runs.get(session, run.id).attempts + 1
            devices = [device] if device else []
            assert runs.claim(session, run.id, number, target="here", folder="/f", devices=devices), "not queued"
            attempt, fence = f"{run.id}.{number}", runs.get(session, run.id).fence
            move(session, ATTEMPT, attempt, "confirm", fence=fence, pid=1)
            seen = {"started_at": session.now, "now": session.now, "pid": 1, "boot_id": "boot"}
            session.rows("attempt_started", id=attempt, fence=fence, **seen)
            return attempt

        return self.store.write(SYSTEM, work)

    def end(self, run: Run, transition: str, reason: Reason = Reason.OK, detail: str = "") -> None:
        """End the live attempt of a run, and take the arrow; what follows follows."""
        self.store.write(SYSTEM, lambda s: _end(s, run.id, transition, reason, detail))

    def wake(self) -> None:
        """Queue every delayed run, as if its back-off were over."""
        due = lambda s: [row[0] for row in s.rows("runs_due", now=s.now + 1e6, limit=100)]  # noqa: E731
        self.store.write(SYSTEM, lambda s: [move(s, RUN, run, "wake") for run in due(s)])

    def carry_out(self, run: Run, transition: str = "succeed", reason: Reason = Reason.OK) -> None:
        self.start(run)
        self.end(run, transition, reason)

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """Payloads of the events of these kinds, with `subject` and `actor`."""
        found = [rows.event(row) for row in self.store.read(lambda s: s.rows("events_after", after=0, limit=100_000))]
        return [{**it.payload, "subject": it.subject, "actor": it.actor} for it in found if it.kind in kinds]

    def last_event(self) -> int:
        return int(self.store.read(lambda s: s.row("event_head") or (0,))[0])

    def check(self) -> None:
        """The record agrees with itself."""
        report = verify(self.store)
        assert report.ok, report.violations


def _end(session: Session, run_id: str, transition: str, reason: Reason, detail: str) -> None:
    attempt = runs.attempts(session, run_id)[-1]
    code = 0 if reason is Reason.OK else 1
    outcome: Mapping[str, Any] = {"reason": reason, "detail": detail, "code": code, "started_at": session.now - 10}
    assert runs.end_attempt(session, attempt, "exit", outcome)
    runs.release_leases(session, attempt)
    assert move(session, RUN, run_id, transition, fence=attempt.fence, attempt=attempt.id, reason=reason)
    run = runs.get(session, run_id)
    ended = run.state in RUN.terminal
    session.rows(
        "run_judged",
        id=run_id,
        reason=reason,
        detail=detail,
        failures=run.failures + (reason is not Reason.OK),
        interruptions=run.interruptions,
        not_before=None if ended else session.now + 60,
        ended_at=session.now if ended else None,
        rung=run.rung,
        hint=None,
    )
    consequences.follow(session, [EndedRun(run_id, run.sweep_id, run.campaign_id, run.state)])


def names(runs: Sequence[Run]) -> list[str]:
    return [run.name for run in runs]
