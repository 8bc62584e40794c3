"""The operation that shows a campaign as the experiment queue does: phases, jobs, counts, time left."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overnight.domain.nouns import Campaign, Device, Sweep
from overnight.domain.reasons import Reason
from overnight.planner.explain import explain
from overnight.service.context import Context
from overnight.service.look import situation_of
from overnight.service.queue_time import PhaseTimes, eta_of, slots_of
from overnight.service.queue_words import WORDS, class_of, phase_status, word_of
from overnight.service.requests import One
from overnight.service.views import View
from overnight.store import campaigns, references, rows
from overnight.store.base import Session

NOT_MADE = ("waiting", "queued", "blocked")
"""States in which the newest attempt of a run, if it has one, is of the past."""
NAMED = 3
"""Runs or sweeps that a sentence about what is waited for names."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run with its newest attempt, in the order of `queue_jobs`. Times are wall seconds."""

    run: str
    name: str
    sweep_id: str
    state: str
    reason: str | None
    detail: str | None
    config: str
    attempts: int
    rung: int
    not_before: float | None
    ended_at: float | None
    devices: str | None
    pid: int | None
    code: int | None
    signal: int | None
    begun_at: float | None
    """Start of the newest attempt."""
    over_at: float | None

    @property
    def word(self) -> str:
        """The queue's word for its state."""
        return word_of(self.state, self.reason)


@dataclass(frozen=True, slots=True)
class Scene:
    """What all jobs of a campaign are seen against."""

    sweeps: Mapping[str, Sweep]
    devices: Mapping[str, Device]
    waits: Mapping[str, Sequence[str]]
    """Run -> what it waits for itself."""
    reasons: Mapping[tuple[str, str], str]
    """(sweep, state) -> why its waiting and its queued runs do not run."""
    now: float


def queue(context: Context, request: One) -> View:
    """A campaign as the experiment queue shows it (`experiment-queue` 2.10). Reads only."""

    def read(session: Session) -> View:
        campaign = campaigns.get(session, references.campaign_of(session, request.id))
        sweeps = campaigns.sweeps_of(session, campaign.id)
        jobs = _listed([Job(*row) for row in session.rows("queue_jobs", campaign_id=campaign.id)])
        scene = _scene(session, campaign, sweeps, jobs)
        named = {"id": campaign.id, "name": campaign.name, "state": campaign.state, "paused": campaign.gate == "paused"}
        return {"campaign": named, "queue": _queue(session, campaign, jobs, scene)}

    return context.store.read(read)


def _queue(session: Session, campaign: Campaign, jobs: Sequence[Job], scene: Scene) -> View:
    by_phase = _by_phase(jobs, scene)
    words = Counter(job.word for job in jobs)
    hosts = dict.fromkeys(target for sweep in scene.sweeps.values() for target in sweep.settings.targets)
    return {
        "meta": {
            "project": campaign.name,
            "started": campaign.started_at,
            "manifest_path": campaign.path,
            "host": ", ".join(hosts),
        },
        "phases": _phases(session, campaign, by_phase, scene),
        "jobs": [_job(job, scene) for job in jobs],
        "counts": {**{word: words[word] for word in WORDS}, "eta_seconds": _eta(campaign, by_phase, scene)},
    }


def _listed(jobs: Sequence[Job]) -> list[Job]:
    """Without runs that the file had no more, where it has one of that name again."""
    newest = {job.name: job.run for job in jobs}
    return [job for job in jobs if job.reason != Reason.REMOVED or newest[job.name] == job.run]


def _scene(session: Session, campaign: Campaign, sweeps: Sequence[Sweep], jobs: Sequence[Job]) -> Scene:
    waits: dict[str, list[str]] = {}
    for run, name, state in session.rows("queue_waits", campaign_id=campaign.id):
        waits.setdefault(run, []).append(f"{name} ({state})")
    there = {(job.sweep_id, job.state) for job in jobs}
    reasons: dict[tuple[str, str], str] = {}
    for sweep in sweeps:
        if (sweep.id, "waiting") in there:
            reasons[sweep.id, "waiting"] = _whole_needs(session, sweep)
        if (sweep.id, "queued") in there:
            reasons[sweep.id, "queued"] = _first_reason(session, sweep)
    return Scene(
        sweeps={sweep.id: sweep for sweep in sweeps},
        devices={row[0]: rows.device(row) for row in session.rows("devices_all")},
        waits=waits,
        reasons=reasons,
        now=session.now,
    )


def _whole_needs(session: Session, sweep: Sweep) -> str:
    unmet = [name for name, state in session.rows("sweep_unmet_names", sweep_id=sweep.id) if state != "settled"]
    return _waits_for(unmet) if unmet else "it is queued at the next pass"


def _waits_for(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"it waits for {', '.join(names[:NAMED])}{more}"


def _first_reason(session: Session, sweep: Sweep) -> str:
    """Why the first queued run of a sweep does not run: the others stand behind it."""
    row = session.row("run_first_in_state", sweep_id=sweep.id, state="queued")
    return explain(situation_of(session, rows.run(row))).sentence if row else ""


def _by_phase(jobs: Sequence[Job], scene: Scene) -> dict[str, list[Job]]:
    """Phases in the order of their sweeps; one that all jobs have left is none any more."""
    found: dict[str, list[Job]] = {sweep.phase: [] for sweep in scene.sweeps.values()}
    for job in jobs:
        found[scene.sweeps[job.sweep_id].phase].append(job)
    return {phase: its for phase, its in found.items() if its}


def _phases(session: Session, campaign: Campaign, by_phase: Mapping[str, Sequence[Job]], scene: Scene) -> list[View]:
    needs: dict[str, dict[str, None]] = {}
    for sweep, needed in session.rows("queue_links", campaign_id=campaign.id):
        needs.setdefault(scene.sweeps[sweep].phase, {})[scene.sweeps[needed].phase] = None
    return [
        {
            "name": name,
            "depends_on": [it for it in by_phase if it in needs.get(name, {}) and it != name],
            "status": phase_status(Counter(job.word for job in jobs)),
        }
        for name, jobs in by_phase.items()
    ]


def _job(job: Job, scene: Scene) -> View:
    config = json.loads(job.config)
    made = job.state not in NOT_MADE
    gpus = _gpus(job, scene) if made else []
    failed = class_of(job.state, job.reason)
    outputs = config["outputs"]
    return {
        "id": job.name,
        "run": job.run,
        "phase": scene.sweeps[job.sweep_id].phase,
        "cmd": _command(config, job.rung),
        "expected_output": outputs[0] if len(outputs) == 1 else outputs or None,
        "status": job.word,
        "gpu": gpus[0] if gpus else None,
        "gpus": gpus,
        "pid": job.pid if job.word == "running" else None,
        "attempts": job.attempts,
        "started": job.begun_at if made else None,
        "completed": job.ended_at,
        "exit_code": job.code if made else None,
        "signal": job.signal if made else None,
        "error": job.detail if failed else None,
        "error_class": failed,
        "class": None if job.reason == Reason.OK else job.reason,
        "reason": _reason(job, scene),
        "skipped": job.reason == Reason.SKIPPED,
    }


def _gpus(job: Job, scene: Scene) -> list[int]:
    """Positions of the GPUs that its newest attempt has or had."""
    if not job.devices:
        return []
    found = [scene.devices[it] for it in json.loads(job.devices) if it in scene.devices]
    return [device.position for device in found if device.kind == "gpu"]


def _command(config: Mapping[str, Any], rung: int) -> str:
    """What it runs, or would run next, as one would type it."""
    command = config["smaller"][rung - 1]["command"] if rung else config["command"]
    return command if isinstance(command, str) else shlex.join(command)


def _reason(job: Job, scene: Scene) -> str | None:
    """Why it does not run; None while it does and when it has ended by itself."""
    if job.state == "delayed":
        return f"tried again in {max(0.0, (job.not_before or 0.0) - scene.now):.0f} s"
    if job.state in ("blocked", "cancelled"):
        return job.detail or job.reason
    if job.state == "waiting":
        own = scene.waits.get(job.run)
        return _waits_for(own) if own else job.detail or scene.reasons[job.sweep_id, "waiting"]
    return scene.reasons[job.sweep_id, "queued"] if job.state == "queued" else None


def _eta(campaign: Campaign, by_phase: Mapping[str, Sequence[Job]], scene: Scene) -> float | None:
    devices = list(scene.devices.values())
    slots: dict[str, int] = {}
    for sweep in scene.sweeps.values():
        slots[sweep.phase] = max(slots.get(sweep.phase, 1), slots_of(sweep, devices, campaign.parallel))
    return eta_of([_times(jobs, slots[name], scene.now) for name, jobs in by_phase.items()])


def _times(jobs: Sequence[Job], slots: int, now: float) -> PhaseTimes:
    times = PhaseTimes(slots)
    for job in jobs:
        if job.word == "running":
            times.running.append(now - job.begun_at if job.begun_at is not None else 0.0)
        elif job.word in ("completed", "stuck") and job.begun_at is not None and job.over_at is not None:
            times.ended.append(job.over_at - job.begun_at)
        elif job.word in ("pending", "failed_oom"):
            times.pending += 1
    return times
