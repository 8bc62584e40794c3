"""Reads what reports are made from: runs, results, lengths, the ends of failed logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.domain.nouns import Campaign, Run, Sweep
from overnight.reports.material import Material, RunMaterial, SweepMaterial
from overnight.service.context import Context, Spot
from overnight.store import campaigns, references, rows, runs
from overnight.store.base import Session

LOGS_READ = 50
"""Failed runs of which the end of the log is shown."""
TAIL_BYTES, TAIL_LINES = 4_096, 8
"""How much of it."""
PAGE = 5_000
"""Runs read at once."""


@dataclass(frozen=True, slots=True)
class _Newest:
    """The newest attempt of a run."""

    target: str
    folder: str
    started_at: float | None
    ended_at: float | None

    @property
    def seconds(self) -> float | None:
        """Its length; None before it ended."""
        return None if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at


@dataclass(frozen=True, slots=True)
class _Record:
    """What the store says of a campaign, on one snapshot."""

    campaign: Campaign
    sweeps: list[tuple[Sweep, list[Run]]]
    results: dict[str, dict[str, float]]
    newest: dict[str, _Newest]
    now: float


def material_of(context: Context, text: str) -> Material:
    """Everything that a summary of the campaign named by `text` looks at."""
    record = context.store.read(lambda session: _read(session, text))
    failed = [run.id for _, listed in record.sweeps for run in listed if run.state == "failed"][:LOGS_READ]
    tails = {run: tail_of(context.spots, record.newest.get(run)) for run in failed}
    sweeps = [
        SweepMaterial(sweep, [_run_material(record, run, tails.get(run.id, ())) for run in listed])
        for sweep, listed in record.sweeps
    ]
    return Material(record.campaign, sweeps, record.now)


def run_material(context: Context, text: str) -> RunMaterial:
    """One run, for a comparison."""

    def read(session: Session) -> RunMaterial:
        noun, thing = references.resolve(session, text)
        references.require(noun, "run", text)
        made = runs.attempts(session, thing)
        newest = _Newest(made[-1].target, made[-1].folder, made[-1].started_at, made[-1].ended_at) if made else None
        return RunMaterial(
            run=runs.get(session, thing),
            results=runs.results(session, thing),
            seconds=newest.seconds if newest else None,
            last_lines=(),
            attempts=len(made),
        )

    return context.store.read(read)


def _read(session: Session, text: str) -> _Record:
    noun, thing = references.resolve(session, text)
    references.require(noun, "campaign", text)
    found = session.rows("newest_attempts_of_campaign", campaign_id=thing)
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
        newest={row[0]: _Newest(*row[1:]) for row in found},
        now=session.now,
    )


def _run_material(record: _Record, run: Run, tail: tuple[str, ...]) -> RunMaterial:
    newest = record.newest.get(run.id)
    return RunMaterial(
        run=run,
        results=record.results.get(run.id, {}),
        seconds=newest.seconds if newest else None,
        last_lines=tail,
        attempts=run.attempts,
    )


def tail_of(spots: Mapping[str, Spot], newest: _Newest | None) -> tuple[str, ...]:
    """The last lines of an attempt's log, as text; nothing when it cannot be read now."""
    if newest is None or newest.target not in spots:
        return ()
    data, _ = spots[newest.target].files.log(newest.folder, -TAIL_BYTES, TAIL_BYTES)
    return tuple(data.decode("utf-8", errors="replace").splitlines()[-TAIL_LINES:])
