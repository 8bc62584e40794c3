"""The server is killed at the N-th write, sync, send, rename …: nothing acknowledged is lost, nothing is done twice."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.executions import check
from tests.chaos.journal import ENDINGS, PROGRAM, Ending, listed
from tests.chaos.plane import PATIENCE, Gone, Plane, Refusal, eventually
from tests.chaos.server import REFUSED, STOPPED
from tests.chaos.strace import counted, end, injected, most_by_one_thread, spread
from tests.runner.harness import is_alive

AT_WORK = {"pwrite64": 20, "fdatasync": 18, "sendto": 10, "openat": 8, "mmap": 4}
"""Points on a home that is in use: for each call how many."""
FIRST_START = {"mkdir": 2, "rename": 1, "fsync": 3, "fdatasync": 4, "pwrite64": 5, "clone": 4, "ftruncate": 2}
"""Points on a home that is made by this start."""
RUNNER_AT_WORK = {
    "write": (1, 2, 4, 7, 11),
    "sendto": (1, 2, 3, 5, 7, 9, 12),
    "recvfrom": (1, 2, 4, 6, 8, 11),
    "epoll_wait": (1, 3, 7, 12, 17),
    "pidfd_send_signal": (1,),
}
"""Points of a runner at work."""
LEAST_AT_WORK, LEAST_OF_THE_RUNNER = 40, 15
"""Points that must have been reached: the others may lie behind the end of the work."""
RUNS_OF_A_WORK = 5
GIVEN_UP_SECONDS = 20.0
"""A server that cannot write any more must have ended by then."""
Recorder = Callable[[str, Mapping[str, Any]], None]
pytestmark = pytest.mark.real("strace")


@dataclass(slots=True)
class Work:
    """A few requests with their keys; repeated after a kill, they must get the first answers."""

    plane: Plane
    name: str
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def carry_out(self) -> None:
        """Ask for everything, in order; raises Gone when the server dies."""
        for number, ending in enumerate(ENDINGS[:4]):
            command = PROGRAM.format(marks=self.plane.marks, seconds="0.01", ending=ending.command)
            self._ask("submit_runs", f"run-{number}", runs=[self._run(command)])
        long = self._ask("submit_runs", "long", runs=[self._run("sleep 60")])["ids"][0]
        self._ask("cancel", "cancel", id=long)
        for run_id in self.ids():
            self.plane.final(run_id)

    def _run(self, command: str) -> dict[str, Any]:
        return {"name": self.name, "command": command, "workdir": str(self.plane.marks)}

    def _ask(self, name: str, key: str, **fields: Any) -> dict[str, Any]:
        answer = self.plane.ask(name, key=f"{self.name} {key}", **fields)
        first = self.answers.setdefault(key, answer)
        assert answer == first, f"{key} was answered {first}, and after a kill {answer}"
        return answer

    def expected(self) -> dict[str, Ending]:
        """The runs that leave marks, with their ends."""
        return {self.answers[f"run-{number}"]["ids"][0]: ending for number, ending in enumerate(ENDINGS[:4])}

    def ids(self) -> list[str]:
        return [*self.expected(), self.answers["long"]["ids"][0]]


def strike(plane: Plane, wrapper: Sequence[str], works: Sequence[Work]) -> bool:
    """Start a server under a tracer and work until that is done or the server has died. Whether it died."""
    try:
        plane.up(*wrapper)
        for work in works:
            work.carry_out()
    except Gone:
        return True
    finally:
        if plane.server is not None:
            end(plane)
    return False


def check_all(plane: Plane, works: Sequence[Work], *, others: int = 0) -> None:
    """Ask for everything once more, of a server that is not traced, and compare it with what the jobs did."""
    plane.up()
    for work in works:
        work.carry_out()
        assert check(plane, work.expected(), executors_killed=0).wrong == [], work.name
        assert plane.run(work.answers["long"]["ids"][0])["state"] == "cancelled"
    assert len(listed(plane.ask)) == RUNS_OF_A_WORK * len(works) + others
    plane.assert_verified()
    plane.assert_nobody_left()


@pytest.fixture
def used(plane: Plane) -> Plane:
    """A home in use whose runner is not traced, since it is there before the tracer."""
    run = plane.submit("exit 0", name="first")
    plane.final(run)
    return plane


def reach(plane: Plane, calls: Mapping[str, int], folder: Path) -> dict[str, list[int]]:
    """The points to strike at, spread over what the work needs when nothing strikes."""
    end(plane)
    log = folder / "calls"
    plane.up(*counted(",".join(calls).replace("clone", "clone,clone3"), log))
    Work(plane, "counted").carry_out()
    end(plane)
    most = most_by_one_thread(log)
    return {call: spread(most[call], wanted) for call, wanted in calls.items()}


@pytest.mark.timeout(300)
def test_a_kill_at_any_call_of_a_server_at_work_loses_and_doubles_nothing(
    used: Plane, tmp_path: Path, record_chaos: Recorder
) -> None:
    points = [(call, number) for call, numbers in reach(used, AT_WORK, tmp_path).items() for number in numbers]
    works: list[Work] = []
    unfinished: list[Work] = []
    reached = 0
    for call, number in points:
        works.append(Work(used, f"{call} {number}"))
        unfinished.append(works[-1])
        if strike(used, injected(call, f"signal=SIGKILL:when={number}"), unfinished):
            reached += 1
        else:
            unfinished.clear()
    check_all(used, works, others=1 + RUNS_OF_A_WORK)
    record_chaos("kill_points_at_work", {"reached": reached, "of": len(points)})
    assert reached >= LEAST_AT_WORK


@pytest.mark.timeout(300)
@pytest.mark.parametrize("call", FIRST_START)
def test_a_kill_at_any_call_of_a_first_start_leaves_a_home_that_starts(call: str, tmp_path: Path) -> None:
    for number in range(1, FIRST_START[call] + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        plane = Plane(folder)
        try:
            strike(plane, injected(call, f"signal=SIGKILL:when={number}"), [])
            check_all(plane, [Work(plane, "after it")])
        finally:
            plane.clean()


@pytest.mark.timeout(300)
def test_a_kill_at_any_call_of_the_runner_loses_and_doubles_nothing(used: Plane, record_chaos: Recorder) -> None:
    """Its executors are not traced: they must finish what they carry out, whoever they belonged to."""
    works: list[Work] = []
    reached = 0
    for call, numbers in RUNNER_AT_WORK.items():
        for number in numbers:
            works.append(Work(used, f"runner, {call} {number}"))
            with traced_runner(used, injected(call, f"signal=SIGKILL:when={number}", follow=False)) as runner:
                works[-1].carry_out()
                reached += not is_alive(runner)
    end(used)
    check_all(used, works, others=1)
    record_chaos("kill_points_of_the_runner", {"reached": reached, "of": len(works)})
    assert reached >= LEAST_OF_THE_RUNNER


@contextmanager
def traced_runner(plane: Plane, wrapper: Sequence[str]) -> Iterator[int]:
    """Attach a tracer to the present runner; gives its pid."""
    runner: int = eventually(plane.runner, "there is a runner")
    tracer = subprocess.Popen([*wrapper, "-p", str(runner)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: is_traced(runner), "the runner is traced")
        yield runner
    finally:
        tracer.kill()
        tracer.wait(PATIENCE)


def is_traced(pid: int) -> bool:
    """Whether a tracer is attached, or has killed it already."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    return "TracerPid:\t0" not in lines or not is_alive(pid)


@pytest.mark.parametrize("number", [1, 2, 3, 5, 8])
def test_a_failed_sync_stops_the_server_with_a_code_and_acknowledges_nothing_more(used: Plane, number: int) -> None:
    end(used)
    asked = Failing(used)
    code = asked.until_it_ends(injected("fdatasync", f"error=EIO:when={number}+"))
    assert code in (STOPPED, REFUSED)
    assert set(asked.refusals) <= {"store_unavailable"}
    assert not asked.late, "acknowledged after a failed sync"
    used.up()
    for key, run in asked.acknowledged.items():
        assert used.submit("exit 0", key=key) == run
        assert used.final(run)["state"] == "succeeded"
    used.assert_verified()


@dataclass(slots=True)
class Failing:
    """Asks a server whose disk fails for one run after the other."""

    plane: Plane
    acknowledged: dict[str, str] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    """Acknowledged although something had been refused before."""

    def until_it_ends(self, wrapper: Sequence[str]) -> int | None:
        """Returns the exit code of the server."""
        try:
            self.plane.up(*wrapper)
            eventually(self.goes_on, "the server ends", GIVEN_UP_SECONDS)
        except Gone as gone:
            if self.plane.server is None:
                return gone.code
        assert self.plane.server is not None
        return self.plane.server.reap()

    def goes_on(self) -> bool:
        key = f"key-{len(self.acknowledged)}"
        try:
            self.acknowledged[key] = self.plane.submit("exit 0", key=key)
        except Refusal as refusal:
            self.refusals.append(refusal.code)
        else:
            self.late += [key] * bool(self.refusals)
        return False


def test_a_server_ends_soon_after_a_sync_that_failed_while_its_loop_had_nothing_to_write(used: Plane) -> None:
    end(used)
    used.configure(slots=0)
    asked = Failing(used)
    used.up(*injected("fdatasync", "error=EIO:when=30+"))
    eventually(lambda: asked.goes_on() or asked.refusals, "a sync fails")
    assert used.server is not None
    assert used.server.process.wait(5) == STOPPED
    used.configure(slots=4)
    used.up()
    for run in asked.acknowledged.values():
        assert used.final(run)["state"] == "succeeded"
    used.assert_verified()


@pytest.mark.parametrize(("call", "number"), [("pwrite64", 1), ("pwrite64", 2), ("pwrite64", 4), ("ftruncate", 2)])
def test_a_disk_that_fails_at_the_start_is_not_called_a_damaged_database(used: Plane, call: str, number: int) -> None:
    end(used)
    with pytest.raises(Gone) as gone:
        used.up(*injected(call, f"error=EIO:when={number}+"))
    assert gone.value.code == REFUSED
    told = (used.home.parent / "server.stderr").read_text(encoding="utf-8")
    assert "store_refused" in told
    assert "damaged" not in told
    assert "Traceback" not in told
    used.up()
    used.assert_verified()
