"""A summary as a Markdown document (GitHub's dialect: tables). Names, numbers and log lines stay text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from overnight.reports.failures import Failure, FailureGroup
from overnight.reports.figures import moment
from overnight.reports.steps import Step
from overnight.reports.summary import Summary
from overnight.reports.table import Table
from overnight.reports.text import tables
from overnight.reports.visible import visible

MOST_LOGS = 5
"""Runs of one reason whose last lines are shown."""
MOST_LINES = 12
"""Last lines that are shown of a log."""
LONGEST_LINE = 200
"""Characters of a log line."""

# whatever means something anywhere, an underscore that is not inside a word, and what does at the start of a line
_PUNCTUATION = re.compile(
    r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[=#]|^[-+](?=\s|$|[-+])|(?<=^\d)[.)](?=\s|$)"
)
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "://": ":&#47;&#47;", "@": "&#64;"}
# what would become a link by itself goes with the markup of HTML
_LINKS = re.compile(r"[&<>@]|://|\bwww\.", re.IGNORECASE)


def markdown(summary: Summary) -> str:
    """The whole document, ending with a newline."""
    return "\n\n".join(_blocks(summary)) + "\n"


def escaped(text: str) -> str:
    """One line of text that Markdown and HTML leave as it is, in a paragraph as in a cell of a table."""
    linkless = _LINKS.sub(lambda found: _ENTITIES.get(found[0]) or found[0][:-1] + "&#46;", text)
    return _PUNCTUATION.sub(lambda found: f"\\{found[0]}", linkless)


def code(text: str) -> str:
    """One line as a code span, whatever backticks it has."""
    shown = visible(text, LONGEST_LINE)
    fence = "`" * (1 + _longest_ticks([shown]))
    return f"{fence}{shown}{fence}" if len(fence) == 1 else f"{fence} {shown} {fence}"


def _longest_ticks(lines: Sequence[str]) -> int:
    return max((len(ticks) for line in lines for ticks in re.findall("`+", line)), default=0)


def _blocks(summary: Summary) -> Iterator[str]:
    yield f"# {escaped(visible(summary.name))}"
    yield escaped(summary.headline)
    if summary.winner:
        yield f"**{escaped(summary.winner.sentence)}**"
        if summary.winner.beside:
            yield " ".join(escaped(sentence) for sentence in summary.winner.beside)
    yield _facts(summary)
    for table in tables(summary):
        yield f"## {escaped(table.title)}"
        yield _table(table)
        if table.note:
            yield escaped(table.note)
    for group in summary.failures:
        yield from _logs(group)
    yield "## Next"
    yield "\n".join(f"- {_step(step)}" for step in summary.next)


def _facts(summary: Summary) -> str:
    goal = "none"
    if summary.goal:
        goal = f"{escaped(visible(summary.goal.metric))}, {summary.goal.direction}"
    facts = [
        f"Campaign: {code(summary.id)} ({escaped(visible(summary.state))})",
        f"Goal: {goal}",
        f"Started: {moment(summary.started_at)}; ended: {moment(summary.settled_at)}",
        f"Jobs: {escaped(summary.jobs_line)}",
        *(escaped(fact[0].upper() + fact[1:]) for fact in summary.facts),
        f"Runs that left numbers: {summary.reported} of {summary.counts['total']}",
    ]
    return "\n".join(f"- {fact}" for fact in facts)


def _table(table: Table) -> str:
    rules = ["---:" if column in table.right else "---" for column in range(len(table.header))]
    lines = [[escaped(text) for text in table.header], rules]
    for place, row in enumerate(table.rows):
        texts = [escaped(text) for text in row]
        lines.append([f"**{text}**" if text and place in table.marked else text for text in texts])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _logs(group: FailureGroup) -> Iterator[str]:
    told = [run for run in group.runs if run.last_lines][:MOST_LOGS]
    if told:
        yield f"### {escaped(group.reason_shown)}: {escaped(visible(group.meaning))}"
    for run in told:
        detail = f": {escaped(visible(run.detail, LONGEST_LINE))}" if run.detail else ""
        yield f"{escaped(visible(run.name))}{detail} ({code(run.next)})"
        yield _fenced(run)


def _fenced(run: Failure) -> str:
    lines = [visible(line, LONGEST_LINE) for line in run.last_lines[-MOST_LINES:]]
    fence = "`" * max(3, 1 + _longest_ticks(lines))
    return "\n".join([f"{fence}text", *lines, fence])


def _step(step: Step) -> str:
    return f"{escaped(step.text)}: {code(step.command)}" if step.command else escaped(step.text)
