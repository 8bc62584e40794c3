"""What happened, told from the event log: one sentence per event that matters, like ones gathered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from overnight.domain.nouns import Event

GAP = 1_800.0
"""Seconds after which a like event begins a new line."""
SHORT = 160
"""Characters of a text from outside that a sentence repeats."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened, or `number` like ones between `at` and `until` (wall seconds)."""

    event: int
    """Its number in the log, that of the first of many."""
    at: float
    until: float
    number: int
    text: str
    like: str = ""
    """What it has in common with like ones; empty = told alone."""


@dataclass(frozen=True, slots=True)
class Cast:
    """What events do not say themselves."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Id of a run or sweep -> what it is called. Of one run alone: empty."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Attempt -> where it was."""


ENDS: Mapping[str, str] = MappingProxyType(
    {
        "run.delay": "tried again later",
        "run.requeue": "queued again at once",
        "run.fail": "failed for good",
        "run.succeed": "succeeded",
        "run.stopped": "cancelled",
        "run.collect": "its outputs are fetched",
    }
)
"""Events by which the end of an attempt becomes what is done about its run."""
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "campaign.create": "submitted by {actor}: {runs} runs",
        "campaign.update": "its file was changed by {actor}",
        "campaign.pause": "paused by {actor}",
        "campaign.resume": "resumed by {actor}",
        "campaign.succeed": "over: all its runs succeeded",
        "campaign.fail": "over: some of its runs failed or are blocked",
        "campaign.cancel": "over: cancelled",
        "campaign.reopen": "active again",
        "campaign.annotate": "its analysis hook was run: {analysis}",
        "sweep.pause": "{thing}: paused by {actor}",
        "sweep.resume": "{thing}: resumed by {actor}",
        "sweep.settle": "{thing}: over",
        "sweep.reopen": "{thing}: active again",
        "sweep.update": "{thing}: changed by {actor}",
        "run.create": "{thing}: submitted by {actor}",
        "run.claim": "{thing}: got a place on {target}, attempt {attempt}",
        "run.cancel": "{thing}: cancelled by {actor}",
        "run.order_stop": "{thing}: its stop was asked for by {actor}",
        "run.block": "{thing}: blocked, {reason}",
        "run.unblock": "{thing}: no longer blocked",
        "run.retry": "{thing}: asked for again by {actor}",
        "run.skip": "{thing}: superfluous, outputs are there already",
        "run.refuse": "{thing}: refused, {detail}",
        "run.priority": "{thing}: got the priority {priority} by {actor}",
        "run.update": "{thing}: changed by {actor}",
        "run.enqueue": "{thing}: started by {actor}",
        "attempt.confirm": "attempt {attempt} runs on {target}",
        "attempt.order_stop": "a stop of attempt {attempt} was ordered",
        "attempt.annotate": "attempt {attempt} is worth a look: {mark}, {detail}",
        "fetch.complete": "what attempt {attempt} left is here, verified: {files} files, {bytes} bytes",
        "fetch.fail": "what attempt {attempt} left could not be fetched: {problem}",
        "hold.put": "nothing new starts for {subject}: {detail}",
        "hold.drop": "starts for {subject} are allowed again",
        "target.lost": "{subject} is not reached any more: {detail}",
        "target.found": "{subject} is reached again",
        "question.ask": "{thing}: asks a person something",
        "question.answer": "{thing}: a question was answered by {actor}, {after}",
        "alert.raise": "people were told: {title}",
    }
)
"""Events that are told, and how; of one thing alone without saying which. All others are left out."""
WHICH = "{thing}: "
MANY = frozenset(
    {
        "run.cancel", "run.order_stop", "run.block", "run.unblock", "run.retry", "run.skip", "run.refuse",
        "run.enqueue", "run.create",
    }
)  # fmt: skip
"""Of these many like ones are gathered."""


def story(events: Iterable[Event], cast: Cast) -> list[Happening]:
    """What happened, oldest first; like events that follow within `GAP` seconds of each other are one line."""
    told: list[Happening] = []
    open_ones: dict[str, int] = {}
    for event in events:
        it = _told(event, cast)
        if it is None:
            continue
        place = open_ones.get(it.like) if it.like else None
        if place is not None and it.at - told[place].until <= GAP:
            told[place] = replace(told[place], until=it.at, number=told[place].number + it.number)
        else:
            open_ones[it.like] = len(told)
            told.append(it)
    return [_in_words(it) for it in told]


def _in_words(it: Happening) -> Happening:
    """`like` is how many are told: `{n}` in it stands for their number."""
    return it if it.number == 1 or not it.like else replace(it, text=it.like.replace("{n}", str(it.number)))


def _told(event: Event, cast: Cast) -> Happening | None:
    if event.kind in ENDS and "attempt" in event.payload:
        return _end(event, cast)
    sentence = SENTENCES.get(event.kind)
    if sentence is None:
        return None
    words = _words(event, cast)
    if not cast.names:
        return Happening(event.seq, event.wall, event.wall, 1, sentence.removeprefix(WHICH).format_map(words))
    like = sentence.format_map(_Words({**words, "thing": "{n} runs"})) if event.kind in MANY else ""
    number = len(event.payload.get("ids", (0,)))
    return Happening(event.seq, event.wall, event.wall, number, sentence.format_map(words), like)


def _end(event: Event, cast: Cast) -> Happening:
    attempt, reason = str(event.payload["attempt"]), str(event.payload.get("reason"))
    where, done = cast.targets.get(attempt, "?"), ENDS[event.kind]
    whose = f" of {_short(cast.names[event.subject])}" if event.subject in cast.names else ""
    text = f"attempt {_number(attempt)}{whose} on {where} ended, {reason}: {done}"
    like = f"{{n}} attempts on {where} ended, {reason}: {done}" if cast.names else ""
    return Happening(event.seq, event.wall, event.wall, 1, text, like)


class _Words(dict[str, str]):
    """What sentences are filled with; what an event does not say is left open."""

    def __missing__(self, name: str) -> str:
        return "?"


def _words(event: Event, cast: Cast) -> _Words:
    said = {name: _short(value) for name, value in event.payload.items() if isinstance(value, str | int | float)}
    attempt = str(event.payload.get("attempt", event.subject))
    ids = event.payload.get("ids", ())
    thing = f"{len(ids)} runs" if len(ids) > 1 else cast.names.get(str(ids[0]) if ids else event.subject, "it")
    own = {
        "actor": _short(event.actor),
        "subject": _short(event.subject),
        "attempt": _number(attempt),
        "thing": _short(thing),
    }
    target = {"target": cast.targets[attempt]} if attempt in cast.targets else {}
    return _Words({**said, **target, **own})


def _number(attempt: str) -> str:
    return attempt.rpartition(".")[2]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"


def condensed(told: Sequence[Happening], most: int) -> list[Happening]:
    """The first few and the newest of a story that is too long, with a line that says how many are left out."""
    if len(told) <= most:
        return list(told)
    first = max(1, most // 4)
    last = told[len(told) - (most - first - 1) :]
    hidden = told[first : len(told) - len(last)]
    gap = Happening(hidden[0].event, hidden[0].at, hidden[-1].until, len(hidden), f"{len(hidden)} more happenings")
    return [*told[:first], gap, *last]
