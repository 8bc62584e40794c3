"""What a live attempt uses, as it is told with its state."""

from tests.runner.harness import Bench, wait_until

MIB = 1024 * 1024


def test_memory_time_and_processes_of_the_whole_tree_are_told_with_the_state(bench: Bench) -> None:
    server = bench.server()
    code = (
        "import os,time; x = bytearray(50_000_000)\n"
        "if os.fork() == 0: os.setsid()\n"
        "while time.process_time() < 0.3: pass\n"
        "print('up', flush=True); time.sleep(60)"
    )
    bench.python(server, "a", code)
    wait_until(lambda: bench.log("a").count(b"up") == 2 if (bench.attempts / "a" / "log").exists() else False, "both")
    told = bench.observe(server, "a")["usage"]
    assert told["processes"] == 2
    assert told["cpu_seconds"] >= 0.5
    assert told["peak_rss_bytes"] >= told["rss_bytes"] > 50 * MIB


def test_an_attempt_that_has_ended_uses_nothing_any_more(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "true")
    server.ended("a")
    assert "usage" not in bench.observe(server, "a")


def test_many_attempts_are_measured_by_one_request(bench: Bench) -> None:
    server = bench.server()
    names = [f"a{number}" for number in range(20)]
    for name in names:
        bench.start(server, name, "sleep", "60")
    for name in names:
        server.wait("started", name)
    asked = [{"attempt": it, "folder": str(bench.attempts / it), "fence": 1, "boot_id": None} for it in names]
    states = server.ask("observe", attempts=asked)["states"]
    assert [states[it]["usage"]["processes"] for it in names] == [1] * 20
