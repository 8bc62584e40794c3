"""What people see while a campaign is followed: a live table on a terminal, lines in a pipe, nothing for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from overnight.clock import Clock
from overnight.domain.states import FINAL_RUN
from overnight.surfaces.cli import screen
from overnight.surfaces.cli.follow import Standing

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

LINE_SECONDS = 1.0
"""Shortest time between two lines of progress in a pipe."""
FAILURES_SHOWN = 6
"""Failures that stay below the live table."""
BAR_COLUMNS = 24
"""Width of a progress bar."""


class View(Protocol):
    """Shows standings."""

    def show(self, standing: Standing) -> None:
        """Show how it stands now."""

    def close(self) -> None:
        """Leave the terminal as it was; repeatable."""


class Silence:
    """Shows nothing."""

    def show(self, standing: Standing) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """Plain lines at changes, at most one of progress per second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: tuple[str, tuple[str, ...]] = ("", ())
        self._told_at = float("-inf")

    def show(self, standing: Standing) -> None:
        """Failures at once; progress when it changed."""
        for line in failure_lines(standing):
            print(line, flush=True)
        line, now = progress_line(standing), self._clock.boot()
        told = (line.partition(";")[0], standing.reasons)
        if told != self._last and (now >= self._told_at + LINE_SECONDS or standing.over):
            print(line, flush=True)
            self._last, self._told_at = told, now

    def close(self) -> None:
        """Nothing to leave."""


def progress_line(standing: Standing) -> str:
    """`12 of 27 done: 12 succeeded, 2 running, 13 queued; 12.0 s so far, about 20.0 s left`; then why nothing runs."""
    counts = standing.campaign["counts"]
    done = sum(counts[state] for state in FINAL_RUN)
    left = "" if standing.left is None or standing.over else f", about {screen.length(standing.left)} left"
    line = f"{done} of {counts['total']} done: {screen.counted(counts)}; {screen.length(standing.elapsed)} so far{left}"
    return screen.clean("; ".join((line, *standing.reasons)))


def failure_lines(standing: Standing) -> list[str]:
    """One line per run that failed since the last standing."""
    lines = [
        screen.clean(f"failed: {run['name']}: {run['detail'] or run['reason']} (overnight logs {run['id']})")
        for run in standing.news
    ]
    if standing.unnamed:
        lines.append(f"failed: {screen.plural(standing.unnamed, 'further run')}")
    return lines


class LiveTable:
    """A table with a bar per sweep that is drawn again in place."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._failures: list[str] = []
        self._live: Live = Live(console=console, auto_refresh=False, transient=False)
        self._live.start()

    def show(self, standing: Standing) -> None:
        """Draw it again."""
        self._failures = (self._failures + failure_lines(standing))[-FAILURES_SHOWN:]
        self._live.update(self._drawn(standing), refresh=True)

    def close(self) -> None:
        """Leave the last drawing where it is."""
        self._live.stop()

    def _drawn(self, standing: Standing) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        rows = [_sweep_row(sweep) for sweep in standing.campaign["sweeps"]]
        table = screen.table_of(("sweep", "", "done", "running", "waiting", "failed"), rows, right=range(2, 6))
        left = "" if standing.left is None or standing.over else f", about {screen.length(standing.left)} left"
        foot = [Text(f"{screen.length(standing.elapsed)} so far{left}", style="dim")]
        foot += [Text(screen.clean(reason), style="yellow") for reason in standing.reasons]
        foot += [Text(line, style="red") for line in self._failures]
        return Group(table, *foot)


def _sweep_row(sweep: dict[str, Any]) -> list[object]:
    counts = sweep["counts"]
    done, total = sum(counts[state] for state in FINAL_RUN), counts["total"]
    waiting = counts["waiting"] + counts["queued"] + counts["delayed"]
    running = counts["running"] + counts["cancelling"] + counts["collecting"]
    failed = counts["failed"] + counts["blocked"] + counts["cancelled"]
    return [
        sweep["name"],
        bar(counts["succeeded"], failed, running, total),
        f"{done}/{total}",
        running or "",
        waiting or "",
        failed or "",
    ]


def bar(succeeded: int, failed: int, running: int, total: int) -> Any:
    """A bar of `BAR_COLUMNS` cells: what succeeded, what did not, what runs."""
    from rich.text import Text

    ends, drawn, text = 0, 0, Text()
    for number, style in ((succeeded, "green"), (failed, "red"), (running, "cyan")):
        ends += number
        cells = round(BAR_COLUMNS * ends / total) - drawn if total else 0
        text.append("━" * cells, style=style)
        drawn += cells
    text.append("━" * (BAR_COLUMNS - drawn), style="bright_black")
    return text
