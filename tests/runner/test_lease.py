"""An attempt with a lease ends itself in good time when no server is heard, with a runner or without one."""

import os
import signal
import time
from pathlib import Path

import pytest

from overnight.runner import lease, moment
from overnight.runner.lease import Renewal, Tenancy
from tests.runner.harness import Bench, Server, is_alive, wait_until

LEASE = 3.0
"""Seconds; a quarter is the margin, so that a run without a grace ends after two and a quarter."""


def renew(server: Server) -> None:
    """Answer a beat, as a server does before it starts what has a lease."""
    assert server.ask("renew", n=server.ask("beat")["n"])["ok"]


def test_a_run_ends_itself_before_its_lease_is_over_without_a_runner(bench: Bench) -> None:
    server = bench.server()
    renew(server)
    begun = moment.boot()
    bench.start(server, "a", "/bin/sh", "-c", "trap '' TERM; sleep 60", lease=LEASE, grace=0.0)
    pid = server.wait("started", "a")["pid"]
    bench.kill_runner()
    wait_until(lambda: not is_alive(pid), "its executor ends it")
    assert moment.boot() - begun < LEASE
    bench.up()
    record = bench.observe(bench.server(), "a")["record"]
    assert (record["reason"], record["signal"]) == ("lease_lost", signal.SIGKILL)
    assert "No server was heard" in record["detail"]
    assert record["duration"] > LEASE / 2


def test_a_run_goes_on_while_its_beats_are_answered(bench: Bench) -> None:
    server = bench.server()
    renew(server)
    bench.start(server, "a", "sleep", "60", lease=LEASE, grace=0.0)
    pid = server.wait("started", "a")["pid"]
    end = moment.boot() + LEASE + 0.5
    while moment.boot() < end:
        renew(server)
        time.sleep(0.2)
    assert is_alive(pid)


def test_an_answer_counts_from_the_sending_of_its_beat_and_never_from_the_future(bench: Bench) -> None:
    server = bench.server()
    early = server.ask("beat")["n"]
    late = server.ask("beat")["n"]
    boot_id = server.welcome["boot_id"]
    server.ask("renew", n=late)
    server.ask("renew", n=early)
    server.ask("renew", n=late + 10**12)
    assert lease.read(str(bench.state_dir), boot_id) == pytest.approx(late / 1e6)
    assert server.ask("renew", n="soon")["error"]["code"] == "bad_request"


def test_beats_come_while_a_run_with_a_lease_lives_and_to_a_server_that_comes_back(bench: Bench) -> None:
    server = bench.server()
    renew(server)
    bench.start(server, "plain", "sleep", "60")
    server.wait("started", "plain")
    assert not [it for it in server.pushed if it["event"] == "beat"]
    bench.start(server, "a", "sleep", "60", lease=600.0)
    server.wait("started", "a")
    server.ask("ping")
    assert [it["event"] for it in server.pushed].count("beat") == 1
    again = bench.server()
    again.ask("ping")
    assert [it["event"] for it in again.pushed] == ["beat"]


def test_a_lease_holds_when_the_executor_was_killed(bench: Bench) -> None:
    server = bench.server()
    renew(server)
    bench.start(server, "a", "sleep", "60", lease=LEASE, grace=0.0)
    pid = server.wait("started", "a")["pid"]
    for executor in bench.executors():
        os.kill(executor, signal.SIGKILL)
    assert "no process of it is left" in server.wait("dead", "a")["proof"]
    assert not is_alive(pid)


def test_a_launch_whose_lease_would_be_over_is_refused_and_nothing_is_started(bench: Bench) -> None:
    server = bench.server()
    reply = server.ask("start", launches=[bench.launch("a", "true", lease=60.0)])
    assert reply["results"]["a"]["error"]["code"] == "lease_over"
    assert bench.observe(server, "a") == {"state": "absent"}


def test_a_longer_grace_of_a_stop_order_does_not_outlast_the_lease(bench: Bench) -> None:
    server = bench.server()
    renew(server)
    bench.start(server, "a", "/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done", lease=LEASE)
    bench.says("a", b"up")
    server.ask("stop", attempt="a", grace=60.0, reason="asked")
    record = server.ended("a")
    assert (record["reason"], record["detail"]) == ("stopped", "asked")
    assert record["duration"] < LEASE


def test_what_another_boot_left_renews_nothing(tmp_path: Path) -> None:
    earlier = Renewal(str(tmp_path), "earlier")
    earlier.answered(lease.name_of_beat())
    assert lease.read(str(tmp_path), "earlier") is not None
    assert lease.read(str(tmp_path), "now") is None
    assert Tenancy(str(tmp_path), "now", 60.0, 5.0).ended(moment.boot() + 60.0)


def test_the_grace_is_bounded_by_the_lease(tmp_path: Path) -> None:
    assert Tenancy(str(tmp_path), "now", 60.0, 3600.0).order.grace == 15.0
