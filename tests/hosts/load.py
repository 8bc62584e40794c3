"""A client that keeps all machines busy and remembers what was acknowledged, until it is told to finish."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.journal import ENDINGS, RETRY_SECONDS, Ending
from tests.chaos.plane import Gone, Server
from tests.hosts.site import Site, wrong_with

CELLS = 24
"""Runs of one campaign."""


@dataclass
class Load:
    """Submits campaigns of `work.sh` on a thread of its own, about `ahead` runs before those that were begun."""

    site: Site
    rng: random.Random
    ahead: int = 60
    longest: float = 1.5
    """Seconds of a job, at most."""
    acknowledged: dict[str, tuple[int, Ending]] = field(default_factory=dict)
    """Run id -> its number and how it must end."""
    failed: BaseException | None = None
    _finish: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start to submit."""
        self._thread = threading.Thread(target=self._submit_all, name="load")
        self._thread.start()

    def finish(self) -> None:
        """Stop submitting; what was asked for is acknowledged when this returns."""
        self._finish.set()
        assert self._thread is not None
        self._thread.join()
        if self.failed is not None:
            raise self.failed

    def wrong(self) -> list[str]:
        """What is wrong with what became of all that was acknowledged, as sentences."""
        executions = self.site.executions()
        wrong = []
        for run, (number, ending) in self.acknowledged.items():
            shown = self.site.run(run)
            found = [*_differences(shown, ending), *wrong_with(self.site, number, shown, executions.get(run, []))]
            wrong += [f"{run}: {sentence}" for sentence in found]
        return wrong

    def _submit_all(self) -> None:
        try:
            while not self._finish.is_set():
                if len(self.acknowledged) - len(self.site.executions()) > self.ahead:
                    self._finish.wait(0.1)
                    continue
                self._submit(len(self.acknowledged))
        except BaseException as error:
            self.failed = error

    def _submit(self, first: int) -> None:
        """Ask until there is an answer: always with the same key."""
        endings = self.rng.choices(ENDINGS, [12, 1, 1, 1, 1, 1], k=CELLS)
        cells = [
            (first + at, round(self.rng.uniform(0, self.longest), 2), ending.command)
            for at, ending in enumerate(endings)
        ]
        targets = self._targets()
        ids = self._acknowledged(self.site.work(cells, *targets), f"key-{first}")
        self.acknowledged.update((run, (first + at, endings[at])) for at, run in enumerate(ids))

    def _targets(self) -> list[str]:
        """All machines, in any order."""
        names = [*self.site.rack.hosts, "here"]
        return self.rng.sample(names, k=len(names))

    def _acknowledged(self, plan: dict[str, Any], key: str) -> list[str]:
        tried: Server | None = None
        while True:
            server = self.site.server
            if server is None or server is tried:
                self._finish.wait(RETRY_SECONDS)
                continue
            try:
                return self.site.campaign(plan, key=key)
            except Gone:
                tried = server


def _differences(shown: dict[str, Any], ending: Ending) -> list[str]:
    """The record of a run against its true end."""
    last = shown["attempts_made"][-1] if shown["attempts_made"] else {"code": None, "signal": None}
    found = (shown["state"], shown["reason"], last["code"], last["signal"])
    true = (ending.state, ending.reason, ending.code, ending.signal)
    return [] if found == true else [f"recorded as {found}, was {true} ({shown['detail']})"]
