"""Runs the configured hook once for each campaign that is over and asked for it, with its summary on standard input.

The wish is a row on record, written with the campaign's end: a process that dies runs the hook again. What the hook
does changes no state of any run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overnight.config import AnalysisSettings
from overnight.domain.alerts import Alert, AlertKind
from overnight.store import alerts, campaigns
from overnight.store.base import SYSTEM, Session, Store
from overnight.store.marks import alert

GRACE_SECONDS = 5.0
"""Between SIGTERM and SIGKILL of a hook that ran into its time limit, or that must end with the server."""


@dataclass(slots=True)
class Analyst:
    """`turn` runs the hook for every campaign that waits for it, one after the other."""

    store: Store
    settings: AnalysisSettings
    home: Path
    summary: Callable[[str], dict[str, Any]]
    """The summary of a campaign, ready for JSON."""
    told: Callable[[], None] = lambda: None
    """Called when an alert was raised."""
    _running: subprocess.Popen[bytes] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: bool = False

    def turn(self) -> float | None:
        """Everything that waits; answers None: more comes only with news."""
        for wish in self.store.read(alerts.analyses):
            failure = self._analyse(wish)
            if self._ended:
                return None
            self.store.write(SYSTEM, lambda session, wish=wish, failure=failure: _note(session, wish, failure))  # type: ignore[misc]
            self.told()
        return None

    def end(self, number: int = signal.SIGTERM) -> None:
        """End the hook that is running, if there is one: the next server runs it again."""
        with self._lock:
            self._ended = True
            if self._running is not None:
                _signal(self._running, number)

    def _analyse(self, wish: Alert) -> str | None:
        """Run the hook; answers why it failed, None when it did not."""
        if not self.settings.command:
            return "no [analysis] command stands in config.toml"
        if wish.campaign_id is None:
            return "it belongs to no campaign"
        folder = self.home / "analysis"
        given, log = folder / f"{wish.campaign_id}.json", folder / f"{wish.campaign_id}.log"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            given.write_text(json.dumps(self.summary(wish.campaign_id)), encoding="utf-8")
            failure = self._run(wish.campaign_id, given, log)
        except OSError as error:
            return f"it cannot be started: {error}"
        return f"{failure}; its output is in {log}" if failure else None

    def _run(self, campaign_id: str, given: Path, log: Path) -> str | None:
        folders = self.store.read(lambda session: _folders(session, campaign_id))
        workdir = next((it for it in folders if os.path.isdir(it)), str(given.parent))
        environment = {**os.environ, "OVERNIGHT_CAMPAIGN_ID": campaign_id, "OVERNIGHT_HOME": str(self.home)}
        with given.open("rb") as source, log.open("wb") as output, self._lock:
            if self._ended:
                return None
            self._running = subprocess.Popen(
                self.settings.command,
                stdin=source,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=workdir,
                env=environment,
                start_new_session=True,
            )
        failure = self._wait(self._running)
        with self._lock:
            self._running = None
        return failure

    def _wait(self, process: subprocess.Popen[bytes]) -> str | None:
        """Until it ends, or is made to end; answers what was wrong with its end."""
        try:
            code = process.wait(self.settings.time_limit)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(GRACE_SECONDS)
            _signal(process, signal.SIGKILL)
            process.wait()
            return f"it ran into its time limit of {self.settings.time_limit:g} s"
        if code == 0:
            return None
        return f"it ended with exit status {code}" if code > 0 else f"it was ended by signal {-code}"


def _folders(session: Session, campaign_id: str) -> tuple[str, str]:
    """Where a hook may work, the better one first; the folder of runs may be one of another machine."""
    workdir = campaigns.sweeps_of(session, campaign_id)[0].settings.workdir
    return workdir, os.path.dirname(campaigns.get(session, campaign_id).path)


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the whole group, which may be there although its first process has ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _note(session: Session, wish: Alert, failure: str | None) -> None:
    """The wish is fulfilled, or has failed for good; people are told of the latter."""
    campaign = wish.campaign_id or wish.subject
    session.record("campaign.annotate", campaign, analysis="failed" if failure else "done", detail=failure)
    if failure is None:
        alerts.sent(session, [wish])
    else:
        alerts.failed(session, wish, failure, None)
        alert(
            session,
            AlertKind.ANALYSIS_FAILED,
            wish.subject,
            campaign_id=wish.campaign_id,
            title=f"the analysis of {wish.title} failed",
            detail=failure,
        )
