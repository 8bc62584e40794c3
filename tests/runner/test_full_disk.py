"""A disk without room: results travel in the message, stops still arrive, nothing is called started that is not."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.harness import Bench, wait_until

FILL = "import os\ntry:\n  while True: os.write(1, b'x' * 65536)\nexcept OSError as error: code = error.errno\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, which the test can fill."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("a file system can only be mounted by root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_the_result_of_a_job_that_fills_the_disk_is_told(bench: Bench, small_disk: Path) -> None:
    server = bench.server()
    bench.python(server, "a", FILL + "os._exit(code)", folder=str(small_disk / "a"))
    record = server.ended("a")
    assert (record["reason"], record["code"]) == ("exited", 28)
    assert record["log"]["size"] > 500_000
    assert os.listdir(small_disk / "a") in (["log"], ["exit.json", "log"], ["log", "exit.json"])


def test_a_stop_arrives_without_room_for_its_file(bench: Bench, small_disk: Path) -> None:
    server = bench.server()
    code = FILL + "open(os.environ['TOLD'], 'w').close()\nimport time; time.sleep(60)"
    told = bench.folder / "told"
    bench.python(server, "a", code, folder=str(small_disk / "a"), env={"TOLD": str(told)}, grace=1)
    wait_until(told.exists, "the disk is full")
    server.ask("stop", attempt="a", grace=1, reason="enough")
    record = server.ended("a")
    assert (record["reason"], record["signal"]) == ("stopped", 15)


def test_a_launch_that_cannot_be_written_down_is_refused_and_not_started(tmp_path: Path, small_disk: Path) -> None:
    bench = Bench(tmp_path)
    bench.state_dir = small_disk / "runner"
    bench.up()
    try:
        server = bench.server()
        _fill(small_disk / "filler")
        refused = None
        for number in range(100):  # the journal's last block still has room for some
            launch = bench.launch(f"a{number}", "/bin/true")
            answer = server.ask("start", launches=[launch])["results"][f"a{number}"]
            if not answer["ok"]:
                refused = (f"a{number}", answer["error"]["code"])
                break
        assert refused is not None
        assert refused[1] == "journal"
        assert bench.observe(server, refused[0]) == {"state": "absent"}
        (small_disk / "filler").unlink()
        bench.start(server, refused[0], "/bin/sh", "-c", "exit 6")
        assert server.ended(refused[0])["code"] == 6
        bench.kill_runner()
        bench.up()
        assert bench.observe(bench.server(), refused[0])["record"]["code"] == 6
    finally:
        bench.clean()
