"""The commands that a user of the experiment queue types, on manifests that a test writes.

What changes something is a process, as a user starts it. A command that only looks is carried out in this process, by
the same function on the same arguments: starting Python for each look would take longer than everything else.
`test_looks.py` holds both against each other.
"""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

from overnight.__main__ import App
from overnight.surfaces.cli.group import run
from tests.surfaces.cli.harness import Home, Result

LOOKS = frozenset({"plan", "convert", "status", "show", "ls", "logs", "events", "summary", "verify-log"})
"""Commands that change nothing."""

Job = dict[str, Any]


class Queue(Home):
    """A home with `slots` from its `config.toml`, and manifests beside it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.configure("")

    def configure(self, text: str) -> None:
        """Write the home's `config.toml`."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "config.toml").write_text(text, encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> Result:
        """Carry a command out to its end; see the head of this module."""
        if arguments[0] not in LOOKS:
            return self.typed(*arguments, **environment)
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        values = patch.dict(os.environ, self.environment(**environment), clear=True)
        with values, chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            code = run(arguments, App())
        texts = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
        return Result(code, *texts)

    def typed(self, *arguments: str, **environment: str) -> Result:
        """Run a command to its end, as a process."""
        return super().run(*arguments, **environment)

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
        view = self.run("status", campaign, "--json").json["queue"]
        assert isinstance(view, dict)
        return view

    def jobs(self, campaign: str) -> dict[str, Job]:
        """All jobs of a campaign by id."""
        return {job["id"]: job for job in self.status(campaign)["jobs"]}

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        """Every attempt of a run."""
        return list(self.run("show", run_id, "--json").json["attempts_made"])

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
