"""Reads what reports are made from: runs, results, lengths, the ends of failed logs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from overnight.domain.nouns import Campaign, Device, Run, Sweep
from overnight.reports.material import AttemptMaterial, MarkMaterial, Material, RunMaterial, SweepMaterial
from overnight.service.context import Context, Spot
from overnight.store import campaigns, references, rows, runs
from overnight.store.base import Row, Session

LOGS_READ = 50
"""Failed runs of which the end of the log is shown."""
TAIL_BYTES, TAIL_LINES = 4_096, 8
"""How much of it."""
PAGE = 5_000
"""Runs read at once."""


@dataclass(frozen=True, slots=True)
class _Made:
    """One attempt, and where its log is."""

    id: str
    target: str
    folder: str
    told: AttemptMaterial

    @property
    def seconds(self) -> float | None:
        """Its length; None before it ended."""
        started, ended = self.told.started_at, self.told.ended_at
        return None if started is None or ended is None else ended - started


@dataclass(frozen=True, slots=True)
class _Record:
    """What the store says of a campaign, on one snapshot."""

    campaign: Campaign
    sweeps: list[tuple[Sweep, list[Run]]]
    results: dict[str, dict[str, float]]
    made: dict[str, list[_Made]]
    marks: dict[str, list[Row]]
    """Run -> rows of attempt, kind, detail."""
    gpus: tuple[Device, ...]
    now: float


def material_of(context: Context, text: str) -> Material:
    """Everything that a summary of the campaign named by `text` looks at."""
    record = context.store.read(lambda session: _read(session, text))
    tails = {run: tail_of(context.spots, record.made.get(run, [])) for run in _worth_reading(record)}
    sweeps = [
        SweepMaterial(sweep, [_run_material(record, run, tails.get(run.id, ())) for run in listed])
        for sweep, listed in record.sweeps
    ]
    return Material(record.campaign, sweeps, record.now, record.gpus)


def _worth_reading(record: _Record) -> list[str]:
    """Failed runs whose logs are read: the first ones of every reason, so that none hides the others."""
    rank: Counter[str | None] = Counter()
    failed: list[tuple[int, str]] = []
    for run in (run for _, listed in record.sweeps for run in listed if run.state == "failed"):
        failed.append((rank[run.reason], run.id))
        rank[run.reason] += 1
    return [run for _, run in sorted(failed, key=lambda pair: pair[0])[:LOGS_READ]]


def run_material(context: Context, text: str) -> RunMaterial:
    """One run, for a comparison."""

    def read(session: Session) -> RunMaterial:
        noun, thing = references.resolve(session, text, "run")
        references.require(noun, "run", text)
        made = [
            _Made(
                it.id, it.target, it.folder, AttemptMaterial(it.reason, _gpus(it.devices), it.started_at, it.ended_at)
            )
            for it in runs.attempts(session, thing)
        ]
        marks = session.rows("marks_of_run", run_id=thing)
        return _told(runs.get(session, thing), runs.results(session, thing), made, marks, ())

    return context.store.read(read)


def _read(session: Session, text: str) -> _Record:
    noun, thing = references.resolve(session, text)
    references.require(noun, "campaign", text)
    made: dict[str, list[_Made]] = {}
    for run_id, *columns in session.rows("attempts_of_campaign", campaign_id=thing):
        made.setdefault(run_id, []).append(_made(*columns))
    marks: dict[str, list[Row]] = {}
    for run_id, *mark in session.rows("marks_of_campaign", campaign_id=thing):
        marks.setdefault(run_id, []).append(tuple(mark))
    by_sweep: dict[str, list[Run]] = {}
    after = 0
    while page := session.rows("runs_of_campaign", campaign_id=thing, after=after, limit=PAGE):
        for run in map(rows.run, page):
            by_sweep.setdefault(run.sweep_id, []).append(run)
        after = page[-1][1]
    return _Record(
        campaign=campaigns.get(session, thing),
        sweeps=[(sweep, by_sweep.get(sweep.id, [])) for sweep in campaigns.sweeps_of(session, thing)],
        results=runs.campaign_results(session, thing),
        made=made,
        marks=marks,
        gpus=tuple(device for device in map(rows.device, session.rows("devices_all")) if device.kind == "gpu"),
        now=session.now,
    )


def _made(
    id: str,
    target: str,
    folder: str,
    reason: str | None,
    devices: str,
    started_at: float | None,
    ended_at: float | None,
) -> _Made:
    return _Made(id, target, folder, AttemptMaterial(reason, _gpus_in(devices), started_at, ended_at))


@lru_cache(maxsize=4096)
def _gpus_in(devices: str) -> tuple[str, ...]:
    """From the JSON of an attempt's row; cached, since a machine has few devices and a campaign many attempts."""
    return _gpus(json.loads(devices))


def _gpus(devices: Sequence[str]) -> tuple[str, ...]:
    return tuple(device for device in devices if "/slot" not in device)


def _run_material(record: _Record, run: Run, tail: tuple[str, ...]) -> RunMaterial:
    made, marks = record.made.get(run.id, []), record.marks.get(run.id, [])
    return _told(run, record.results.get(run.id, {}), made, marks, tail)


def _told(
    run: Run, results: Mapping[str, float], made: Sequence[_Made], marks: Sequence[Row], tail: tuple[str, ...]
) -> RunMaterial:
    newest = made[-1] if made else None
    return RunMaterial(
        run=run,
        results=results,
        seconds=newest.seconds if newest else None,
        last_lines=tail,
        attempts=run.attempts,
        made=tuple(it.told for it in made),
        marks=tuple(MarkMaterial(mark[1], mark[2], newest is not None and mark[0] == newest.id) for mark in marks),
    )


def tail_of(spots: Mapping[str, Spot], made: Sequence[_Made]) -> tuple[str, ...]:
    """The last lines of the newest attempt's log, as text; nothing when it cannot be read now."""
    if not made or made[-1].target not in spots:
        return ()
    data, _ = spots[made[-1].target].files.log(made[-1].folder, -TAIL_BYTES, TAIL_BYTES)
    return tuple(data.decode("utf-8", errors="replace").splitlines()[-TAIL_LINES:])
