"""Programs that end in every way there is: the right reason, the true code, and nobody left."""

# ruff: noqa: E501 - programs stand on one line

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from overnight.runner import identity, processes
from tests.runner.harness import Bench, is_alive, wait_until

PRELUDE = "import os,signal,sys,time\n"
DIES = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE,
        signal.SIGALRM, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A program and how its attempt must end. A program with stop=True is stopped when it has said `up`."""

    name: str
    code: str
    reason: str = "exited"
    exit_code: int | None = 0
    signal: int | None = None
    stop: bool = False
    grace: float = 5.0
    leftovers: int | None = 0
    changes: dict[str, Any] = field(default_factory=dict)


CASES = [
    *(Case(f"exit code {code}", f"os._exit({code})", exit_code=code) for code in (0, 1, 2, 126, 127, 128, 137, 143, 255)),
    *(Case(f"dies of {number.name}", f"signal.signal({int(number)}, signal.SIG_DFL) if {int(number)} != 9 else 0\n"
           f"os.kill(os.getpid(), {int(number)}); time.sleep(30)", "signalled", None, number) for number in DIES),
    Case("obeys SIGTERM", "print('up', flush=True); time.sleep(60)", "stopped", None, signal.SIGTERM, stop=True),
    Case("ends itself on SIGTERM with a code", "signal.signal(15, lambda *a: os._exit(9)); print('up', flush=True); time.sleep(60)",
         "stopped", 9, stop=True),
    Case("ignores SIGTERM", "signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)", "stopped", None,
         signal.SIGKILL, stop=True, grace=0.2),
    Case("is stopped without grace", "signal.signal(15, lambda *a: os._exit(1)); print('up', flush=True); time.sleep(60)",
         "stopped", None, signal.SIGKILL, stop=True, grace=0),
    Case("stops itself", "print('up', flush=True); os.kill(os.getpid(), 19); time.sleep(60)", "stopped", None, signal.SIGTERM, stop=True),
    Case("stops itself and ignores SIGTERM", "signal.signal(15, signal.SIG_IGN); print('up', flush=True); os.kill(os.getpid(), 19)\n"
         "time.sleep(60)", "stopped", None, signal.SIGKILL, stop=True, grace=0.2),
    Case("ignores everything in a tree of sessions",
         "for n in (1,2,15): signal.signal(n, signal.SIG_IGN)\n"
         "for i in range(4):\n if os.fork() == 0: os.setsid()\nprint('up', flush=True); time.sleep(60)",
         "stopped", None, signal.SIGKILL, stop=True, grace=0.2),
    Case("has a child in another session", "if os.fork() == 0: os.setsid(); time.sleep(60)\nprint('up', flush=True); time.sleep(60)",
         "stopped", None, signal.SIGTERM, stop=True),
    Case("leaves a child behind", "if os.fork() == 0: time.sleep(60)\nos._exit(4)", exit_code=4, leftovers=1),
    Case("leaves a deaf child behind", "if os.fork() == 0: signal.signal(15, signal.SIG_IGN); time.sleep(60)\ntime.sleep(.2); os._exit(4)",
         exit_code=4, leftovers=1),
    Case("becomes a daemon by double fork", "if os.fork() == 0:\n os.setsid()\n if os.fork() == 0: time.sleep(60)\n os._exit(0)\n"
         "os.wait()", leftovers=1),
    Case("daemon that clears its environment", "if os.fork() == 0:\n os.setsid()\n os.execve('/bin/sleep', ['sleep', '60'], {})\n"
         "time.sleep(.2)", leftovers=1),
    Case("forks while dying", "for i in range(30):\n if os.fork() == 0: time.sleep(60)\nos.kill(os.getpid(), 9)", "signalled", None,
         signal.SIGKILL, leftovers=30),
    Case("flees by forking for ever", "print('up', flush=True)\nwhile True:\n if os.fork(): os._exit(0)", exit_code=0, leftovers=None),
    Case("flees by forking into new sessions", "print('up', flush=True)\nwhile True:\n if os.fork(): os._exit(0)\n os.setsid()",
         exit_code=0, leftovers=None),
    Case("makes zombies", "for i in range(20):\n if os.fork() == 0: os._exit(0)\ntime.sleep(.1); os._exit(6)", exit_code=6),
    Case("has a child that ends just after it", "if os.fork() == 0: time.sleep(.02); os._exit(0)\nos._exit(2)", exit_code=2),
    Case("closes its output", "os.close(1); os.close(2); time.sleep(.05); os._exit(8)", exit_code=8),
    Case("is another subreaper", "import ctypes; ctypes.CDLL(None).prctl(36,1,0,0,0)\nif os.fork() == 0:\n os.setsid()\n"
         " if os.fork() == 0: print('up', flush=True); time.sleep(60)\n os._exit(0)\ntime.sleep(60)", "stopped", None, signal.SIGTERM, stop=True),
    Case("deletes its own folder", "import shutil; shutil.rmtree(os.environ['OVERNIGHT_RUN_DIR']); os._exit(5)", exit_code=5),
    Case("deletes its own folder and is stopped", "import shutil; print('up', flush=True); time.sleep(.1)\n"
         "shutil.rmtree(os.environ['OVERNIGHT_RUN_DIR']); time.sleep(60)", "stopped", None, signal.SIGTERM, stop=True),
    Case("deletes its working directory", "os.rmdir(os.getcwd()); os._exit(5)", exit_code=5, changes={"cwd": "own"}),
    Case("lowers its own priority and limits", "import resource; os.nice(5); resource.setrlimit(7, (3, 3)); os._exit(1)", exit_code=1),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_way_to_end_is_told_truly_and_leaves_nobody(bench: Bench, case: Case) -> None:
    server = bench.server()
    changes = dict(case.changes)
    if changes.get("cwd") == "own":
        changes["cwd"] = str(bench.folder / "own")
        (bench.folder / "own").mkdir()
    bench.python(server, "a", PRELUDE + case.code, **changes)
    pid = server.wait("started", "a")["pid"]
    if case.stop:
        bench.says("a", b"up")
        if "own folder" in case.name:
            wait_until(lambda: not (bench.attempts / "a").exists(), "the folder is deleted")
        if "stops itself" in case.name:
            wait_until(lambda: _state(pid) == "T", "it stops itself")
        assert server.ask("stop", attempt="a", grace=case.grace, reason="enough")["ok"]
    record = server.ended("a")
    assert (record["reason"], record["code"], record["signal"]) == (case.reason, case.exit_code, case.signal)
    assert record["detail"] == ("enough" if case.stop else "")
    if case.leftovers is not None:
        assert record["leftovers"] == case.leftovers
    assert not is_alive(pid)
    assert bench.survivors() == []
    assert _children_of(bench.executors()) == []
    assert bench.observe(server, "a") == {"state": "ended", "record": record}


def _state(pid: int) -> str:
    stat = identity.read_stat(pid)
    return stat.state if stat is not None else "gone"


def _children_of(parents: list[int]) -> list[int]:
    return [stat.pid for stat in processes.scan() if stat.parent in parents]


def _script(bench: Bench, name: str, text: str, mode: int) -> str:
    path = bench.folder / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_what_cannot_start_says_what_is_wrong(bench: Bench) -> None:
    server = bench.server()
    plain = _script(bench, "plain", "echo no\n", 0o644)
    headless = _script(bench, "headless", "echo no\n", 0o755)
    lost = _script(bench, "lost", "#!/no/such/interpreter\n", 0o755)
    (bench.folder / "bin").mkdir()
    (bench.folder / "bin" / "tool").write_text("")
    table: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
        (("/bin/true",), {"cwd": "/no/such/place"}, "working directory /no/such/place does not exist"),
        (("/bin/true",), {"cwd": plain}, f"working directory {plain} is not a directory"),
        (("no-such-command",), {}, "'no-such-command' was not found on PATH"),
        (("tool",), {"env": {"PATH": str(bench.folder / "bin")}}, "tool is not executable"),
        (("/no/such/file",), {}, "/no/such/file does not exist"),
        ((plain,), {}, f"{plain} is not executable"),
        ((headless,), {}, "neither a program nor a script"),
        ((lost,), {}, "interpreter that it names does not exist"),
        (("/",), {}, "is a directory"),
        (("",), {}, "was not found"),
        (("/bin/true", "a\0b"), {}, "embedded null byte"),
        (("/bin/true",), {"env": {"A=B": "1"}}, "illegal environment variable name"),
        (("/bin/true", "x" * 200_000), {}, "too large"),
        (("/bin/true",), {"folder": f"{plain}/sub"}, f"folder {plain}/sub cannot be made"),
        (("/bin/true",), {"folder": "/proc/no/such"}, "folder /proc/no/such cannot be made"),
    ]
    for number, (argv, changes, _) in enumerate(table):
        bench.start(server, f"a{number}", *argv, **changes)
    for number, (_, _, sentence) in enumerate(table):
        record = server.ended(f"a{number}")
        assert (record["reason"], record["code"], record["signal"]) == ("start_failed", None, None)
        assert sentence in record["detail"]
    bench.start(server, "fine", "/bin/true")
    assert server.ended("fine")["code"] == 0


UNREADABLE = {
    "a parenthesis": "touch {mark}; )",
    "an open quote": "touch {mark}; echo 'abc",
    "an open group in the last line": "touch {mark}\necho hi\nif true; then",
}
"""Texts that a shell would carry out in part before it sees what is wrong."""


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh"])
def test_nothing_is_executed_of_a_text_that_its_shell_cannot_read(bench: Bench, shell: str) -> None:
    server = bench.server()
    for name, text in UNREADABLE.items():
        mark = bench.folder / "mark"
        command = text.format(mark=mark)
        bench.start(server, name, shell, "-c", command, check=[shell, "-n", "-c", command])
        record = server.ended(name)
        assert (record["reason"], record["code"], record["pid"]) == ("start_failed", None, None)
        assert re.search(r"(?i)syntax error|unexpected|unterminated|matching", record["detail"]), record["detail"]
        assert not mark.exists()
        assert bench.log(name) == b""
    bench.start(
        server, "fine", shell, "-c", "echo 'it''s'; (exit 3)", check=[shell, "-n", "-c", "echo 'it''s'; (exit 3)"]
    )
    assert server.ended("fine")["code"] == 3
    assert bench.log("fine") == b"its\n"


def test_a_check_that_does_not_end_is_killed_and_said(bench: Bench) -> None:
    bench.kill_runner()
    patient = "from overnight.runner import check, __main__ as m; check.PATIENCE = 0.3; m.main()"
    bench.process = subprocess.Popen(
        [sys.executable, "-c", patient, str(bench.state_dir)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert bench.process.stdout is not None
    assert bench.process.stdout.readline() == b"ready\n"
    bench.process.stdout.close()
    server = bench.server()
    bench.start(server, "slow", "/bin/true", check=["/bin/sleep", "60"])
    record = server.ended("slow")
    assert record["reason"] == "start_failed"
    assert "could not read the command within 0.3 s" in record["detail"]
    bench.start(server, "none", "/bin/true", check=["/no/such/shell"])
    assert "/no/such/shell does not exist" in server.ended("none")["detail"]
    bench.start(server, "mute", "/bin/true", check=["/bin/false"])
    assert server.ended("mute")["detail"] == "/bin/false cannot read the command."


def test_output_is_kept_byte_for_byte(bench: Bench) -> None:
    server = bench.server()
    data = bytes(range(256)) * 100 + b"\x1b[31m\xff\xfe\0" + b"x" * 3_000_000
    (bench.folder / "data").write_bytes(data)
    bench.start(server, "a", "/bin/cat", str(bench.folder / "data"))
    assert server.ended("a")["log"] == {"size": len(data), "gap": None}
    assert bench.log("a") == data


def test_arguments_come_back_byte_identical(bench: Bench) -> None:
    server = bench.server()
    words = ["", " ", "a b", "'\"$(id)`", "ü", "\udcff\udc80", "-n", "\n\t", "*"]
    bench.start(
        server,
        "a",
        sys.executable,
        "-S",
        "-c",
        "import os,sys; os.write(1, b'|'.join(map(os.fsencode, sys.argv[1:])))",
        *words,
    )
    assert server.ended("a")["code"] == 0
    assert bench.log("a") == b"|".join(word.encode(errors="surrogateescape") for word in words)


def test_a_second_stop_shortens_the_grace_and_keeps_the_first_reason(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", PRELUDE + "signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)")
    bench.says("a", b"up")
    server.ask("stop", attempt="a", grace=600, reason="first")
    server.ask("stop", attempt="a", grace=0.1, reason="second")
    record = server.ended("a")
    assert (record["reason"], record["signal"], record["detail"]) == ("stopped", 9, "first")
    assert record["duration"] < 10


def test_a_stop_that_comes_before_the_start_is_announced_is_obeyed(bench: Bench) -> None:
    server = bench.server()
    for number in range(10):
        bench.start(server, f"a{number}", "sleep", "60")
        server.ask("stop", attempt=f"a{number}", grace=1, reason="at once")
    assert {server.ended(f"a{number}")["reason"] for number in range(10)} == {"stopped"}


def test_a_stray_sigterm_to_an_executor_means_nothing(bench: Bench) -> None:
    server = bench.server()
    bench.python(server, "a", "import time; print('up', flush=True); time.sleep(.4)")
    bench.says("a", b"up")
    for pid in bench.executors():
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            os.kill(pid, number)
    assert server.ended("a")["reason"] == "exited"


def test_the_time_limit_ends_the_tree(bench: Bench) -> None:
    server = bench.server()
    code = PRELUDE + "signal.signal(15, signal.SIG_IGN)\nif os.fork() == 0: os.setsid()\ntime.sleep(60)"
    bench.python(server, "a", code, time_limit=0.3, grace=0.2)
    record = server.ended("a")
    assert (record["reason"], record["signal"]) == ("time_limit", 9)
    assert 0.5 <= record["duration"] < 5
    assert bench.survivors() == []


def test_an_end_before_the_limit_is_an_exit(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "/bin/true", time_limit=30)
    assert server.ended("a")["reason"] == "exited"


def test_a_flood_is_capped_without_blocking_the_job_and_keeps_head_and_tail(bench: Bench) -> None:
    server = bench.server()
    cap, lines = 1024 * 1024, 3_000_000
    bench.start(server, "a", "/usr/bin/seq", "-f", "%011.0f", str(lines), log_cap=cap)
    record = server.ended("a")
    path = bench.attempts / "a" / "log"
    start, end = record["log"]["gap"]
    assert record["code"] == 0
    assert record["log"]["size"] == path.stat().st_size == 12 * lines
    assert path.stat().st_blocks * 512 <= cap + cap // 8 + 8192
    assert (bench.attempts / "a" / "log.gap").read_text().split() == [str(start), str(end)]
    data = path.read_bytes()
    assert start >= 64 * 1024
    assert data[:start] == b"".join(b"%011d\n" % number for number in range(1, start // 12 + 2))[:start]
    assert data[end:] == b"".join(b"%011d\n" % number for number in range(end // 12 + 1, lines + 1))[end % 12 :]
    assert len(data) - end >= cap * 7 // 8


def test_a_growing_log_is_capped_while_the_job_runs(bench: Bench) -> None:
    server = bench.server()
    bench.start(server, "a", "/usr/bin/yes", "hello", log_cap=256 * 1024)
    wait_until((bench.attempts / "a" / "log.gap").exists, "a gap is announced")
    server.ask("stop", attempt="a", grace=5, reason="enough")
    record = server.ended("a")
    assert record["log"]["gap"][1] > record["log"]["gap"][0]
    assert (bench.attempts / "a" / "log").stat().st_blocks * 512 <= 400 * 1024
