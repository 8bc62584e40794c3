"""Runs as the Wild V2 protocol shows them: every key, whatever dialect they were made in. Source: the protocol, 2.2."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from overnight.domain.nouns import Run, Sweep
from overnight.planner import wild as words
from overnight.planner.explain import explain
from overnight.planner.wild import RunStatus, run_status
from overnight.service.look import situation_of
from overnight.service.wild.attempts import Made, ended, ending, host_of, times
from overnight.store import campaigns, wild
from overnight.store.base import Session
from overnight.store.wild import Callback


class Compliance(TypedDict):
    """Whether a run says to whom it belongs."""

    attributed: bool
    """It names a conversation."""
    intentional: bool
    """It says that it has none, on purpose."""
    in_sweep: bool


class Git(TypedDict):
    """The commit of the working folder when the run was made."""

    sha: str | None
    dirty: bool | None


NO_GIT: Git = {"sha": None, "dirty": None}
"""Nobody looked, or it is no repository."""

AttemptView = TypedDict(
    "AttemptView",
    {
        "number": int,
        "host": str,
        "gpu_ids": list[int],
        "start": float | None,
        "end": float | None,
        "exit_code": int | None,
        "signal": str | None,
        "class": str | None,
    },
)
"""One execution of a run. Times are epoch seconds; `class` is why it ended."""


class _Times(TypedDict):
    """When things happened; absent until then. Epoch seconds."""

    queued_at: NotRequired[float]
    launched_at: NotRequired[float]
    started_at: NotRequired[float]
    stopped_at: NotRequired[float]
    ended_at: NotRequired[float]
    archived_at: NotRequired[float]
    sweep_params: NotRequired[dict[str, Any]]


class RunView(_Times):
    """A run."""

    id: str
    name: str
    command: str
    workdir: str
    status: RunStatus
    created_at: float
    is_archived: bool
    sweep_id: str | None
    parent_run_id: str | None
    origin_alert_id: str | None
    chat_session_id: str | None
    gpuwrap_config: dict[str, Any] | None
    tmux_window: str | None
    run_dir: str | None
    exit_code: int | None
    error: str | None
    wandb_dir: str | None
    compliance: Compliance
    creator: str
    attempts: list[AttemptView]
    host: str | None
    gpu_ids: list[int]
    git: Git
    env: list[str]
    queue_reason: str | None
    externally_reported: bool


class Book:
    """What a page of runs is shown with, read at once."""

    def __init__(self, session: Session, runs: Sequence[Run]) -> None:
        ids = [run.id for run in runs]
        self._session = session
        self._made = {run: [Made(*row) for row in found] for run, found in wild.attempts_of(session, ids).items()}
        self._callbacks = wild.callbacks_of(session, ids)
        self._gpus = {row[0]: row[3] for row in session.rows("devices_all") if row[2] == "gpu"} if self._made else {}
        self._sweeps: dict[str, Sweep] = {}

    def status(self, run: Run) -> RunStatus:
        """The protocol's word."""
        if run.state == "external":
            said = self._callbacks.get(run.id)
            return run_status(run.state, launching=said is not None and said.status == "launching")
        newest = self._newest(run)
        return run_status(run.state, launching=newest is not None and newest.state == "launching")

    def view(self, run: Run) -> RunView:
        """A run, whole but for `queue_reason`."""
        newest, said, status = self._newest(run), self._said(run), self.status(run)
        kept: Mapping[str, Any] = run.config.get("wild") or {}
        code, error = ending(run, status, newest, said)
        shown: RunView = {
            "id": run.id,
            "name": run.name,
            "command": command_text(run.config["command"]),
            "workdir": self._sweep(run).settings.workdir,
            "status": status,
            "created_at": run.created_at,
            "is_archived": run.archived_at is not None,
            "sweep_id": run.campaign_id,
            "parent_run_id": run.parent_id,
            "origin_alert_id": kept.get("origin_alert_id"),
            "chat_session_id": run.chat,
            "gpuwrap_config": kept.get("gpuwrap_config"),
            "tmux_window": None,
            "run_dir": newest.folder if newest else None,
            "exit_code": code,
            "error": error,
            "wandb_dir": said.wandb_dir if said else None,
            "compliance": _compliance(run),
            "creator": run.actor,
            "attempts": [self._attempt(it) for it in self._made.get(run.id, ())],
            "host": host_of(newest.target) if newest else None,
            "gpu_ids": self._positions(newest) if newest else [],
            "git": kept.get("git", NO_GIT),
            "env": sorted(run.config["env"]),
            "queue_reason": None,
            "externally_reported": said is not None and not run.attempts,
        }
        for name, at in times(run, status, newest).items():
            if at is not None:
                shown[name] = at  # type: ignore[literal-required]
        if "sweep_params" in kept:
            shown["sweep_params"] = kept["sweep_params"]
        return shown

    def _newest(self, run: Run) -> Made | None:
        made = self._made.get(run.id)
        return made[-1] if made else None

    def _said(self, run: Run) -> Callback | None:
        return self._callbacks.get(run.id)

    def _sweep(self, run: Run) -> Sweep:
        if run.sweep_id not in self._sweeps:
            self._sweeps[run.sweep_id] = campaigns.get_sweep(self._session, run.sweep_id)
        return self._sweeps[run.sweep_id]

    def _positions(self, made: Made) -> list[int]:
        return [self._gpus[device] for device in json.loads(made.devices) if device in self._gpus]

    def _attempt(self, made: Made) -> AttemptView:
        over = made.ended_at is not None
        return {
            "number": made.number,
            "host": host_of(made.target),
            "gpu_ids": self._positions(made),
            "start": made.started_at,
            "end": made.ended_at,
            "exit_code": words.exit_code(ended(made)) if over else None,
            "signal": words.signal_name(made.signal) if made.signal is not None else None,
            "class": made.reason,
        }


def _compliance(run: Run) -> Compliance:
    return {
        "attributed": run.attributed == 2,
        "intentional": run.attributed == 1,
        "in_sweep": run.campaign_id is not None,
    }


def command_text(command: str | Sequence[str]) -> str:
    """A command as text for a shell."""
    return command if isinstance(command, str) else shlex.join(command)


def status_of(session: Session, run: Run) -> RunStatus:
    """The protocol's word for one run."""
    return Book(session, [run]).status(run)


def one(session: Session, run: Run, *, reason: bool = False) -> RunView:
    """A run; with `reason` also why it is queued still."""
    shown = Book(session, [run]).view(run)
    if reason and shown["status"] == "queued":
        shown["queue_reason"] = explain(situation_of(session, run)).sentence
    return shown


def many(session: Session, runs: Iterable[Run]) -> list[RunView]:
    """A page of runs."""
    page = list(runs)
    book = Book(session, page)
    return [book.view(run) for run in page]
