"""A summary as one HTML file: no script, nothing loaded from elsewhere, light or dark as the reader's system is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from overnight.reports.duration import duration
from overnight.reports.failures import Failure, FailureGroup
from overnight.reports.figures import moment, number
from overnight.reports.markdown import LONGEST_LINE, MOST_LINES, MOST_LOGS
from overnight.reports.plot import plot
from overnight.reports.sheet import SHEET
from overnight.reports.steps import Step
from overnight.reports.summary import Summary
from overnight.reports.table import Table
from overnight.reports.text import tables
from overnight.reports.visible import visible

SHOWN_STATES = ("succeeded", "failed", "blocked", "cancelled")
"""Counts that have a tile when they are not 0; the open states share one."""


def html(summary: Summary) -> str:
    """The whole document."""
    title = escape(visible(summary.name))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title} – Overnight</title><style>{SHEET}</style></head><body><main>\n"
        f"{chr(10).join(_body(summary))}\n</main></body></html>\n"
    )


def _body(summary: Summary) -> Iterator[str]:
    yield f"<header><p class=over>{escape(_times(summary))}</p><h1>{escape(visible(summary.name))}</h1></header>"
    yield _winner(summary)
    yield f"<dl class=tiles>{''.join(_tile(*tile) for tile in _tiles(summary))}</dl>"
    yield f"<p class=note>Jobs: {escape(summary.jobs_line)}</p>"
    picture = plot(summary)
    if picture:
        caption = "Mean and standard deviation over replicates; faint points are single runs."
        yield f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"
    for table in tables(summary):
        yield _table(table)
    for group in summary.failures:
        yield _logs(group)
    yield f"<section><h2>Next</h2><ul class=next>{''.join(_step(it) for it in summary.next)}</ul></section>"
    goal = f"goal: {visible(summary.goal.metric)}, {summary.goal.direction}" if summary.goal else "no goal"
    identity = escape(f"Campaign {visible(summary.id)}, {visible(summary.state)}, {goal}.")
    yield f"<footer>{identity} As of {escape(moment(summary.now))}. Made by Overnight.</footer>"


def _times(summary: Summary) -> str:
    if summary.started_at is None:
        return "Not started"
    end = moment(summary.settled_at) if summary.settled_at is not None else "still open"
    return f"{moment(summary.started_at)} – {end}"


def _winner(summary: Summary) -> str:
    if summary.winner is None:
        return f"<p class=lead>{escape(summary.headline)}</p>"
    beside = " ".join(summary.winner.beside)
    more = f"<p class=beside>{escape(beside)}</p>" if beside else ""
    return f"<p class=lead>{escape(summary.winner.sentence)}</p>{more}"


def _tiles(summary: Summary) -> Iterator[tuple[str, str, str]]:
    """Name, figure and kind of each."""
    yield "runs", str(summary.counts["total"]), ""
    for state in SHOWN_STATES:
        if summary.counts[state] or state == "succeeded":
            yield state, str(summary.counts[state]), "bad" if state in ("failed", "blocked") else ""
    still = summary.counts["total"] - sum(summary.counts[state] for state in SHOWN_STATES)
    if still:
        yield "not over", str(still), ""
    if summary.retried:
        yield "retried", str(summary.retried), ""
    recovered = sum(it.memory_retries for it in summary.phases)
    if recovered:
        yield "OOM retries", str(recovered), ""
    yield "result files", str(summary.result_files), ""
    if summary.gpu_hours:
        yield "GPU hours", number(summary.gpu_hours.used, digits=3), ""
        yield "GPU hours idle", number(summary.gpu_hours.idle, digits=3), ""
    yield "wall clock", duration(summary.wall_seconds), ""


def _tile(name: str, figure: str, kind: str) -> str:
    return f'<div class="{kind}"><dt>{escape(name)}</dt><dd>{escape(figure)}</dd></div>'


def _table(table: Table) -> str:
    head = "".join(_cell("th", text, place in table.right) for place, text in enumerate(table.header))
    rows = "".join(_row(row, table, place in table.marked) for place, row in enumerate(table.rows))
    note = f"<p class=note>{escape(table.note)}</p>" if table.note else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f"<section><h2>{escape(table.title)}</h2><div class=wide><table>{body}</table></div>{note}</section>"


def _row(row: Sequence[str], table: Table, marked: bool) -> str:
    cells = "".join(_cell("td", text, place in table.right) for place, text in enumerate(row))
    return f"<tr{' class=best' if marked else ''}>{cells}</tr>"


def _cell(tag: str, text: str, right: bool) -> str:
    return f"<{tag}{' class=r' if right else ''}>{escape(text)}</{tag}>"


def _logs(group: FailureGroup) -> str:
    told = [run for run in group.runs if run.last_lines][:MOST_LOGS]
    if not told:
        return ""
    title = escape(f"{group.reason_shown}: {visible(group.meaning)}")
    return f"<section><h3>{title}</h3>{''.join(_log(run) for run in told)}</section>"


def _log(run: Failure) -> str:
    name = escape(visible(run.name))
    detail = f" – {escape(visible(run.detail, LONGEST_LINE))}" if run.detail else ""
    lines = "\n".join(escape(visible(line, LONGEST_LINE)) for line in run.last_lines[-MOST_LINES:])
    command = f"<p><code>{escape(run.next)}</code></p>"
    return f"<details open><summary><b>{name}</b>{detail}</summary><pre>{lines}</pre>{command}</details>"


def _step(step: Step) -> str:
    command = f"<br><code>{escape(visible(step.command))}</code>" if step.command else ""
    return f"<li>{escape(step.text)}{'.' if step.command else ''}{command}</li>"
