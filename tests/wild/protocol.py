"""The desk in the words of the Wild V2 protocol: runs start and end when a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from overnight.config import WildSettings
from overnight.domain.access import Scope
from overnight.domain.nouns import Run
from overnight.domain.reasons import Reason
from overnight.service.dispatch import perform
from overnight.store import runs
from overnight.store.base import SYSTEM, Session
from tests.service.desk import Desk

RUN_KEYS = frozenset({
    "id", "name", "command", "workdir", "status", "created_at", "is_archived", "sweep_id", "parent_run_id",
    "origin_alert_id", "chat_session_id", "gpuwrap_config", "tmux_window", "run_dir", "exit_code", "error", "wandb_dir",
    "compliance", "creator", "attempts", "host", "gpu_ids", "git", "env", "queue_reason", "externally_reported",
})  # fmt: skip
"""What a run says from its creation on."""
SWEEP_KEYS = frozenset({
    "id", "name", "base_command", "workdir", "parameters", "run_ids", "status", "created_at", "goal", "max_runs",
    "is_wild", "chat_session_id", "ui_config", "creation_context", "progress", "started_at", "completed_at",
})  # fmt: skip


class ProtocolDesk(Desk):
    """Operations by name, and what stands behind a run."""

    def do(self, operation: str, /, key: str | None = None, **fields: Any) -> Any:
        return perform(self.context, operation, fields, key=key)

    def make(self, command: str = "true", **fields: Any) -> str:
        return str(self.do("create_run", name="run", command=command, **fields)["id"])

    def sweep(self, **fields: Any) -> str:
        return str(self.do("create_wild_sweep", **fields)["id"])

    def grid(self, parameters: Any, **fields: Any) -> Any:
        return self.do("create_sweep", **{"name": "grid", "base_command": "x", "parameters": parameters, **fields})

    def look(self, run_id: str) -> Run:
        return self.store.read(lambda session: runs.get(session, run_id))

    def status(self, run_id: str) -> str:
        return str(self.do("get_run", id=run_id)["status"])

    def launched(self, run_id: str) -> None:
        """Claim a queued run whose process nobody has seen yet."""

        def work(session: Session) -> None:
            run = runs.get(session, run_id)
            assert runs.claim(session, run_id, run.attempts + 1, target="here", folder="/f", devices=[])
            if run.campaign_id:
                session.rows("campaign_used", id=run.campaign_id, now=session.now)

        self.store.write(SYSTEM, work)

    def running(self, run_id: str) -> None:
        self.start(self.look(run_id))

    def ended(self, run_id: str, transition: str = "succeed", reason: Reason = Reason.OK, detail: str = "") -> None:
        self.end(self.look(run_id), transition, reason, detail)

    def through(self, run_id: str, transition: str = "succeed", reason: Reason = Reason.OK) -> None:
        self.running(run_id)
        self.ended(run_id, transition, reason)

    @contextmanager
    def strict(self) -> Iterator[None]:
        """A server with `[wild_v2] strict = true`."""
        before = self.context
        configuration = replace(before.configuration, wild=WildSettings(strict=True))
        self.context = replace(before, configuration=configuration)
        yield
        self.context = before

    @contextmanager
    def asked_by(self, actor: str, *campaigns: str) -> Iterator[None]:
        """Somebody for whom only their own things are there, and some campaigns."""
        before = self.context
        change = replace(before.change, actor=actor, scope=Scope(actor, campaigns))
        self.context = replace(before, change=change)
        yield
        self.context = before


@contextmanager
def protocol_desk(folder: Path) -> Iterator[ProtocolDesk]:
    """A desk whose record agrees with itself at the end."""
    made = ProtocolDesk(folder)
    yield made
    made.check()
    made.store.close()
