"""The commands that a user of the experiment queue types, on manifests that a test writes.

Each kind of look is a real command once. Repeated looks ask the same server over HTTP: a process for each of them would
take longer than what is looked at.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from overnight.config import load
from overnight.home import holder_of
from overnight.surfaces.client import Client
from tests.surfaces.cli.harness import Home, Result

Job = dict[str, Any]


class Queue(Home):
    """A home with `slots` from its `config.toml`, and manifests beside it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.configure("")
        self._looked: set[str] = set()
        self._clients: dict[str, Client] = {}

    def configure(self, text: str) -> None:
        """Write the home's `config.toml`."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "config.toml").write_text(text, encoding="utf-8")

    def file(self, content: str | dict[str, Any], name: str = "m.yaml") -> str:
        """Write a manifest, as YAML text or as JSON values; returns its name."""
        text = content if isinstance(content, str) else json.dumps(content)
        return self.campaign(text, name)

    def plan(self, content: str | dict[str, Any]) -> dict[str, Any]:
        """What `overnight plan` says; the file must be legal."""
        found = self.run("plan", self.file(content), "--json")
        assert found.code in (0, 1), found
        return found.json

    def refused(self, content: str | dict[str, Any]) -> list[str]:
        """The errors for which `overnight plan` refuses a file: `place: message` each."""
        found = self.run("plan", self.file(content), "--json")
        assert found.code == 2, found
        return [f"{error['place']}: {error['message']}" for error in found.json["errors"]]

    def settle(self, content: str | dict[str, Any], name: str = "m.yaml", **environment: str) -> Result:
        """Run a manifest to its end."""
        return self.run("run", self.file(content, name), "--json", **environment)

    def status(self, campaign: str) -> dict[str, Any]:
        """The queue's own view of a campaign."""
        view = self._look("queue", ("status", campaign), id=campaign)["queue"]
        assert isinstance(view, dict)
        return view

    def jobs(self, campaign: str) -> dict[str, Job]:
        """All jobs of a campaign by id."""
        return {job["id"]: job for job in self.status(campaign)["jobs"]}

    def show(self, run_id: str) -> dict[str, Any]:
        """A run, whole."""
        return self._look("show", ("show", run_id), id=run_id)

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        """Every attempt of a run."""
        return list(self.show(run_id)["attempts_made"])

    def _look(self, operation: str, command: tuple[str, ...], **fields: str) -> dict[str, Any]:
        """An answer by the command the first time, and where no server answers; else by the server itself."""
        server = self._server() if operation in self._looked else None
        if server is not None:
            return server.call(operation, **fields)
        self._looked.add(operation)
        return self.run(*command, "--json").json

    def _server(self) -> Client | None:
        """A client of the home's live server; None when there is none."""
        configuration = load(self.environment())
        holder = holder_of(configuration)
        if holder is None or not holder[1]:
            return None
        url = holder[1]
        if url not in self._clients:
            self._clients[url] = Client(url, configuration.token_file.read_text(encoding="ascii").strip())
        return self._clients[url]

    def clean(self) -> None:
        """See `Home.clean`."""
        for client in self._clients.values():
            client.close()
        super().clean()

    def starts(self) -> dict[str, tuple[float, float]]:
        """run name -> (first start, last end) of its attempts, straight from the record."""
        with sqlite3.connect(f"file:{self.path}/overnight.db?mode=ro", uri=True) as record:
            rows = record.execute(
                "SELECT r.name, min(a.started_at), max(a.ended_at) FROM runs r JOIN attempts a ON a.run_id = r.id"
                " GROUP BY r.name"
            ).fetchall()
        return {name: (start, end) for name, start, end in rows}

    def run_long(self, *arguments: str) -> Result:
        """A command that may take minutes."""
        done = subprocess.run(
            [sys.executable, "-m", "overnight", *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self.environment(),
            cwd=self.folder,
            timeout=240,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def run_plain(self, *arguments: str) -> None:
        """A command that is not ours, beside the manifests."""
        subprocess.run(arguments, cwd=self.folder, check=True, capture_output=True, timeout=60)

    def verified(self) -> None:
        """The record stands every check."""
        found = self.run("verify-log", "--json")
        assert found.code == 0, found.out
