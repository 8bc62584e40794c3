"""What every target must do: a new one starts by inheriting this suite.

A subclass gives the fixture `bench`: a `Bench` around a target that is connected to a host of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from overnight.targets.base import (
    Absent,
    Alive,
    Dead,
    Ended,
    Handle,
    Launch,
    News,
    Seen,
    Target,
    Unknown,
)

S = TypeVar("S", bound=Seen)


@dataclass
class Bench:
    """A target under test, a folder on its host, how to lose the connection, and how to wait."""

    target: Target
    folder: Path
    disconnect: Callable[[], None]
    moments: Callable[[], Iterator[None]]
    """Yields now and then until a deadline has passed; a fake host advances its time at each."""
    kept: list[News] = field(default_factory=list)
    numbers: int = 0
    fence: int = 1000

    def launch(self, script: str, *, run: str | None = None, number: int = 1, grace: float = 1.0) -> Launch:
        """A launch of a shell script, with a fresh run and a higher fence unless told otherwise."""
        self.numbers += 1
        self.fence += 1
        name = run or f"{self.numbers:012x}"
        return Launch(
            attempt=f"{name}.{number}",
            run=name,
            number=number,
            fence=self.fence,
            argv=("/bin/sh", "-c", script),
            env={"GREETING": "hello; $(true)"},
            cwd=str(self.folder),
            folder=str(self.folder / "runs" / name / str(number)),
            time_limit=None,
            grace=grace,
            log_cap=None,
        )

    def hear(self, attempt: str, kind: type[S]) -> S:
        """Wait for news of that kind about an attempt."""
        for _ in self.moments():
            self.kept += self.target.news()
            for news in self.kept:
                if news.attempt == attempt and isinstance(news.seen, kind):
                    return news.seen
        raise AssertionError(f"no {kind.__name__} about {attempt}; heard {self.kept}")

    def see(self, launch: Launch, kinds: Sequence[type[Seen]]) -> Seen:
        """Observe until an attempt is seen as one of the kinds."""
        seen: Seen | None = None
        for _ in self.moments():
            seen = self.target.observe([handle(launch)])[launch.attempt]
            if isinstance(seen, tuple(kinds)):
                return seen
        raise AssertionError(f"{launch.attempt} was last seen as {seen}")


def handle(launch: Launch) -> Handle:
    """The handle of a launched attempt, as a server that lost its memory would have it."""
    return Handle(launch.attempt, launch.fence, launch.folder, None)


class TargetContract:
    """The promises of `targets.base.Target`."""

    def test_a_started_attempt_is_told_alive_and_then_ended_with_its_true_code(self, bench: Bench) -> None:
        launch = bench.launch("sleep 0.2; exit 7")
        bench.target.start([launch])
        assert bench.hear(launch.attempt, Alive).pid
        record = bench.hear(launch.attempt, Ended).record
        assert (record["code"], record["signal"], record["reason"]) == (7, None, "exited")
        assert record["fence"] == launch.fence

    def test_the_job_finds_its_environment(self, bench: Bench) -> None:
        launch = bench.launch(
            'printf "%s|" "$OVERNIGHT_RUN_ID" "$OVERNIGHT_ATTEMPT" "$OVERNIGHT_FENCE" "$OVERNIGHT_RUN_DIR" "$GREETING"'
        )
        bench.target.start([launch])
        bench.hear(launch.attempt, Ended)
        written = Path(launch.folder, "log").read_text(encoding="utf-8")
        assert written == f"{launch.run}|{launch.attempt}|{launch.fence}|{launch.folder}|hello; $(true)|"

    def test_an_attempt_is_started_once_however_often_it_is_sent(self, bench: Bench) -> None:
        launch = bench.launch("echo once >> ../count; sleep 0.3")
        bench.target.start([launch])
        bench.target.start([launch])
        bench.disconnect()
        bench.see(launch, [Alive, Ended])
        bench.target.start([launch])
        bench.see(launch, [Ended])
        bench.target.start([launch])
        bench.see(launch, [Ended])
        assert (bench.folder.parent / "count").read_text(encoding="utf-8") == "once\n"

    def test_an_attempt_that_was_never_sent_is_absent(self, bench: Bench) -> None:
        assert isinstance(bench.see(bench.launch("true"), [Absent, Ended, Alive, Dead]), Absent)

    def test_a_second_attempt_of_a_live_run_is_not_started(self, bench: Bench) -> None:
        first = bench.launch("sleep 30")
        bench.target.start([first])
        bench.hear(first.attempt, Alive)
        second = bench.launch("true", run=first.run, number=2)
        bench.target.start([second])
        assert isinstance(bench.hear(second.attempt, Unknown), Unknown)
        assert not Path(second.folder).exists()

    def test_an_order_to_stop_ends_the_attempt_and_may_be_repeated(self, bench: Bench) -> None:
        launch = bench.launch("trap '' TERM; sleep 30 & while :; do sleep 0.05; done", grace=0.3)
        bench.target.start([launch])
        bench.hear(launch.attempt, Alive)
        for _ in range(3):
            bench.target.stop(handle(launch), 0.3, "cancelled")
        record = bench.hear(launch.attempt, Ended).record
        assert (record["reason"], record["signal"]) == ("stopped", 9)

    def test_stopping_an_unknown_attempt_is_silent(self, bench: Bench) -> None:
        bench.target.stop(handle(bench.launch("true")), 1.0, "cancelled")

    def test_what_ended_while_nobody_listened_is_observed_with_its_record(self, bench: Bench) -> None:
        launch = bench.launch("sleep 0.1; exit 3")
        bench.target.start([launch])
        bench.hear(launch.attempt, Alive)
        before = bench.target.generation
        bench.disconnect()
        seen = bench.see(launch, [Ended])
        assert isinstance(seen, Ended)
        assert seen.record["code"] == 3
        assert bench.target.generation > before

    def test_everything_that_was_not_forgotten_is_owned(self, bench: Bench) -> None:
        launch = bench.launch("true")
        bench.target.start([launch])
        bench.hear(launch.attempt, Ended)
        assert [(it.attempt, it.fence) for it in bench.target.owned()] == [(launch.attempt, launch.fence)]
        bench.target.forget([launch.attempt])
        bench.target.forget([launch.attempt, "never.1"])
        assert bench.target.owned() == []

    def test_what_cannot_be_started_says_why(self, bench: Bench) -> None:
        launch = bench.launch("true")
        lost = Launch(
            **{**{f: getattr(launch, f) for f in Launch.__dataclass_fields__}, "cwd": str(bench.folder / "gone")}
        )
        bench.target.start([lost])
        record = bench.hear(launch.attempt, Ended).record
        assert record["reason"] == "start_failed"
        assert "gone" in record["detail"]
