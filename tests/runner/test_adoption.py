"""Deaths of ours: what a new runner finds, and that jobs do not notice."""

import json
import os
import signal

import pytest

from overnight.runner import identity, journal, processes
from overnight.runner.identity import Identity
from tests.runner.harness import Bench, is_alive, wait_until

WAITS_FOR_A_FILE = (
    "import os,sys,time\nprint('up', flush=True)\nwhile not os.path.exists('go'): time.sleep(.01)\nos._exit(42)"
)


def go(bench: Bench) -> None:
    (bench.folder / "go").touch()


def executor_of(bench: Bench, job: int) -> int:
    stat = identity.read_stat(job)
    assert stat is not None
    assert stat.parent in bench.executors()
    return stat.parent


def test_a_runner_that_was_killed_is_replaced_and_the_new_one_tells_the_true_code(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", WAITS_FOR_A_FILE)
    pid = server.wait("started", "a")["pid"]
    bench.says("a", b"up")
    bench.kill_runner()
    assert server.hear() is None
    bench.up()
    again = bench.server()
    assert again.welcome["owned"] == ["a"]
    alive = bench.observe(again, "a")
    assert (alive["state"], alive["pid"]) == ("alive", pid)
    go(bench)
    assert (again.ended("a")["code"], again.ended("a")["pid"]) == (42, pid)
    wait_until(lambda: bench.executors() == [], "the adopted executor goes after its attempt")


def test_an_end_while_no_runner_lives_is_found_by_the_next(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", WAITS_FOR_A_FILE)
    bench.says("a", b"up")
    bench.kill_runner()
    go(bench)
    wait_until(lambda: bench.executors() == [], "the executor finishes alone")
    bench.up()
    assert bench.observe(bench.server(), "a")["record"]["code"] == 42


def test_an_adopted_attempt_obeys_a_stop(bench: Bench) -> None:
    server = bench.server()
    code = (
        "import os,signal,time\nsignal.signal(15, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.setsid()\nprint('up', flush=True); time.sleep(60)"
    )
    bench.python(server, "a", code)
    bench.says("a", b"up\nup")
    bench.kill_runner()
    bench.up()
    again = bench.server()
    assert again.ask("stop", attempt="a", grace=0.2, reason="enough")["ok"]
    record = again.ended("a")
    assert (record["reason"], record["signal"], record["detail"]) == ("stopped", 9, "enough")
    assert bench.survivors() == []


def test_the_time_limit_holds_without_any_runner(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "sleep", "60", time_limit=0.5)
    server.wait("started", "a")
    bench.kill_runner()
    path = bench.attempts / "a" / "exit.json"
    wait_until(path.exists, "the executor writes the record")
    assert json.loads(path.read_text())["reason"] == "time_limit"


def test_an_attempt_whose_executor_was_killed_is_alive_until_its_processes_end(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", WAITS_FOR_A_FILE)
    pid = server.wait("started", "a")["pid"]
    bench.says("a", b"up")
    os.kill(executor_of(bench, pid), signal.SIGKILL)
    wait_until(lambda: bench.executors() == [], "the executor is gone")
    assert bench.observe(server, "a")["state"] == "alive"
    assert is_alive(pid)
    go(bench)
    proof = server.wait("dead", "a")["proof"]
    assert "no process of it is left" in proof
    assert bench.observe(server, "a") == {"state": "dead", "proof": proof}


def test_an_orphan_is_alive_for_the_next_runner_too_and_obeys_a_stop(bench: Bench) -> None:
    server = bench.server()
    bench.python(
        server, "a", "import signal,time\nsignal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    pid = server.wait("started", "a")["pid"]
    bench.says("a", b"up")
    executor = executor_of(bench, pid)
    bench.kill_runner()
    os.kill(executor, signal.SIGKILL)
    wait_until(lambda: bench.executors() == [], "the executor is gone")
    bench.up()
    again = bench.server()
    assert bench.observe(again, "a")["state"] == "alive"
    again.ask("stop", attempt="a", grace=0.2, reason="enough")
    again.wait("dead", "a")
    assert not is_alive(pid)


def test_an_orphan_still_obeys_its_time_limit(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "sleep", "60", time_limit=1.0)
    pid = server.wait("started", "a")["pid"]
    os.kill(executor_of(bench, pid), signal.SIGKILL)
    server.wait("dead", "a")
    assert not is_alive(pid)


def test_a_killed_executor_is_replaced_for_the_next_attempt(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "/bin/true")
    server.ended("a")
    os.kill(bench.executors()[0], signal.SIGKILL)
    wait_until(lambda: bench.executors() == [], "the executor is gone")
    bench.start(server, "b", "/bin/sh", "-c", "exit 4")
    assert server.ended("b")["code"] == 4


def test_everything_of_ours_may_be_killed_and_the_job_goes_on(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", WAITS_FOR_A_FILE)
    pid = server.wait("started", "a")["pid"]
    bench.says("a", b"up")
    executor = executor_of(bench, pid)
    bench.kill_runner()
    os.kill(executor, signal.SIGKILL)
    wait_until(lambda: bench.executors() == [], "the executor is gone")
    assert is_alive(pid)


def test_a_torn_last_line_of_the_journal_is_ignored(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "/bin/sh", "-c", "exit 3")
    server.ended("a")
    bench.kill_runner()
    with open(bench.state_dir / "journal", "ab") as file:
        file.write(b'{"kind":"forgotten","attempts":["a"')
    bench.up()
    again = bench.server()
    assert bench.observe(again, "a")["record"]["code"] == 3
    bench.start(again, "b", "/bin/true")
    again.ended("b")
    bench.kill_runner()
    bench.up()
    assert bench.server().welcome["owned"] == ["a", "b"]


def test_a_journal_from_before_a_reboot_leaves_only_records_alive(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "done", "/bin/sh", "-c", "exit 3")
    server.ended("done")
    bench.start(server, "lost", "sleep", "60")
    pid = server.wait("started", "lost")["pid"]
    bench.kill_runner()
    path = bench.state_dir / "journal"
    path.write_text(path.read_text().replace(identity.boot_id(), "boot-before"))
    bench.up()
    again = bench.server()
    assert bench.observe(again, "done")["record"]["code"] == 3
    lost = bench.observe(again, "lost")
    assert (lost["state"], "boot-before" in lost["proof"]) == ("dead", True)
    assert is_alive(pid)  # a process of this boot is none of that attempt's: nobody may touch it


def test_a_lost_journal_does_not_lose_the_processes(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "sleep", "60")
    pid = server.wait("started", "a")["pid"]
    executor = executor_of(bench, pid)
    bench.kill_runner()
    os.kill(executor, signal.SIGKILL)
    (bench.state_dir / "journal").unlink()
    bench.up()
    again = bench.server()
    assert again.welcome["owned"] == []
    assert bench.observe(again, "a")["state"] == "alive"
    again.ask("stop", attempt="a", grace=1, reason="enough")
    again.wait("dead", "a")
    assert not is_alive(pid)


def test_a_cut_exit_record_is_no_record(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "/bin/true")
    server.ended("a")
    server.ask("forget", attempts=["a"])
    (bench.attempts / "a" / "exit.json").write_bytes(b"")
    assert bench.observe(server, "a")["state"] == "dead"


@pytest.mark.parametrize("seed", range(3))
def test_kills_of_the_runner_at_any_moment_lose_and_double_nothing(bench: Bench, seed: int) -> None:
    """Each job appends its name once; runners are killed while starts are under way."""
    names = [f"a{number}" for number in range(12)]
    tally = bench.folder / "tally"
    launches = [bench.launch(name, "/bin/sh", "-c", f"echo {name} >> {tally}; sleep 0.1; exit 5") for name in names]
    records: dict[str, int] = {}
    for number, launch in enumerate(launches):
        server = bench.server()
        server.send_raw(json.dumps({"id": 0, "op": "start", "launches": [launch]}).encode() + b"\n")
        for _ in range((number + seed) % 4):
            server.hear()  # die before the reply, after it, after the start was told ...
        bench.kill_runner()
        bench.up()
    final = bench.server()
    for name, launch in zip(names, launches, strict=True):
        state = wait_until(lambda name=name: _settled(bench.observe(final, name)), f"{name} is settled")  # type: ignore[misc]
        if state["state"] in ("absent", "dead"):  # the start did not get through: the server asks again
            folder = str(bench.attempts / f"{name}-2")
            bench.start(final, f"{name}-2", *launch["argv"], run=launch["run"], fence=2, folder=folder)
            records[name] = final.ended(f"{name}-2")["code"]
        else:
            records[name] = state["record"]["code"]
    assert records == dict.fromkeys(names, 5)
    assert sorted(tally.read_text().split()) == sorted(names)
    assert bench.survivors() == []


def _settled(state: dict[str, object]) -> dict[str, object] | None:
    return None if state["state"] == "alive" else state


def test_a_stranger_with_the_same_pid_is_neither_alive_nor_adopted_nor_signalled() -> None:
    boot = identity.boot_id()
    stat = identity.read_stat(os.getpid())
    assert stat is not None
    ours = Identity(boot, stat.pid, stat.start_time)
    assert identity.alive(ours, boot)
    for stranger in (Identity(boot, stat.pid, stat.start_time - 1), Identity("boot-before", stat.pid, stat.start_time)):
        assert not identity.alive(stranger, boot)
        assert identity.open_pidfd(stranger, boot) is None
    assert not processes.signal_one(stat._replace(start_time=stat.start_time - 1), signal.SIGKILL)


def test_a_zombie_is_dead() -> None:
    pid = os.posix_spawn("/bin/true", ["true"], {})
    try:
        wait_until(lambda: (stat := identity.read_stat(pid)) is not None and stat.state == "Z", "it is a zombie")
        stat = identity.read_stat(pid)
        assert stat is not None
        assert not identity.alive(Identity(identity.boot_id(), pid, stat.start_time), identity.boot_id())
    finally:
        os.waitpid(pid, 0)


def test_a_compacted_journal_says_the_same(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "/bin/true", run="r", fence=3)
    server.ended("a")
    bench.start(server, "b", "sleep", "60")
    server.wait("started", "b")
    bench.kill_runner()
    path = str(bench.state_dir / "journal")
    before = journal.replay(path)
    journal.Journal(path).compact(before)
    assert journal.replay(path) == before
