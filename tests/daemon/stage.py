"""A record with real files beside it, and the passes that look at them, on a clock that a test moves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overnight.daemon import conditions, room
from overnight.daemon.world import Place, World
from overnight.domain.nouns import Run
from overnight.domain.plan import CampaignPlan, CellPlan, Need, SweepPlan
from overnight.domain.reasons import Reason
from overnight.domain.room import NO_RESERVE, Reserve
from overnight.domain.states import CAMPAIGN_GATE
from overnight.store import campaigns, rows, runs
from overnight.store.base import SYSTEM, Change
from overnight.store.moves import move
from overnight.store.sqlite import SqliteStore
from overnight.targets.base import Files
from overnight.targets.files import LocalFiles
from overnight.testing.clock import FakeClock

PERSON = Change("tester")


class Stage:
    """One home in a folder; `work` is the working directory of everything."""

    def __init__(self, folder: Path, files: Files | None = None, reserve: Reserve = NO_RESERVE) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self.clock = FakeClock()
        self.store = SqliteStore(str(folder / "record.db"), self.clock)
        self.files = files or LocalFiles()
        place = Place(None, self.files, folder / "runs", None)  # type: ignore[arg-type]
        self.world = World(self.store, {"here": place}, self.clock, random.Random(1), reserve=reserve)
        self.after = 0

    def submit(self, *sweeps: SweepPlan, name: str = "study") -> str:
        """Store a campaign; returns its id."""
        plan = CampaignPlan(name, sweeps)
        submission = campaigns.Submission("", f"/{name}.yaml", {})
        rng = random.Random(name)
        return self.store.write(PERSON, lambda s: campaigns.submit(s, plan, submission, name, rng))

    def sweep(self, name: str, *cells: CellPlan, **settings: Any) -> SweepPlan:
        return SweepPlan(**{"name": name, "cells": cells, "workdir": str(self.work), "need": Need(), **settings})

    def look(self) -> bool:
        """One pass over the files; returns whether runs ended by it."""
        seen = conditions.look(self.world, self.after)
        self.after = seen.last
        return self.store.write(SYSTEM, lambda session: conditions.take_in(session, seen))

    def look_at_room(self) -> bool:
        """One pass over the disks; returns whether something is held."""
        seen = room.look(self.world)
        return self.store.write(SYSTEM, lambda session: room.take_in(session, seen))

    def runs(self) -> dict[str, Run]:
        """All runs by name."""
        found = self.store.read(lambda session: session.rows("runs_latest", before=2**62, limit=1000))
        return {run.name: run for run in map(rows.run, found)}

    def states(self) -> dict[str, str]:
        return {name: run.state for name, run in self.runs().items()}

    def start(self, name: str) -> None:
        """An attempt of a queued run begins."""
        run = self.runs()[name]
        folder = f"/runs/{run.id}"
        claimed = self.store.write(
            SYSTEM, lambda s: runs.claim(s, run.id, run.attempts + 1, target="here", folder=folder, devices=[])
        )
        assert claimed is not None

    def state(self, campaign: str) -> str:
        return self.store.read(lambda session: campaigns.get(session, campaign).state)

    def pause(self, campaign: str, transition: str = "pause") -> None:
        assert self.store.write(PERSON, lambda session: move(session, CAMPAIGN_GATE, campaign, transition))

    def events(self, kind: str) -> list[dict[str, Any]]:
        found = self.store.read(lambda session: session.rows("events_after", after=0, limit=10_000))
        return [dict(event.payload) for event in map(rows.event, found) if event.kind == kind]


def needing(name: str, *requires: str, **more: Any) -> CellPlan:
    """A cell that requires paths."""
    return CellPlan(name, {}, "true", requires=requires, **more)


def done_by(name: str, *outputs: str, **more: Any) -> CellPlan:
    """A cell that outputs make superfluous."""
    return CellPlan(name, {}, "true", outputs=outputs, skip_if_done=True, **more)


def missing(run: Run) -> Sequence[str | None]:
    """Reason and detail, when a run lacks files."""
    return (run.reason, run.detail) if run.reason == Reason.PRECONDITION_MISSING else ()
