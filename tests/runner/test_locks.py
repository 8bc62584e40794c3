"""Devices of a host are locked while anything of an attempt may live, against other runners there."""

import fcntl
import json
import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.runner import locks
from overnight.runner.locks import DeviceHeld, Holder
from tests.runner.harness import Bench, is_alive, wait_until

GPU, OTHER = "GPU-11111111-aaaa", "GPU-22222222-bbbb"


@pytest.fixture
def neighbour(tmp_path: Path, bench: Bench) -> Iterator[Bench]:
    """Another home on the host of `bench`."""
    (tmp_path / "neighbour").mkdir()
    made = Bench(tmp_path / "neighbour")
    made.locks = bench.locks
    made.up()
    try:
        yield made
    finally:
        made.clean()


def holder(runner: str = "/home/x/runner", *, shared: bool = False) -> Holder:
    return Holder("x", runner, "a.1", os.getpid(), "boot", 1_700_000_000.0, shared)


def holder_of(bench: Bench) -> int | None:
    """Pid of whoever holds the GPU now."""
    found = locks.holders(str(bench.locks), [GPU]).get(GPU)
    return found.pid if isinstance(found, Holder) else None


def test_a_device_that_another_home_uses_is_not_used_and_its_holder_is_named(bench: Bench, neighbour: Bench) -> None:
    ours, theirs = bench.server(), neighbour.server()
    bench.start(ours, "a", "sleep", "60", devices=[GPU, OTHER])
    ours.wait("started", "a")
    neighbour.start(theirs, "b", "/bin/sh", "-c", "echo ran", devices=[GPU])
    record = theirs.ended("b")
    assert (record["reason"], record["code"], record["signal"], record["pid"]) == ("device_held", None, None, None)
    assert GPU in record["detail"]
    assert f"attempt a of {bench.state_dir}" in record["detail"]
    assert not (neighbour.attempts / "b" / "log").exists()
    ours.ask("stop", attempt="a", grace=0, reason="enough")
    ours.ended("a")
    neighbour.start(theirs, "c", "/bin/sh", "-c", "echo ran", devices=[GPU])
    assert theirs.ended("c")["code"] == 0


def test_a_device_is_locked_while_a_process_of_a_killed_executor_lives(bench: Bench, neighbour: Bench) -> None:
    ours, theirs = bench.server(), neighbour.server()
    bench.start(ours, "a", "sleep", "60", devices=[GPU])
    pid = ours.wait("started", "a")["pid"]
    for executor in bench.executors():
        os.kill(executor, signal.SIGKILL)
    assert bench.process is not None
    runner = bench.process.pid
    wait_until(lambda: holder_of(bench) == runner, "the runner takes the lock over")
    assert is_alive(pid)
    neighbour.start(theirs, "b", "true", devices=[GPU])
    assert theirs.ended("b")["reason"] == "device_held"
    os.kill(pid, signal.SIGKILL)
    ours.wait("dead", "a")
    assert locks.holders(str(bench.locks), [GPU]) == {}


def test_jobs_do_not_inherit_the_lock(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", "import os; print(sorted(os.listdir('/proc/self/fd')))", devices=[GPU])
    server.ended("a")
    assert bench.log("a") == b"['0', '1', '2', '3']\n"
    assert locks.holders(str(bench.locks), [GPU]) == {}


def test_runs_of_one_home_share_a_device_and_another_home_stays_away(bench: Bench, neighbour: Bench) -> None:
    ours, theirs = bench.server(), neighbour.server()
    for attempt in ("a", "b"):
        bench.start(ours, attempt, "sleep", "60", devices=[GPU], shared=True)
        ours.wait("started", attempt)
    neighbour.start(theirs, "c", "true", devices=[GPU], shared=True)
    record = theirs.ended("c")
    assert record["reason"] == "device_held"
    assert f"held by runs of {bench.state_dir}" in record["detail"]
    bench.start(ours, "d", "true", devices=[GPU])
    assert ours.ended("d")["reason"] == "device_held"


def test_a_launch_with_a_name_that_is_no_uuid_is_refused(bench: Bench) -> None:
    server = bench.server()
    for name in ("../../etc/passwd", "", "a" * 65, "a b", 7, None):
        reply = server.ask("start", launches=[bench.launch("a", "true", devices=[name])])
        assert reply["results"]["a"]["error"]["code"] == "bad_launch"


def test_the_folder_and_the_files_are_open_to_all_users_whatever_the_umask_says(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    before = os.umask(0o077)
    try:
        taken = locks.take(str(folder), [GPU], holder())
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert stat.S_IMODE((folder / GPU).stat().st_mode) == 0o666
    taken.release()


def test_all_devices_are_locked_or_none(tmp_path: Path) -> None:
    taken = locks.take(str(tmp_path), [OTHER], holder())
    with pytest.raises(DeviceHeld, match=OTHER):
        locks.take(str(tmp_path), [GPU, OTHER], holder(), patience=0.0)
    assert list(locks.holders(str(tmp_path), [GPU, OTHER])) == [OTHER]
    taken.release()
    locks.take(str(tmp_path), [GPU, OTHER], holder()).release()


def test_who_only_looks_for_a_moment_keeps_nobody_from_taking_it(tmp_path: Path) -> None:
    locks.take(str(tmp_path), [GPU], holder()).release()
    code = "import fcntl,sys,time; f=open(sys.argv[1]); fcntl.flock(f, 2); print(flush=True); time.sleep(0.05)"
    reading, writing = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", "-c", code, str(tmp_path / GPU)],
        {},
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
    )
    os.close(writing)
    assert os.read(reading, 1) == b"\n"
    os.close(reading)
    locks.take(str(tmp_path), [GPU], holder(), patience=10.0).release()
    os.waitpid(pid, 0)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_what_is_no_plain_file_is_not_to_be_had(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "target"
    target.write_text("mine", encoding="utf-8")
    folder = tmp_path / "locks"
    folder.mkdir()
    path = folder / GPU
    if kind == "link":
        path.symlink_to(target)
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(DeviceHeld, match="cannot be opened"):
        locks.take(str(folder), [GPU], holder(), patience=0.0)
    assert "cannot be opened" in str(locks.holders(str(folder), [GPU])[GPU])
    assert target.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[" * 100_000,
        "null",
        '{"user":1}',
        '{"user":"\\u001b[31m\\n","runner":"/r","attempt":"a","pid":1,"boot_id":"b","since":1e999}',
        '{"user":"u","runner":"/r","attempt":"a","pid":1e999,"boot_id":"b","since":"nan"}',
    ],
)
def test_what_a_holder_writes_is_not_believed_beyond_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / GPU
    path.write_text(text, encoding="utf-8")
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        found = locks.holders(str(tmp_path), [GPU])[GPU]
    sentence = found.sentence() if isinstance(found, Holder) else found
    assert sentence.startswith("held by ")
    assert sentence.isprintable()
    assert len(sentence) < 1000


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    taken = locks.take(str(tmp_path), [GPU], holder())
    (tmp_path / GPU).unlink()
    again = locks.take(str(tmp_path), [GPU], holder())
    assert json.loads((tmp_path / GPU).read_text(encoding="utf-8"))["attempt"] == "a.1"
    taken.release()
    again.release()
