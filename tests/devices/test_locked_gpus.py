"""A GPU that another home of the machine has locked, as a real server meets it."""

from __future__ import annotations

import pytest

from overnight.runner import locks
from overnight.runner.locks import Holder
from tests.devices.home import Home
from tests.devices.machine import Machine, Made, eventually

pytestmark = pytest.mark.real("compiler")
UUID = "GPU-locked"
CAMPAIGN = """
campaign: locked
resources: {gpus: 1}
sweeps:
  s: {command: "true"}
"""


def test_a_run_whose_gpu_was_locked_meanwhile_waits_uncounted_and_says_who_has_it(machine: Machine, home: Home) -> None:
    machine.have(Made(UUID))
    with home.serving():
        assert eventually(lambda: home.record("SELECT 1 FROM devices WHERE kind = 'gpu'") == [(1,)])
        neighbour = Holder("ada", "/home/ada/.overnight/runner", "r.1", 1, "boot", 1_700_000_000.0)
        held = locks.take(str(home.locks), [UUID], neighbour)
        home.ask("submit", home.file(CAMPAIGN))
        assert eventually(lambda: home.record("SELECT state, reason FROM attempts") == [("refused", "device_held")])
        run = home.ask("ls", "--runs")["runs"][0]
        assert (run["state"], run["reason"]) == ("queued", "device_held")
        assert "held by attempt r.1 of /home/ada/.overnight/runner (user ada" in run["detail"]
        told = home.ask("explain", run["id"])
        assert "held by attempt r.1" in str(told)
        held.release()
    assert home.record("SELECT failures, interruptions FROM runs") == [(0, 0)]
    assert home.ask("verify-log")["violations"] == []
