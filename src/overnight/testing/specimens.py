"""Small records to test stores with: a campaign of a few runs, devices, claims; all made by the real functions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from overnight.domain.nouns import Attempt
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.store import campaigns, runs
from overnight.store.base import SYSTEM, Session, Store

SUBMISSION = campaigns.Submission(source="name: specimen\n", path="/specimen.yaml", code={"kind": "none"})


@dataclass(frozen=True)
class Specimen:
    """A stored campaign with one sweep: ids, runs in order of submission."""

    campaign: str
    sweep: str
    runs: tuple[str, ...]


def plan_of(count: int, *, name: str = "specimen") -> CampaignPlan:
    """A campaign of one sweep with `count` independent cells."""
    cells = tuple(CellPlan(f"cell-{place}", {"seed": place}, "true") for place in range(count))
    return CampaignPlan(name, (SweepPlan("sweep", cells, "/tmp"),))


def submit(session: Session, plan: CampaignPlan, seed: int = 0) -> Specimen:
    """Store a plan of one sweep; `seed` decides the ids."""
    campaign = campaigns.submit(session, plan, SUBMISSION, f"digest-{seed}", random.Random(seed))
    sweep = campaigns.sweeps_of(session, campaign)[0].id
    stored = session.rows("runs_of_sweep", sweep_id=sweep, after=0, limit=plan.cells)
    return Specimen(campaign, sweep, tuple(row[0] for row in stored))


def stored(store: Store, count: int, seed: int = 0) -> Specimen:
    """A campaign of `count` queued runs, committed."""
    return store.write(SYSTEM, lambda session: submit(session, plan_of(count), seed))


def add_devices(session: Session, count: int, *, target: str = "here") -> tuple[str, ...]:
    """CPU slots of a target; returns their ids."""
    ids = tuple(f"{target}/slot{position}" for position in range(count))
    for position, device in enumerate(ids):
        session.rows(
            "device_upsert",
            id=device,
            target=target,
            kind="slot",
            position=position,
            uuid=None,
            name="slot",
            memory_mib=0,
            busy=None,
            used_mib=None,
            strangers=0,
            now=session.now,
        )
    return ids


def claim(session: Session, run: str, number: int = 1, devices: Sequence[str] = (), *, target: str = "here") -> Attempt:
    """Claim a queued run; returns its new attempt."""
    fence = runs.claim(session, run, number, target=target, folder=f"/runs/{run}/{number}", devices=list(devices))
    assert fence is not None, f"run {run} is not queued"
    return runs.attempts(session, run)[-1]
