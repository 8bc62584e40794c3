"""Which GPUs the runs of a campaign get, end to end: allowed ones, thresholds, strangers, late use, sharing.

Each job tells the lying driver what it uses, as `proc` lines, and goes on until the test lets it end.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.devices.home import Home
from tests.devices.machine import Machine, Made, alive, eventually

pytestmark = pytest.mark.real("compiler")

JOB = """#!/bin/sh
[ "$2" = 0 ] || echo "proc $CUDA_VISIBLE_DEVICES $$ $2" >> "$FAKE_GPUS.use"
echo "start $1 $CUDA_VISIBLE_DEVICES" >> journal
while [ ! -e go ] && [ ! -e "go-$1" ]; do sleep 0.02; done
echo "end $1" >> journal
"""

FILE = """
campaign: placed
resources: {gpus: 1%s}
sweeps:
  s:
    grid: {seed: [%s]}
    command: './job ${seed} %d'
"""
MIB = 1 << 20


class Jobs:
    """The jobs of a home, and what they wrote down."""

    def __init__(self, home: Home) -> None:
        self.home = home
        job = home.folder / "job"
        job.write_text(JOB, encoding="utf-8")
        job.chmod(0o755)

    def submit(self, resources: str, seeds: str = "0, 1, 2, 3", mib: int = 0) -> None:
        text = FILE % (f", {resources}" if resources else "", seeds, mib * MIB)
        self.home.ask("submit", self.home.file(text))

    def go(self, which: str = "") -> None:
        """Let one of them end, or all."""
        (self.home.folder / (f"go-{which}" if which else "go")).touch()

    @property
    def journal(self) -> list[list[str]]:
        path = self.home.folder / "journal"
        return [line.split() for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    @property
    def started(self) -> list[str]:
        return [line[1] for line in self.journal if line[0] == "start"]

    @property
    def places(self) -> Counter[str]:
        """GPU -> runs that it was given to."""
        return Counter(line[2] for line in self.journal if line[0] == "start")

    @property
    def at_once(self) -> int:
        """Most of them that were alive together."""
        most = number = 0
        for word, *_ in self.journal:
            number += 1 if word == "start" else -1
            most = max(most, number)
        return most

    def over(self) -> bool:
        """Whether the campaign has ended, and all of it well."""
        (found,) = self.home.ask("ls")["campaigns"]
        return bool(found["state"] == "succeeded")

    def explained(self, run: int) -> str:
        """Why the run of that place in the file is where it is."""
        found = self.home.ask("ls", "--runs")["runs"]
        (it,) = [one for one in found if one["name"].endswith(str(run))]
        return str(self.home.ask("explain", it["id"])["code"])


@pytest.fixture
def jobs(home: Home) -> Jobs:
    return Jobs(home)


def test_only_the_allowed_gpus_are_used(jobs: Jobs, machine: Machine) -> None:
    machine.have(Made("GPU-a"), Made("GPU-b"), Made("GPU-c"))
    with jobs.home.serving():
        jobs.submit("devices: [1, 2]")
        assert eventually(lambda: len(jobs.started) == 2, 30)
        jobs.go()
        assert eventually(jobs.over, 60)
    assert jobs.places.keys() == {"1", "2"}
    assert jobs.at_once == 2


def test_a_campaign_says_below_which_use_a_gpu_is_free(jobs: Jobs, machine: Machine) -> None:
    """A desktop's 900 MiB: too much for the target, not for this campaign; and it comes back with as much in use."""
    machine.have(Made("GPU-a", used_mib=900), Made("GPU-b", used_mib=1_200))
    jobs.go()
    with jobs.home.serving():
        jobs.submit("free_below: 1GiB", mib=5_000)
        assert eventually(jobs.over, 60)
    assert jobs.places.keys() == {"0"}
    assert jobs.at_once == 1


@pytest.mark.parametrize("kind", ["home", "smi_home"])
def test_a_gpu_with_a_foreign_process_waits_and_the_process_lives(kind: str, request: pytest.FixtureRequest) -> None:
    home: Home = request.getfixturevalue(kind)
    machine: Machine = request.getfixturevalue("machine" if kind == "home" else "smi_machine")
    jobs, stranger = Jobs(home), subprocess.Popen(["sleep", "600"])
    try:
        machine.have(Made("GPU-a"), Made("GPU-b"), then=[f"proc 0 {stranger.pid} {3 * MIB}"])
        with home.serving():
            jobs.submit("")
            assert eventually(lambda: jobs.started == ["0"], 30)
            jobs.go()
            assert eventually(jobs.over, 60)
            assert jobs.places.keys() == {"1"}
            (home.folder / "go").unlink()
            machine.have(Made("GPU-a"), then=[f"proc 0 {stranger.pid} {3 * MIB}"])
            jobs.submit("devices: [0]", seeds="7, 8")
            assert eventually(lambda: jobs.explained(7) == "foreign_use", 60)
        assert alive(stranger.pid)
        assert jobs.places.keys() == {"1"}
    finally:
        stranger.kill()
        stranger.wait()


def test_a_gpu_stays_leased_however_late_its_memory_is_taken(jobs: Jobs, machine: Machine) -> None:
    """The first job uses nothing for as long as it lives, the probe finds the GPU empty, and nobody else gets it."""
    machine.have(Made("GPU-a"))
    with jobs.home.serving():
        jobs.submit("", seeds="0, 1")
        assert eventually(lambda: jobs.started == ["0"], 30)
        seen = jobs.home.record("SELECT seen_at FROM devices WHERE kind = 'gpu'")
        assert eventually(lambda: jobs.home.record("SELECT seen_at FROM devices WHERE kind = 'gpu'") != seen, 60)
        assert jobs.home.record("SELECT busy, used_mib FROM devices WHERE kind = 'gpu'") == [(None, 1)]
        assert jobs.started == ["0"]
        assert jobs.explained(1) == "busy"
        jobs.go()
        assert eventually(jobs.over, 60)
    assert jobs.at_once == 1


@pytest.mark.parametrize("kind", ["home", "smi_home"])
def test_runs_share_a_gpu_once_it_is_known_what_they_use(kind: str, request: pytest.FixtureRequest) -> None:
    """The first one is alone, and tells the memory of its family; of the others as many go together as fit."""
    home: Home = request.getfixturevalue(kind)
    request.getfixturevalue("machine" if kind == "home" else "smi_machine").have(Made("GPU-a"))
    jobs = Jobs(home)
    with home.serving():
        jobs.submit("share: 3", mib=30_000)
        assert eventually(lambda: home.record("SELECT mib FROM peaks") == [(30_000,)], 60)
        assert jobs.started == ["0"]
        jobs.go("0")
        assert eventually(lambda: sorted(jobs.started) == ["0", "1", "2"], 60)
        assert home.record("SELECT part FROM leases WHERE state = 'held' ORDER BY part") == [(0,), (1,)]
        assert jobs.explained(3) == "busy"
        jobs.go("1")
        assert eventually(lambda: len(jobs.started) == 4, 60)
        jobs.go()
        assert eventually(jobs.over, 60)
        assert home.ask("verify-log")["ok"]
    assert jobs.at_once == 2
    packed = home.record("SELECT r.name FROM marks m JOIN runs r ON r.id = m.run_id WHERE m.kind = 'packed' ORDER BY 1")
    assert packed == [("s-seed1",), ("s-seed2",), ("s-seed3",)]
    assert home.record("SELECT peak_mib FROM families") == [(30_000,)]
    assert home.record("SELECT * FROM leases WHERE state = 'held'") == []


def test_a_job_that_uses_a_gpu_that_it_was_not_given_keeps_others_off_it(jobs: Jobs, machine: Machine) -> None:
    """An explicit pin in a command is honoured; so nobody else is sent there meanwhile."""
    machine.have(Made("GPU-a"), Made("GPU-b"))
    stray = Path(jobs.home.folder, "stray")
    stray.write_text(JOB.replace("$CUDA_VISIBLE_DEVICES $$ $2", f"1 $$ {40 * MIB}"), encoding="utf-8")
    stray.chmod(0o755)
    with jobs.home.serving():
        jobs.submit("devices: [0]", seeds="0")
        text = (FILE % (", devices: [0]", "5", 1)).replace("./job", "./stray").replace("placed", "stray")
        jobs.go("0")
        assert eventually(jobs.over, 60)
        jobs.home.ask("submit", jobs.home.file(text))
        assert eventually(lambda: "5" in jobs.started, 60)
        busy = "SELECT busy LIKE '%was not given it', strangers FROM devices WHERE position = 1 AND kind = 'gpu'"
        assert eventually(lambda: jobs.home.record(busy) == [(1, 1)], 60)
        jobs.go()
