"""Storing what a newer version of a campaign's file says, beside what was stored at submission."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from overnight.domain.nouns import Sweep
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.store import campaigns, rows
from overnight.store.base import Session
from overnight.store.campaigns import Submission


@dataclass(frozen=True, slots=True)
class Replacement:
    """A pending run and what its file says of it now."""

    run_id: str
    before: str
    """Its configuration until now, as text."""
    cell: CellPlan
    moves: bool = False
    """Whether it comes from another sweep."""


def update_campaign(
    session: Session, campaign_id: str, plan: CampaignPlan, submission: Submission, digest: str
) -> bool:
    """Keep what the file says of the whole campaign; False when that is stored already.

    The name stays, and so does the identity of the code, which is that of the submission; the event has today's.
    """
    kept = session.rows("campaign_get", id=campaign_id)[0]
    code = campaigns.get(session, campaign_id).code
    settings = campaigns.campaign_settings(plan, code)
    stored = (kept[5], kept[6], kept[7], session.value("campaign_source", id=campaign_id))
    if stored == (digest, submission.path, settings, submission.source):
        return False
    session.rows(
        "campaign_update",
        id=campaign_id,
        digest=digest,
        path=submission.path,
        source=submission.source,
        settings=settings,
    )
    today = {name: submission.code.get(name) for name in ("kind", "commit", "sha256", "diff_sha256")}
    session.record("campaign.update", campaign_id, before=kept[5], digest=digest, path=submission.path, code=today)
    return True


def update_sweep(session: Session, sweep: Sweep, plan: SweepPlan) -> bool:
    """Replace the settings of a sweep; False when they are the same. Its priority stays, and what live attempts were
    started with is kept for them."""
    text = rows.settings_of(plan)
    settings = rows.sweep_settings(text)
    if settings == sweep.settings:
        return False
    before, after = asdict(sweep.settings), asdict(settings)
    old = session.rows("sweep_get", id=sweep.id)[0][7]
    retry = sweep.settings.retry
    session.rows("attempts_keep_settings", sweep_id=sweep.id, settings=old)
    session.rows("sweep_settings_put", id=sweep.id, settings=text, most=retry.attempts + retry.smaller)
    session.record("sweep.update", sweep.id, changed=sorted(name for name in after if after[name] != before[name]))
    return True


def order_sweeps(session: Session, campaign_id: str, names: Sequence[str]) -> None:
    """Put the sweeps of a campaign in the order of its file, for a barrier waits for those before it; what the file has
    no more comes first."""
    place = {name: number for number, name in enumerate(names)}
    there = campaigns.sweeps_of(session, campaign_id)
    wanted = sorted(there, key=lambda sweep: place.get(sweep.name, -1))
    moved = [(sweep.id, old.seq) for sweep, old in zip(wanted, there, strict=True) if sweep is not old]
    session.many("sweep_seq_put", [{"id": sweep_id, "seq": -seq} for sweep_id, seq in moved])
    session.many("sweep_seq_put", [{"id": sweep_id, "seq": seq} for sweep_id, seq in moved])


def update_sweep_needs(session: Session, sweep_id: str, wanted: Iterable[str]) -> bool:
    """What a sweep needs as a whole from now on (ids of sweeps); False when it is that already."""
    known, needed = {row[0] for row in session.rows("sweep_needs", id=sweep_id)}, set(wanted)
    if known == needed:
        return False
    session.record("sweep.update", sweep_id, needs=sorted(needed))
    dropped = [{"sweep_id": sweep_id, "needs_id": it} for it in sorted(known - needed)]
    added = [{"sweep_id": sweep_id, "needs_id": it, "since": _now(session)} for it in sorted(needed - known)]
    session.many("sweep_need_drop", dropped)
    session.many("sweep_need_add", added)
    return True


def _now(session: Session) -> int:
    """The newest event: needs that are added hold for what is started after it."""
    return session.pen.seq if session.pen else 0


def replace_runs(session: Session, sweep_id: str, plan: SweepPlan, changed: Sequence[Replacement]) -> None:
    """Give pending runs of a sweep, or that it gets from others, other configurations, conditions and outputs; their
    failures are forgotten."""
    made = [(it.run_id, it.before, campaigns.config_of(it.cell)) for it in changed]
    moved = {it.run_id for it in changed if it.moves}
    for run_id, before, config in made:
        entered = {"sweep": sweep_id} if run_id in moved else {}
        session.record("run.update", run_id, before=rows.digest(before), digest=rows.digest(config), **entered)
    for run_id in sorted(moved):
        _move(session, run_id, sweep_id)
    session.many("run_replaced", [{"id": run_id, "config": config} for run_id, _, config in made])
    must_run = [{"run_id": run_id} for run_id, *_ in made if session.rows("run_must_run", run_id=run_id)]
    for query in ("conditions_drop", "outputs_drop"):
        session.many(query, [{"run_id": run_id} for run_id, *_ in made])
    ids = {it.cell.name: it.run_id for it in changed}
    campaigns.insert_conditions(session, sweep_id, replace(plan, cells=tuple(it.cell for it in changed)), ids)
    session.many("conditions_retry", must_run)


def _move(session: Session, run_id: str, sweep_id: str) -> None:
    state, left = session.rows("run_standing", id=run_id)[0][:2]
    session.rows("run_sweep_put", id=run_id, sweep_id=sweep_id)
    session.rows("tally_add", sweep_id=left, state=state, change=-1)
    session.rows("tally_add", sweep_id=sweep_id, state=state, change=1)


def update_run_needs(session: Session, known: Mapping[str, set[str]], wanted: Mapping[str, set[str]]) -> None:
    """What runs need from now on; both arguments: run -> ids of the runs that it needs."""
    dropped = [(run, it) for run, needed in wanted.items() for it in sorted(known.get(run, set()) - needed)]
    added = [(run, it) for run, needed in wanted.items() for it in sorted(needed - known.get(run, set()))]
    since = _now(session)
    session.many("run_need_drop", [{"run_id": run, "needs_id": it} for run, it in dropped])
    session.many("run_need_add", [{"run_id": run, "needs_id": it, "since": since} for run, it in added])
