"""The goal metric of every configuration as SVG: mean and deviation over its replicates, best first, winner marked.

Lines and text take the colour of the text around them, the winner `--accent` where the page defines it. Nothing in
the picture is markup that came from a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from itertools import islice

from overnight.domain.plan import Direction, Goal
from overnight.reports.axis import Axis, ends, fit
from overnight.reports.cells import Cell, Spread, SweepResults
from overnight.reports.figures import measured
from overnight.reports.summary import Summary
from overnight.reports.text import odd_values
from overnight.reports.visible import visible
from overnight.reports.winner import ranked

MOST_CELLS = 24
"""Configurations of one sweep that are drawn, the best ones."""
MOST_SWEEPS = 8
"""Sweeps that are drawn, the last ones."""
MOST_POINTS = 60
"""Replicates of one configuration that are drawn as points."""
WIDTH = 760
ROW = 24
HEADING = 34
"""Pixels, like the other lengths here."""
LETTER = 7.6
"""Width of a letter at 12 pixels: of a bold one in a wide typeface."""
STRETCH = 8.0
"""A configuration that would make the axis this many times as long stands off the scale, as an arrow."""
LONGEST_LABEL = 36
"""Letters of a label."""

STYLE = (
    ".overnight-plot{font:12px ui-sans-serif,system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif;"
    "font-variant-numeric:tabular-nums}.overnight-plot .winner{color:var(--accent,#c2571a);font-weight:600}"
)
ALONE = "svg{color:#24211d}@media(prefers-color-scheme:dark){svg{color:#e9e5dd;background:#191714}}"
"""For a picture that no page gives its colours."""


def plot(summary: Summary, *, alone: bool = False) -> str | None:
    """The picture as one `<svg>` element, `alone` with colours of its own; None without a goal or a value of it."""
    if summary.goal is None:
        return None
    metric = summary.goal.metric
    sweeps = [it for it in summary.results if any(cell.spread(metric).n for cell in it.cells)][-MOST_SWEEPS:]
    rows = {it.sweep: _order(it, summary.goal) for it in sweeps}
    shown = [cell for cells in rows.values() for cell in cells]
    if not shown:
        return None
    label_width = LETTER * max(len(_label(cell)) for cell in shown) + 18
    value_width = LETTER * max(len(_value(cell.spread(metric))) for cell in shown) + 18
    axis = _axis(shown, summary.goal, left=max(60.0, label_width), right=WIDTH - max(60.0, value_width))
    return "".join(_picture(summary, summary.goal, rows, axis, alone))


def _order(results: SweepResults, goal: Goal) -> list[Cell]:
    """Comparable ones best first, then those with NaN, then those without a value."""
    sound = ranked(results, goal)
    known = {id(cell) for cell in sound}
    rest = [cell for cell in results.cells if id(cell) not in known]
    return [*sound, *sorted(rest, key=lambda cell: cell.spread(goal.metric).n == 0)][:MOST_CELLS]


def _axis(cells: Sequence[Cell], goal: Goal, *, left: float, right: float) -> Axis:
    """Long enough for the better two thirds, and for each worse one that does not flatten those before it."""
    sign = -1 if goal.direction is Direction.MAXIMIZE else 1
    reaches = [
        (sign * spread.mean, _reach(spread)) for cell in cells if (spread := cell.spread(goal.metric)).mean is not None
    ]
    order = [reach for _, reach in sorted(reaches)]
    kept = math.ceil(len(order) * 2 / 3)
    core = [value for reach in order[:kept] for value in reach]
    for reach in order[kept:]:
        low, high = ends(core)
        longer = ends([low, high, *reach])
        if high > low and longer[1] - longer[0] > STRETCH * (high - low):
            break
        core += longer
    return fit(core, left=left, right=right)


def _reach(spread: Spread) -> tuple[float, ...]:
    """Ends of what is drawn of a spread."""
    if spread.mean is None or spread.least is None or spread.most is None:
        return ()
    deviation = spread.deviation or 0.0
    return spread.mean - deviation, spread.mean + deviation, spread.least, spread.most


def _picture(summary: Summary, goal: Goal, rows: dict[str, list[Cell]], axis: Axis, alone: bool) -> Iterator[str]:
    headings = len(rows) > 1
    bottom = 8 + sum(HEADING * headings + ROW * len(cells) for cells in rows.values())
    better = "higher is better" if goal.direction is Direction.MAXIMIZE else "lower is better"
    title = f"{visible(goal.metric)} ({better})"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="overnight-plot" viewBox="0 0 {WIDTH} {bottom + 48}" '
        f'width="{WIDTH}" height="{bottom + 48}" role="img" fill="currentColor" font-family="sans-serif" '
        'font-size="12">'
        f"<title>{escape(title)} of each configuration</title><style>{STYLE}{ALONE if alone else ''}</style>"
    )
    yield from _grid(axis, bottom)
    top = 8.0
    winner = summary.winner.cell if summary.winner else None
    sizes = {results.sweep: len(results.cells) for results in summary.results}
    for sweep, cells in rows.items():
        if headings:
            yield _heading(sweep, len(cells), sizes[sweep], top)
            top += HEADING
        for cell in cells:
            yield _row(cell, cell.spread(goal.metric), cell is winner, axis, top)
            top += ROW
    middle = (axis.left + axis.right) / 2
    yield f'<text x="{middle:.0f}" y="{bottom + 40}" text-anchor="middle" opacity="0.75">{escape(title)}</text></svg>'


def _grid(axis: Axis, bottom: float) -> Iterator[str]:
    yield f'<path d="M{axis.left:.1f} {bottom + 2}H{axis.right:.1f}" stroke="currentColor" opacity="0.35"/>'
    for value, text in axis.ticks():
        x = axis.x(value)
        yield f'<path d="M{x:.1f} 8V{bottom + 6}" stroke="currentColor" opacity="0.13"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle" opacity="0.75">{escape(text)}</text>'


def _heading(sweep: str, shown: int, size: int, top: float) -> str:
    more = f" (the best {shown} of {size})" if shown < size else ""
    text = escape(visible(sweep, 60) + more)
    return f'<text x="0" y="{top + HEADING - 11}" font-weight="600" opacity="0.9">{text}</text>'


def _row(cell: Cell, spread: Spread, won: bool, axis: Axis, top: float) -> str:
    y = top + ROW / 2
    opening = '<g class="winner" color="#c2571a" font-weight="600">' if won else "<g>"
    back = f'<rect x="0" y="{top:.1f}" width="{WIDTH}" height="{ROW}" rx="4" opacity="0.1"/>' if won else ""
    texts = (
        f'<text x="{axis.left - 12:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(_label(cell))}</text>'
        f'<text x="{axis.right + 14:.1f}" y="{y + 4:.1f}">{escape(_value(spread))}</text>'
    )
    hint = escape(f"{cell.title}: {_value(spread)}, n={spread.n}")
    return f"{opening}<title>{hint}</title>{back}{texts}{''.join(_marks(spread, axis, y))}</g>"


def _marks(spread: Spread, axis: Axis, y: float) -> Iterator[str]:
    if spread.mean is None:
        return
    finite = (point.value for point in spread.points if math.isfinite(point.value))
    for value in islice((value for value in finite if not axis.off(value)), MOST_POINTS):
        yield f'<circle cx="{axis.x(value):.1f}" cy="{y:.1f}" r="2.6" opacity="0.38"/>'
    if spread.deviation:
        yield _bar(axis.x(spread.mean - spread.deviation), axis.x(spread.mean + spread.deviation), y)
    x, side = axis.x(spread.mean), axis.off(spread.mean)
    if side:
        yield f'<path d="M{x:.1f} {y - 5:.1f}l{side * 8} 5l{-side * 8} 5z"/>'
    else:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.4"/>'


def _bar(start: float, end: float, y: float) -> str:
    caps = f"M{start:.1f} {y - 4:.1f}v8M{end:.1f} {y - 4:.1f}v8"
    return f'<path d="M{start:.1f} {y:.1f}H{end:.1f}{caps}" stroke="currentColor" stroke-width="1.4" fill="none"/>'


def _label(cell: Cell) -> str:
    """A label that is cut keeps the mark of a changed configuration, which stands at its end."""
    text = cell.label or cell.title
    if cell.changed and len(text) > LONGEST_LABEL:
        return f"{visible(text, LONGEST_LABEL - 10)} (changed)"
    return visible(text, LONGEST_LABEL)


def _value(spread: Spread) -> str:
    odd = odd_values(spread)
    if not spread.n:
        return odd or "no value"
    return f"{measured(spread.mean, spread.deviation)}{f', {odd}' if odd else ''}"
