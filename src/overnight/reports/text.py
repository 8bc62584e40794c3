"""A summary as tables of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from overnight.reports.cells import Cell, Spread, SweepResults
from overnight.reports.changed import in_words
from overnight.reports.duration import duration
from overnight.reports.failures import FailureGroup
from overnight.reports.figures import measured, not_finite, number
from overnight.reports.marks import MarkGroup
from overnight.reports.phases import Phase
from overnight.reports.summary import Summary
from overnight.reports.table import Table
from overnight.reports.visible import visible
from overnight.reports.winner import Best, ranked

MOST_ROWS = 100
"""Rows of a table; the rest is in the JSON."""
MOST_METRICS = 6
"""Metrics beside the leading one that a table has columns for."""
MOST_AXES = 6
"""Parameters that have a column each; when there are more, the configuration is one column."""
MOST_NAMES = 3
"""Names in one cell of a table."""


def tables(summary: Summary) -> list[Table]:
    """Phases, results of each sweep, failures, what is worth a look: those that have rows, in this order."""
    leading = summary.goal.metric if summary.goal else None
    found = [_phases(summary)]
    for results in summary.results:
        found += _results(results, leading, summary.winners.get(results.sweep))
    return [table for table in [*found, _failures(summary.failures), _marks(summary.marks)] if table.rows]


def _phases(summary: Summary) -> Table:
    rows = [_phase(it) for it in summary.phases]
    header = ("Phase", "Runs", "Succeeded", "Failed", "Other", "Retried", "OOM retries", "Duration")
    packed = any(it.packed for it in summary.phases)
    note = "Packed runs shared a GPU with others: such lengths cannot be compared." if packed else ""
    return _table("Phases", header, rows, right=range(1, 8), what="phases", note=note)


def _phase(it: Phase) -> tuple[str, ...]:
    numbers = (it.runs, it.succeeded, it.failed, it.other, it.retried, it.memory_retries)
    length = duration(it.seconds) + (f" ({it.packed} packed)" if it.packed else "")
    return (visible(it.name), *map(str, numbers), length)


def _results(results: SweepResults, goal: str | None, best: Best | None) -> list[Table]:
    if not results.metrics:
        return []
    leading = goal if goal in results.metrics and goal is not None else results.metrics[0]
    others = [metric for metric in results.metrics if metric != leading]
    cells = _shown(results, best)
    marked = _marked(cells, best)
    found = [_leading(results, cells, leading, marked)]
    return [*found, _others(results, cells, others, marked)] if others else found


def _marked(cells: Sequence[Cell], best: Best | None) -> frozenset[int]:
    if best is None or best.candidates < 2:
        return frozenset()
    return frozenset(place for place, cell in enumerate(cells) if cell is best.cell)


def _shown(results: SweepResults, best: Best | None) -> Sequence[Cell]:
    """In the order of the plan; when there are too many, the best come first and the others after them."""
    if best is None or len(results.cells) <= MOST_ROWS:
        return results.cells
    order = ranked(results, best.goal)
    known = {id(cell) for cell in order}
    return [*order, *(cell for cell in results.cells if id(cell) not in known)]


def _leading(results: SweepResults, cells: Sequence[Cell], metric: str, marked: frozenset[int]) -> Table:
    axes = _axes(results)
    rows: list[tuple[str, ...]] = []
    for cell in cells:
        it = cell.spread(metric)
        figures = (number(it.mean), number(it.deviation, digits=2), number(it.least), number(it.most))
        rows.append((*_configuration(cell, axes), str(it.n), *figures, _noted(cell, axes), _gaps(cell, it)))
    header: tuple[str, ...] = (*(axes or ("Configuration",)), "n", "Mean", "SD", "Min", "Max", "Mark", "Missing")
    header, rows = _without_empty(header, rows, ("Mark", "Missing"))
    first = len(axes or ("Configuration",))
    title = f"{visible(results.sweep)}: {visible(metric)}"
    return _table(title, header, rows, right=range(first, first + 5), marked=marked, what="configurations")


def _others(results: SweepResults, cells: Sequence[Cell], metrics: Sequence[str], marked: frozenset[int]) -> Table:
    axes = _axes(results)
    shown = metrics[:MOST_METRICS]
    rows: list[tuple[str, ...]] = [
        (*_configuration(cell, axes), *(_value(cell.spread(it)) for it in shown), _noted(cell, axes)) for cell in cells
    ]
    header: tuple[str, ...] = (*(axes or ("Configuration",)), *(visible(it) for it in shown), "Mark")
    header, rows = _without_empty(header, rows, ("Mark",))
    note = "" if len(metrics) == len(shown) else f"{len(metrics) - len(shown)} more metrics are in the JSON."
    title = f"{visible(results.sweep)}: other metrics"
    first = len(axes or ("Configuration",))
    columns = range(first, first + len(shown))
    return _table(title, header, rows, right=columns, marked=marked, note=note, what="configurations")


def _without_empty(
    header: tuple[str, ...], rows: list[tuple[str, ...]], names: Iterable[str]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Without those of the named columns in which no row has anything; they are the last ones of the table."""
    first = len(header) - len(tuple(names))
    kept = [place for place in range(len(header)) if place < first or any(row[place] for row in rows)]
    return tuple(header[place] for place in kept), [tuple(row[place] for place in kept) for row in rows]


def _noted(cell: Cell, axes: tuple[str, ...]) -> str:
    """Why the numbers of a cell cannot simply be held against others; what its label says is not repeated."""
    packed = f"{len(cell.packed)} of {len(cell.runs)} packed" if cell.packed else ""
    return ", ".join(filter(None, (in_words(cell.changed) if cell.changed and axes else "", packed)))


def _axes(results: SweepResults) -> tuple[str, ...]:
    """Names of the columns of parameters; none when cells are not told apart by parameters, or by too many."""
    plain = all(cell.by_parameters for cell in results.cells)
    few = 0 < len(results.varied) <= MOST_AXES
    return tuple(visible(name) for name in results.varied) if plain and few else ()


def _configuration(cell: Cell, axes: tuple[str, ...]) -> tuple[str, ...]:
    if not axes:
        return (cell.label or "all",)
    values = {visible(name): value for name, value in cell.parameters.items()}
    return tuple(visible(values.get(axis, "–")) for axis in axes)


def _value(spread: Spread) -> str:
    odd = odd_values(spread)
    mean = measured(spread.mean, spread.deviation) if spread.n or not odd else ""
    return " + ".join(filter(None, (mean, odd)))


def odd_values(spread: Spread) -> str:
    """`1 × NaN, 2 × Infinity`; empty when all values are finite."""
    odd = [not_finite(point.value) for point in spread.not_finite]
    return ", ".join(f"{odd.count(kind)} × {kind}" for kind in dict.fromkeys(odd))


def _gaps(cell: Cell, spread: Spread) -> str:
    absent = [f"{visible(gap.run)} {gap.state}" for gap in cell.missing]
    silent = [f"{visible(name)} did not report it" for name in spread.silent]
    if not spread.points and len(cell.missing) < len(cell.runs):
        silent = ["not reported"]
    odd = [f"{visible(point.run)} is {not_finite(point.value)}" for point in spread.not_finite]
    return _listed([*odd, *absent, *silent, *cell.elsewhere])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _failures(groups: Iterable[FailureGroup]) -> Table:
    rows = [
        (
            group.reason_shown,
            str(len(group.runs)),
            _listed([visible(run.name) for run in group.runs]),
            visible(group.runs[0].detail or group.meaning, 120),
            group.runs[0].next,
        )
        for group in groups
    ]
    return _table("Failures", ("Reason", "Runs", "Names", "Detail", "Next"), rows, right=[1], what="reasons")


def _marks(groups: Iterable[MarkGroup]) -> Table:
    rows = [
        (
            visible(group.kind),
            str(len(group.runs)),
            _listed([visible(run.name) for run in group.runs]),
            visible(group.runs[0].detail or group.meaning, 120),
            f"overnight show {group.runs[0].id}",
        )
        for group in groups
    ]
    return _table("Worth a look", ("Mark", "Runs", "Names", "Detail", "Next"), rows, right=[1], what="marks")


def _table(
    title: str,
    header: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    *,
    right: Iterable[int],
    what: str,
    marked: frozenset[int] = frozenset(),
    note: str = "",
) -> Table:
    hidden = len(rows) - MOST_ROWS
    cut = f"{hidden} more {what} are in the JSON." if hidden > 0 else ""
    shown = tuple(rows[:MOST_ROWS])
    return Table(title, header, shown, frozenset(right), marked, " ".join(filter(None, (cut, note))))
