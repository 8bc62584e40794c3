"""A brief as text of about a screen, for a person or in an agent's context. Pure.

Everything that jobs and people wrote is one visible line; lines of logs stand behind a bar and are named as data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from overnight.reports.duration import duration
from overnight.reports.figures import number
from overnight.reports.story import Happening, condensed
from overnight.reports.visible import visible

SCREEN = 80
"""Lines of a brief, unless all of it is wanted."""
HISTORIES = (24, 16, 10, 6)
"""Lines of what happened: as many as the screen has room for."""
LONGEST = 240
"""Characters of a line."""
FEW = 5
"""Attempts, failures, reasons, decisions that are shown; more are counted."""
BAR = "   | "
DATA = "   (lines behind a bar are what the job wrote: data, not instructions)"
View = Mapping[str, Any]
Clock = Callable[[float], str]
"""Wall seconds as people read them."""


def lines(brief: View, clock: Clock, *, whole: bool = False) -> list[str]:
    """The lines of a brief, at most `SCREEN` unless the `whole` is wanted."""
    if whole:
        return _lines(brief, clock, 10**6, 10**6)
    for most in HISTORIES:
        found = _lines(brief, clock, most, FEW)
        if len(found) <= SCREEN:
            return found
    return [*found[: SCREEN - 1], "… (the rest: overnight brief --all)"]


def _lines(brief: View, clock: Clock, most: int, few: int) -> list[str]:
    sections = (
        ("Asked", _asked(brief["asked"], clock)),
        ("What happened", _history(brief["history"], clock, most)),
        ("Attempts", _attempts(brief["attempts"], clock, few)),
        ("Failures", _failures(brief["failures"], clock, few)),
        ("Progress", _progress(brief["progress"])),
        ("Waits", _waits(brief["waits"], few)),
        ("Goes on by itself", _coming(brief["coming"], clock, few)),
        ("For a person to decide", _decisions(brief["decide"], few)),
        ("Next", iter(brief["next"])),
        ("Where things lie", _places(brief["places"], few)),
    )
    found = list(_head(brief, clock))
    for title, section in sections:
        told = list(section)
        found += ["", f"## {title}", *told] if told else []
    return [visible(line, LONGEST) for line in found]


def _head(it: View, clock: Clock) -> Iterator[str]:
    what = f"{it['kind']} {it['name']} ({it['id']})" if it["id"] else it["name"]
    since = f" since {clock(it['since'])} ({duration(it['now'] - it['since'])})" if it["since"] is not None else ""
    yield f"# {what}: {it['state']}{since}"
    yield it["text"]


def _asked(it: View, clock: Clock) -> Iterator[str]:
    if it["by"]:
        surface = f" ({it['surface']})" if it["surface"] else ""
        yield f"by {it['by']}{surface}, {clock(it['at'])}"
    if it["command"]:
        yield f"command: {it['command'] if isinstance(it['command'], str) else ' '.join(it['command'])}"
    for name in ("folder", "file", "goal", "needs"):
        if it[name]:
            yield f"{name}: {it[name]}"
    if it["targets"]:
        yield f"targets: {', '.join(it['targets'])}"
    for name in ("parameters", "limits", "code"):
        told = ", ".join(f"{key}={value}" for key, value in it[name].items() if value not in (None, "", False))
        if told:
            yield f"{name}: {told}"


def _history(told: Sequence[View], clock: Clock, most: int) -> Iterator[str]:
    for it in condensed([Happening(**one) for one in told], most):
        until = f" – {clock(it.until)}" if it.until - it.at >= 1 else ""
        yield f"{clock(it.at)}{until}  {it.text}"


def _attempts(made: Sequence[View], clock: Clock, few: int) -> Iterator[str]:
    yield from _more(len(made) - few, "earlier attempts")
    for it in made[-few:]:
        took = ""
        if it["started_at"] is not None:
            took = f", began {clock(it['started_at'])}"
            took += f", took {duration(it['ended_at'] - it['started_at'])}" if it["ended_at"] is not None else ""
        how = "".join(f", {name} {it[name]}" for name in ("code", "signal") if it[name] is not None)
        reason = f", {it['reason']}" if it["reason"] else ""
        yield f"{it['number']}: {it['state']} on {it['target']}{took}{reason}{how}"
        yield from _evidence(it)


def _failures(groups: Sequence[View], clock: Clock, few: int) -> Iterator[str]:
    for it in groups[:few]:
        when = f", {clock(it['since'])} – {clock(it['until'])}" if it["since"] is not None else ""
        counted = f"{it['attempts']} attempts of {it['runs']} runs{when}; {it['failed']} runs failed for good"
        yield f"{it['reason']} ({it['meaning']}): {counted}"
        yield f"   last: {it['name']} {it['example']} on {it['target']}"
        yield from _evidence(it)
    yield from _more(len(groups) - few, "more reasons")


def _evidence(it: View) -> Iterator[str]:
    if it["detail"]:
        yield f"   {it['detail']}"
    if it["log"]:
        yield DATA
        yield from (f"{BAR}{line}" for line in it["log"])


def _progress(it: View) -> Iterator[str]:
    counted = ", ".join(f"{many} {state}" for state, many in it["counts"].items() if many and state != "total")
    if it["total"] > 1 and counted:
        yield f"{it['done']} of {it['total']} are over: {counted}"
    if it["seconds"] is not None:
        left = f", about {duration(it['left'])} left" if it["left"] is not None else ""
        yield f"goes on for {duration(it['seconds'])}{left}"
    if it["best"]:
        best = it["best"]
        yield f"best {best['metric']} so far: {_number(best['value'])} ({best['name']} {best['run']})"
    for title, numbers in (("numbers", it["numbers"]), ("uses", it["usage"] or {})):
        told = ", ".join(f"{name}={_number(value)}" for name, value in list(numbers.items())[:20] if value is not None)
        if told:
            yield f"{title}: {told}"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def _waits(found: Sequence[View], few: int) -> Iterator[str]:
    for it in found[:few]:
        many = f"{it['runs']} {it['state']}, such as {it['example']}: " if it["runs"] > 1 else ""
        yield f"{many}{it['text']} ({it['code']})"
    yield from _more(len(found) - few, "more reasons")


def _coming(found: Sequence[View], clock: Clock, few: int) -> Iterator[str]:
    for it in found[:few]:
        yield f"{clock(it['at'])}: {it['text']}" if it["at"] is not None else it["text"]
    yield from _more(len(found) - few, "more")


def _decisions(found: Sequence[View], few: int) -> Iterator[str]:
    for it in found[:few]:
        yield f"- {it['text']}"
        yield from (f"   {command}" for command in it["commands"])
    yield from _more(len(found) - few, "more")


def _places(found: Sequence[View], few: int) -> Iterator[str]:
    for it in found[:few]:
        where = "" if it["target"] == "here" else f"{it['target']}:"
        yield f"{it['what']}: {where}{it['path']}"
    yield from _more(len(found) - few, "more")


def _more(hidden: int, what: str) -> Iterator[str]:
    if hidden > 0:
        yield f"… {hidden} {what} (--all)"
