"""What the Wild V2 protocol keeps of runs and sweeps, and the few changes that only it makes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from overnight.domain.nouns import Campaign, Run
from overnight.domain.states import RUN
from overnight.store import rows
from overnight.store.base import Row, Session
from overnight.store.moves import CHUNK, move, move_runs

SHOWN = 2_000
"""Characters of a text that an event repeats; of a longer one only these."""
AT_ONCE = 100_000
"""Runs of a sweep that one request touches at most; the same request again goes on."""


@dataclass(frozen=True, slots=True)
class WildSweep:
    """What a client said of a campaign that it calls a sweep."""

    settings: Mapping[str, Any]
    """`base_command, workdir, parameters, goal, max_runs, is_wild, ui_config, creation_context, expansion`."""
    draft: bool
    cancelled: bool
    """By hand: it stays so."""


def sweep_of(session: Session, campaign_id: str) -> WildSweep | None:
    """The client's half of a sweep; None for a campaign that was made in another way."""
    found = session.row("wild_sweep_get", campaign_id=campaign_id)
    return WildSweep(json.loads(found[0]), bool(found[1]), bool(found[2])) if found else None


def insert_sweep(session: Session, campaign_id: str, settings: Mapping[str, Any], *, draft: bool) -> None:
    """Keep what a client said of a new sweep."""
    session.rows("wild_sweep_insert", campaign_id=campaign_id, settings=rows.encode(settings), draft=int(draft))


def save_sweep(session: Session, campaign_id: str, it: WildSweep) -> None:
    """Keep what a client says of a sweep now. The event is the caller's."""
    flags = {"draft": int(it.draft), "cancelled": int(it.cancelled)}
    session.rows("wild_sweep_put", campaign_id=campaign_id, settings=rows.encode(it.settings), **flags)


def keep_cancelled(session: Session, campaign: Campaign) -> None:
    """Have a sweep stay cancelled, and refuse new runs; nothing for a campaign that was made in another way."""
    kept = sweep_of(session, campaign.id)
    if kept is None or kept.cancelled:
        return
    chat = {"chat": campaign.chat} if campaign.chat else {}
    session.record("campaign.update", campaign.id, before={"canceled": False}, after={"canceled": True}, **chat)
    settings = {**kept.settings, "canceled_at": session.now}
    save_sweep(session, campaign.id, replace(kept, settings=settings, cancelled=True))


def save_campaign(session: Session, campaign: Campaign, *, name: str, parallel: int | None) -> None:
    """Keep another name of a campaign, and how many of its runs may be live at once."""
    kept = json.loads(session.rows("campaign_get", id=campaign.id)[0][7])
    session.rows("campaign_said", id=campaign.id, name=name, settings=rows.encode({**kept, "parallel": parallel}))


def launching(session: Session) -> dict[str | None, int]:
    """Campaign -> how many of its live runs were not seen to run yet."""
    found: dict[str | None, int] = {}
    for query in ("wild_launching", "wild_launching_elsewhere"):
        for (campaign_id,) in session.rows(query):
            found[campaign_id] = found.get(campaign_id, 0) + 1
    return found


def attempts_of(session: Session, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Run -> rows of its attempts, oldest first: `attempts_of_runs`."""
    found: dict[str, list[Row]] = {}
    for row in session.rows("attempts_of_runs", ids=json.dumps(ids)):
        found.setdefault(row[0], []).append(row)
    return found


@dataclass(frozen=True, slots=True)
class Callback:
    """The last word of somebody else about a run."""

    run_id: str
    status: str
    exit_code: int | None
    error: str | None
    tmux_pane: str | None
    wandb_dir: str | None
    at: float = 0.0


def callbacks_of(session: Session, ids: Sequence[str]) -> dict[str, Callback]:
    """Run -> what was last reported about it."""
    return {row[0]: Callback(*row) for row in session.rows("callbacks_of_runs", ids=json.dumps(ids))}


def keep_callback(session: Session, it: Callback) -> None:
    """Keep a report; what it does not say again stays."""
    session.rows(
        "callback_put",
        run_id=it.run_id,
        status=it.status,
        exit_code=it.exit_code,
        error=it.error,
        tmux_pane=it.tmux_pane,
        wandb_dir=it.wandb_dir,
        now=session.now,
    )


def told(run: Run, **said: Any) -> dict[str, Any]:
    """What an event says beside its kind: the conversation, and texts no longer than `SHOWN`."""
    return {**({"chat": run.chat} if run.chat else {}), **{name: shown(value) for name, value in said.items()}}


def shown(value: Any) -> Any:
    """A value for an event: long texts are cut."""
    if isinstance(value, Mapping):
        return {name: shown(it) for name, it in value.items()}
    return f"{value[:SHOWN]}…" if isinstance(value, str) and len(value) > SHOWN else value


def enqueue(session: Session, run: Run) -> bool:
    """Queue one ready run; False when it is not ready any more."""
    if not move(session, RUN, run.id, "enqueue", **told(run, before=run.state)):
        return False
    session.rows("run_enqueued", id=run.id, now=session.now)
    return True


def enqueue_all(session: Session, subject: str, ids: Sequence[str]) -> list[str]:
    """Queue those of these runs that are ready; returns them. `subject`: what was started."""
    moved: list[str] = []
    for start in range(0, len(ids), CHUNK):
        moved += move_runs(session, ids[start : start + CHUNK], "enqueue", subject=subject)
    session.many("run_enqueued", [{"id": run, "now": session.now} for run in moved])
    return moved


def runs_in(session: Session, campaign_id: str, states: Sequence[str]) -> list[str]:
    """The first `AT_ONCE` runs of a campaign in these states (not `succeeded`), oldest first."""
    found = [
        row[0]
        for state in states
        for row in session.rows("runs_alike", campaign_id=campaign_id, state=state, limit=AT_ONCE)
    ]
    return found[:AT_ONCE]


def replace_config(session: Session, run: Run, config: Mapping[str, Any], sweep_id: str, **said: Any) -> None:
    """Give a run that does not run another configuration, in another sweep of its campaign if need be; its failures are
    forgotten. `said`: before and after, for the event."""
    text = rows.encode(config)
    entered = {"sweep": sweep_id} if sweep_id != run.sweep_id else {}
    session.record("run.update", run.id, digest=rows.digest(text), **entered, **told(run, **said))
    if entered:
        change_sweep(session, run, run.campaign_id, sweep_id)
    session.rows("run_replaced", id=run.id, config=text)
    if run.state == "delayed":  # what it waits after is not what it will do
        move(session, RUN, run.id, "wake")


def change_sweep(session: Session, run: Run, campaign_id: str | None, sweep_id: str) -> None:
    """Let a run belong to another sweep and campaign; its state stays. The event is the caller's."""
    session.rows("run_joined", id=run.id, campaign_id=campaign_id, sweep_id=sweep_id)
    session.rows("tally_add", sweep_id=run.sweep_id, state=run.state, change=-1)
    session.rows("tally_add", sweep_id=sweep_id, state=run.state, change=1)
