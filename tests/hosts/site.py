"""A server, this machine and the hosts of a rack as its targets."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from overnight.domain.states import FINAL_RUN
from tests.chaos.journal import listed
from tests.chaos.plane import Plane, Server, eventually
from tests.hosts.witness import Execution, misdeeds, witnessed
from tests.parts.hosts import Rack

WORK = Path(__file__).with_name("work.sh")
RESERVE = {"disk_reserve_mib": 4, "inode_reserve": 0}
SECONDS = 120.0
"""Patience for what needs links, back-offs and several tries."""


class Site(Plane):
    """A plane whose server stands in the network of a rack and knows its hosts by their names."""

    def __init__(
        self, folder: Path, rack: Rack, *, slots: int = 2, here: int = 1, aliases: Mapping[str, str] | None = None
    ) -> None:
        """`slots` on each host, `here` on this machine; `aliases`: target -> what OpenSSH knows it by."""
        self.rack = rack
        self.aliases = aliases or {}
        self.slots = slots
        self.code = folder / "code"
        self.code.mkdir()
        shutil.copy(WORK, self.code)
        super().__init__(folder, slots=here)

    def configure(self, slots: int) -> None:
        tables = [f"[local]\nslots = {slots}\ndisk_reserve_mib = 0\n"]
        for name in self.rack.hosts:
            how = {"ssh": f'"{self.aliases.get(name, name)}"', "slots": self.slots, **RESERVE}
            tables.append(f"[targets.{name}]\n" + "".join(f"{key} = {value}\n" for key, value in how.items()))
        (self.home / "config.toml").write_text("\n".join(tables), encoding="utf-8")

    def up(self, *wrapper: str) -> Server:
        return super().up(*self.rack.wrapper, *wrapper)

    def campaign(self, plan: Mapping[str, Any], *, key: str | None = None) -> list[str]:
        """Submit a campaign of the folder `code`; returns the ids of its runs in the order of the file."""
        answer = self.ask(
            "submit", key=key, file=json.dumps(plan), path=str(self.code / "c.yaml"), directory=str(self.code)
        )
        runs = self.ask("list_runs", campaign=answer["campaign"]["id"], limit=10_000)["runs"]
        return [run["id"] for run in runs]

    def work(self, cells: Sequence[tuple[int, float, str]], *targets: str, **settings: Any) -> dict[str, Any]:
        """The plan of a campaign of `work.sh`: for each cell its number, seconds and ending."""
        sweep = {
            "cells": [{"n": number, "seconds": seconds, "ending": ending} for number, seconds, ending in cells],
            "name": "n${n}",
            "command": ["sh", "work.sh", "${n}", "${seconds}", "${ending}"],
            "outputs": ["out/${n}"],
            "env": {"MARKS": str(self.marks)},
            "breaker": None,
            **settings,
        }
        return {"campaign": "work", "workdir": ".", "targets": list(targets), "sweeps": {"work": sweep}}

    def executions(self) -> Mapping[str, list[Execution]]:
        """What the jobs' own marks tell, by run."""
        return witnessed(self.rack, self.marks)

    def settled(self, seconds: float = SECONDS) -> Mapping[str, Mapping[str, Any]]:
        """Every run on record, once all of them are final."""

        def final() -> Mapping[str, Mapping[str, Any]] | None:
            runs = listed(self.ask)
            return runs if all(run["state"] in FINAL_RUN for run in runs.values()) else None

        found: Mapping[str, Mapping[str, Any]] = eventually(final, "every run is final", seconds)
        return found

    def record(self, query: str) -> list[tuple[Any, ...]]:
        """What stands in the record now, whether there is a server or not."""
        with closing(apsw.Connection(str(self.home / "overnight.db"), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            connection.set_busy_timeout(5000)
            return list(connection.execute(query))

    def reached(self) -> Mapping[str, str]:
        """Whether each host is `reachable` or `unknown`, as the record says it."""
        return dict(self.record("SELECT id, state FROM targets"))


def data_of(number: int) -> bytes:
    """What `work.sh` writes for a number."""
    return "".join(f"{it}\n" for it in range(number, number + 20_001)).encode("ascii")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wrong_with(site: Site, number: int, shown: Mapping[str, Any], executions: Sequence[Execution]) -> list[str]:
    """How the record of a run of `work.sh` and its copies at home differ from what its jobs did."""
    wrong = list(misdeeds(executions))
    attempts = {it["id"]: it for it in shown["attempts_made"]}
    for execution in executions:
        lost = execution.attempt not in attempts or attempts[execution.attempt]["state"] == "lost"
        if lost and execution.power is None:
            wrong.append(f"{execution} counts as lost, and no power was cut")
    if not executions or executions[-1].end is None:
        wrong.append(f"it never came to an end: {executions}")
    elif executions[-1].attempt != shown["attempts_made"][-1]["id"]:
        wrong.append(f"the last execution was not the last attempt: {executions}")
    elif shown["state"] == "succeeded":
        wrong += _missing(site, number, shown["attempts_made"][-1])
    return wrong


def _missing(site: Site, number: int, attempt: Mapping[str, Any]) -> list[str]:
    far = attempt["target"] != "here"
    folder = site.home / "runs" / attempt["id"].rpartition(".")[0] / str(attempt["number"])
    wanted = [folder / "data", *([folder / "work" / "out" / str(number)] if far else [])]
    true = digest(data_of(number))
    return [f"{path} is not what the job wrote" for path in wanted if not _is(path, true)]


def _is(path: Path, true: str) -> bool:
    return path.is_file() and digest(path.read_bytes()) == true
