"""Two runs side by side: what differs in them, and in what they found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from overnight.reports.changed import Swap, changes, in_words, used
from overnight.reports.duration import duration
from overnight.reports.encode import changed, strict
from overnight.reports.figures import number
from overnight.reports.material import RunMaterial
from overnight.reports.table import Table
from overnight.reports.visible import visible

MOST_WORDS = 2_000
"""Longer commands are not compared word by word: the time grows with the square."""


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch of the commands that differs: words of the first, words of the second; either may be empty."""

    first: tuple[str, ...]
    second: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """One value of each run; None where a run has none."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class MetricPair:
    """One metric of each run."""

    name: str
    first: float | None
    second: float | None
    difference: float | None
    """Second minus first; None unless both are finite."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second run against the first."""

    ids: tuple[str, str]
    names: tuple[str, str]
    states: tuple[str, str]
    attempts: tuple[int, int]
    seconds: tuple[float | None, float | None]
    changed: tuple[Mapping[str, Swap], Mapping[str, Swap]]
    """Parameters that each took another value of than was written: declared smaller settings."""
    packed: tuple[bool, bool]
    """Whether each shared its GPU with other runs: then lengths and times cannot be compared."""
    same_code: bool | None
    """None when that is not known."""
    parameters: tuple[Pair, ...]
    """Those that differ."""
    environment: tuple[str, ...]
    """Names of the variables that differ. Their values are not told: they may be secrets."""
    command: tuple[Change, ...]
    """Empty when the commands are equal."""
    results: tuple[MetricPair, ...]
    """All metrics of either run, the first run's first."""


def compare(a: RunMaterial, b: RunMaterial, *, same_code: bool | None = None) -> Comparison:
    """What differs between two runs as they were executed; the caller says whether their code is the same."""
    before, after = used(a.run), used(b.run)
    return Comparison(
        ids=(a.run.id, b.run.id),
        names=(a.run.name, b.run.name),
        states=(a.run.state, b.run.state),
        attempts=(a.attempts, b.attempts),
        seconds=(a.seconds, b.seconds),
        changed=(changes(a.run), changes(b.run)),
        packed=(a.packed, b.packed),
        same_code=same_code,
        parameters=_differing(before.get("parameters") or {}, after.get("parameters") or {}),
        environment=tuple(it.name for it in _differing(before.get("env") or {}, after.get("env") or {})),
        command=_changes(_words(before.get("command", "")), _words(after.get("command", ""))),
        results=tuple(_metric(name, a.results, b.results) for name in dict.fromkeys([*a.results, *b.results])),
    )


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Pair, ...]:
    names = dict.fromkeys([*first, *second])
    # by repr: 1 and True and 1.0 differ, NaN equals NaN; a missing one differs from null
    unequal = [name for name in names if _told(first, name) != _told(second, name)]
    return tuple(Pair(name, first.get(name), second.get(name)) for name in unequal)


def _told(values: Mapping[str, Any], name: str) -> str:
    return repr(values[name]) if name in values else ""


def _words(command: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(command.split()) if isinstance(command, str) else tuple(command)


def _changes(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[Change, ...]:
    if first == second:
        return ()
    if max(len(first), len(second)) > MOST_WORDS:
        return (Change(first, second),)
    matcher = SequenceMatcher(a=first, b=second, autojunk=False)
    codes = matcher.get_opcodes()
    return tuple(Change(first[i:j], second[k:end]) for code, i, j, k, end in codes if code != "equal")


def _metric(name: str, first: Mapping[str, float], second: Mapping[str, float]) -> MetricPair:
    one, two = first.get(name), second.get(name)
    difference = None
    if one is not None and two is not None and math.isfinite(one) and math.isfinite(two):
        difference = two - one
    return MetricPair(name, one, two, difference)


def to_json(it: Comparison) -> dict[str, Any]:
    """Everything that the comparison says, with stable fields; NaN and the infinities are strings."""
    runs = [
        {"id": it.ids[n], "name": it.names[n], "state": it.states[n], "attempts": it.attempts[n]}
        | {"seconds": strict(it.seconds[n]), "changed": changed(it.changed[n]), "packed": it.packed[n]}
        for n in (0, 1)
    ]
    return {
        "first": runs[0],
        "second": runs[1],
        "same_code": it.same_code,
        "comparable_times": not any(it.packed),
        "parameters": {pair.name: strict([pair.first, pair.second]) for pair in it.parameters},
        "environment_names": list(it.environment),
        "command": [{"first": list(change.first), "second": list(change.second)} for change in it.command],
        "results": {
            pair.name: strict({"first": pair.first, "second": pair.second, "difference": pair.difference})
            for pair in it.results
        },
    }


def tables(it: Comparison) -> list[Table]:
    """The runs, what differs in them, their results: those that have rows."""
    header = ("", visible(it.names[0]), visible(it.names[1]))
    difference = [_pair_row(pair) for pair in it.parameters]
    difference += [("command", _joined(change.first), _joined(change.second)) for change in it.command]
    difference += [(f"variable {visible(name)}", "differs", "differs") for name in it.environment]
    results = [(visible(pair.name), number(pair.first), number(pair.second), _signed(pair)) for pair in it.results]
    found = [
        Table("Runs", header, tuple(_run_rows(it)), note=_warning(it)),
        Table("Differences", header, tuple(difference)),
        Table("Results", (*header, "Difference"), tuple(results), right=frozenset({1, 2, 3})),
    ]
    return [table for table in found if table.rows]


def _run_rows(it: Comparison) -> list[tuple[str, str, str]]:
    code = {True: "the same", False: "not the same", None: "not known"}[it.same_code]
    rows = [
        ("id", visible(it.ids[0]), visible(it.ids[1])),
        ("state", visible(it.states[0]), visible(it.states[1])),
        ("attempts", str(it.attempts[0]), str(it.attempts[1])),
        ("length", _length(it, 0), _length(it, 1)),
        ("code", code, code),
    ]
    if any(it.changed):
        rows.append(("configuration", in_words(it.changed[0]), in_words(it.changed[1])))
    return rows


def _length(it: Comparison, place: int) -> str:
    return duration(it.seconds[place]) + (" (packed)" if it.packed[place] else "")


def _warning(it: Comparison) -> str:
    """What must be minded when these two are held against each other; empty for nothing."""
    changed = "A changed configuration stands beside what was written. " if any(it.changed) else ""
    packed = "Times are not comparable: a packed run shared its GPU with others." if any(it.packed) else ""
    return f"{changed}{packed}".strip()


def _pair_row(pair: Pair) -> tuple[str, str, str]:
    first, second = (visible("–" if value is None else value) for value in (pair.first, pair.second))
    return visible(pair.name), first, second


def _joined(words: Sequence[str]) -> str:
    return visible(" ".join(words) or "–")


def _signed(pair: MetricPair) -> str:
    if pair.difference is None:
        return "–"
    return f"{'+' if pair.difference > 0 else ''}{number(pair.difference, digits=3)}"
