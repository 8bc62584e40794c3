"""One attempt from its start to being forgotten."""

import json
import os
import subprocess
import sys
import time

from tests.runner.harness import Bench, Server, wait_until


def test_an_attempt_is_started_ends_and_is_forgotten(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "/bin/sh", "-c", "echo out; echo err >&2; exit 3")
    started = server.wait("started", "a")
    record = server.ended("a")
    assert (record["reason"], record["code"], record["signal"]) == ("exited", 3, None)
    assert (record["pid"], record["start_time"]) == (started["pid"], started["start_time"])
    assert record["fence"] == started["fence"] == 1
    assert json.loads((bench.attempts / "a" / "exit.json").read_text()) == record
    assert bench.log("a") == b"out\nerr\n"
    assert record["log"] == {"size": 8, "gap": None}
    assert bench.observe(server, "a") == {"state": "ended", "record": record}
    assert server.ask("forget", attempts=["a", "unknown"])["forgotten"] == ["a"]
    assert server.ask("owned")["attempts"] == {}


def test_a_live_attempt_is_owned_and_not_forgotten(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "sleep", "60")
    pid = server.wait("started", "a")["pid"]
    assert server.ask("forget", attempts=["a"])["forgotten"] == []
    owned = server.ask("owned")["attempts"]["a"]
    assert (owned["run"], owned["state"], owned["pid"]) == ("run-a", "alive", pid)


def test_the_environment_is_the_runners_without_ours_then_the_launchs_then_who_it_is(bench: Bench) -> None:
    bench.kill_runner()
    bench.up(env={"KEPT": "1", "GONE": "1", "OVERNIGHT_TOKEN": "secret"})
    server = bench.server()
    bench.start(server, "a", "/usr/bin/env", env={"ADDED": "ü", "GONE": None}, fence=7)
    server.ended("a")
    variables = dict(line.split("=", 1) for line in bench.log("a").decode().splitlines() if "=" in line)
    assert variables["KEPT"] == "1"
    assert variables["ADDED"] == "ü"
    assert "GONE" not in variables
    ours = {name: value for name, value in variables.items() if name.startswith("OVERNIGHT_")}
    assert ours == {
        "OVERNIGHT_RUN_ID": "run-a",
        "OVERNIGHT_ATTEMPT": "a",
        "OVERNIGHT_RUN_DIR": str(bench.attempts / "a"),
        "OVERNIGHT_FENCE": "7",
        "OVERNIGHT_RUNNER": str(bench.state_dir),
    }


def test_a_job_has_its_own_session_no_input_and_no_descriptor_of_ours(bench: Bench) -> None:
    server = bench.server()
    code = (
        "import os,sys; print(os.getsid(0) == os.getpid(), sys.stdin.read() == '', sorted(os.listdir('/proc/self/fd')))"
    )
    bench.python(server, "a", code)
    server.ended("a")
    assert bench.log("a") == b"True True ['0', '1', '2', '3']\n"  # 3 is the listing's own


def test_usage_counts_the_children_of_the_job_too(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", "import os\nif os.fork() == 0:\n x = bytearray(60_000_000); os._exit(0)\nos.wait()")
    usage = server.ended("a")["usage"]
    assert usage["max_rss_bytes"] > 60_000_000
    assert usage["user_seconds"] + usage["system_seconds"] > 0
    assert usage["peak_memory_bytes"] is None or usage["peak_memory_bytes"] > 60_000_000
    assert usage["oom_kills"] in (None, 0)


def test_peaks_of_an_earlier_attempt_do_not_show_in_the_next(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "big", "x = bytearray(80_000_000)")
    server.ended("big")
    bench.start(server, "small", "/bin/true")
    peak = server.ended("small")["usage"]["peak_memory_bytes"]
    assert peak is None or peak < 40_000_000


def test_many_attempts_at_once_each_get_their_own_result(bench: Bench) -> None:
    server = bench.server()
    names = [f"a{code}" for code in range(24)]
    launches = [bench.launch(name, "/bin/sh", "-c", f"exit {code}") for code, name in enumerate(names)]
    server.ask("start", launches=launches)
    assert [server.ended(name)["code"] for name in names] == list(range(24))
    assert bench.survivors() == []


def test_an_executor_is_used_again(bench: Bench) -> None:
    server = bench.server()
    for name in ("a", "b", "c"):
        bench.start(server, name, "/bin/true")
        server.ended(name)
    assert len(bench.executors()) == 1


def test_the_runner_goes_when_nobody_needs_it_and_its_executors_with_it(bench: Bench) -> None:
    bench.kill_runner()
    bench.up("--idle-exit", "0.2")
    server = bench.server()
    bench.start(server, "a", "/bin/true")
    server.ended("a")
    server.close()
    assert bench.process is not None
    assert bench.process.wait(10) == 0
    wait_until(lambda: bench.executors() == [], "the executors are gone")
    assert not (bench.state_dir / "socket").exists()


def test_the_runner_stays_while_an_attempt_lives(bench: Bench) -> None:
    bench.kill_runner()
    bench.up("--idle-exit", "0.1")
    server = bench.server()
    bench.python(server, "a", "import time; time.sleep(1.0)")
    server.wait("started", "a")
    server.close()
    began = time.monotonic()
    assert bench.process is not None
    assert bench.process.wait(10) == 0
    assert time.monotonic() - began > 0.8
    assert (bench.attempts / "a" / "exit.json").exists()


def test_a_second_runner_on_the_same_folder_exits_3(bench: Bench) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "overnight.runner", str(bench.state_dir)], capture_output=True, check=False
    )
    assert second.returncode == 3
    assert b"Another runner" in second.stderr
    assert bench.server().ask("ping")["ok"]


def test_sigterm_ends_the_runner_and_leaves_the_attempt_alone(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", "import sys; print('up', flush=True); sys.stdin.close(); import time; time.sleep(30)")
    bench.says("a", b"up")
    assert bench.process is not None
    bench.process.terminate()
    assert bench.process.wait(10) == 0
    assert len(bench.survivors()) == 1


def test_the_state_folder_is_closed_to_others_and_its_path_may_be_long(bench: Bench) -> None:
    deep = Bench(bench.folder / ("d" * 120))
    deep.folder.mkdir()
    deep.up()
    try:
        assert len(str(deep.state_dir / "socket")) > 107
        server: Server = deep.server()
        assert server.ask("ping")["ok"]
        assert oct(os.stat(deep.state_dir).st_mode)[-3:] == "700"
        assert oct(os.stat(deep.state_dir / "socket").st_mode)[-3:] == "600"
    finally:
        deep.clean()
