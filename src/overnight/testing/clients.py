"""Clients of the Wild V2 protocol in a simulation: runs that wait for a word or for room, machines that are taken for
something else, runs that others carry out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from overnight.domain.cluster import Cluster, ClusterSource, ClusterType
from overnight.domain.errors import Conflict, NotFound
from overnight.domain.plan import CellPlan, Need, Retry, SweepPlan
from overnight.ids import new_id
from overnight.service import steer
from overnight.service.context import Context
from overnight.service.requests import One
from overnight.service.wild.run_requests import StatusReport
from overnight.service.wild.stages import report_status
from overnight.store import campaigns, cluster
from overnight.store.base import Session
from overnight.testing.inspector import Inspector

MACHINES = (
    Cluster(ClusterType.CPU_ONLY),
    Cluster(ClusterType.SLURM, gpu_count=3),
    Cluster(ClusterType.SLURM),
    Cluster(ClusterType.LOCAL_GPU, gpu_count=2, source=ClusterSource.DETECTED),
    Cluster(ClusterType.LOCAL_GPU, gpu_count=4, source=ClusterSource.DETECTED),
    Cluster(ClusterType.KUBERNETES, source=ClusterSource.MANUAL),
)
"""What they may be taken for."""


@dataclass(slots=True)
class Clients:
    """They have chance of their own, so that schedules without them stay what they are."""

    rng: random.Random
    inspector: Inspector

    def act(self, context: Context) -> None:
        """One request. Raises what kills the server."""
        ways: tuple[Callable[[Context], None], ...] = (self._make, self._make, self._start, self._start, self._report,
                                                       self._describe)  # fmt: skip
        try:
            self.rng.choice(ways)(context)
        except (Conflict, NotFound):
            self.inspector.chance.say("a client was refused")
        finally:
            self.inspector.look()

    def finish(self, context: Context) -> None:
        """Nothing waits for a word any more, and what others carry out comes to its end."""
        for run in self._in("ready"):
            steer.start(context, One(id=run))
        for run in self._in("external"):
            report_status(context, StatusReport(id=run, status="finished", exit_code=0))
        self.inspector.look()

    def _in(self, state: str) -> list[str]:
        return [run for run, life in self.inspector.projection.runs.items() if life.state == state]

    def _make(self, context: Context) -> None:
        rng = self.rng
        pin = rng.choice((None, None, None, (), (0,), (1,), (0, 1)))
        plan = SweepPlan(
            name="",
            cells=(),
            workdir="/study",
            need=Need(gpus=len(pin or ()), slots=0, devices=pin),
            retry=Retry(rng.choice((1, 3)), delay=5.0, factor=1.0, only_gpu_memory=True),
            breaker=None,
            grace=rng.choice((0.0, 10.0)),
            capacity=True,
        )
        command = ("job", str(rng.choice((2_000, 5_000, 12_000))))
        config = campaigns.config_of(CellPlan("", {}, command))
        made = [(new_id(rng), f"wild-{place}", config) for place in range(rng.randint(1, 4))]
        state = rng.choice(("ready", "queued"))

        def work(session: Session) -> None:
            sweep = campaigns.shared_sweep(session, plan, rng)
            campaigns.insert_runs(session, None, sweep, made, state=state)

        context.store.write(context.change, work)
        context.wake()

    def _start(self, context: Context) -> None:
        if ready := self._in("ready"):
            steer.start(context, One(id=self.rng.choice(ready)))
            self.inspector.chance.meet("ready_run_started")

    def _report(self, context: Context) -> None:
        """Whoever carries a run out says how it stands; some say it of runs that are ours, and are refused."""
        external, ready, every = self._in("external"), self._in("ready"), list(self.inspector.projection.runs)
        choice = self.rng.choice([*external, *ready[:1]] or every or [None])
        if choice is None:
            return
        status = self.rng.choice(("launching", "running", "finished", "failed", "stopped"))
        report_status(context, StatusReport.model_validate({"id": choice, "status": status}))
        self.inspector.chance.meet("reported_by_others")

    def _describe(self, context: Context) -> None:
        found = self.rng.choice(MACHINES)
        context.store.write(context.change, lambda session: cluster.put(session, found))
        context.wake()
