"""When a wait for something is over: it came, or it cannot come any more. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from overnight.domain.nouns import Event
from overnight.domain.states import ATTEMPT, CAMPAIGN, FINAL_RUN, MACHINES, RUN, SWEEP, Arrow, Machine

FINAL, STARTED, CHANGE = "final", "started", "change"
OF: Mapping[str, Machine] = MappingProxyType({"campaign": CAMPAIGN, "sweep": SWEEP, "run": RUN, "attempt": ATTEMPT})
"""Kind of thing -> the machine of its states."""
_ARROWS = MappingProxyType({f"{it.noun}.{arrow.transition}": arrow for it in MACHINES for arrow in it.arrows})
_NOUNS = frozenset(it.noun for it in MACHINES)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the thing stands that is waited for."""

    kind: str
    """`campaign`, `sweep`, `run`, `attempt`."""
    id: str
    state: str
    started: bool
    """Whether something of it was started."""

    @property
    def final(self) -> bool:
        """Whether it stays so unless somebody acts."""
        return self.state in _ends(self.kind)


def _ends(kind: str) -> Collection[str]:
    """States that a kind of thing leaves only when somebody acts."""
    return FINAL_RUN if kind == "run" else OF[kind].terminal


def words_of(kind: str) -> tuple[str, ...]:
    """Words that mean something of a kind of thing, beside kinds of events."""
    return (FINAL, STARTED, CHANGE, *OF[kind].states)


def is_event(word: str, notes: Iterable[str], families: Sequence[str]) -> bool:
    """Whether a word is a kind of events, or `NOUN.*`. `notes`: kinds that change no state; `families`: beginnings of
    such kinds."""
    noun, dot, rest = word.partition(".")
    if not dot or not rest:
        return False
    notes = frozenset(notes)
    if rest == "*":
        return noun in _NOUNS or f"{noun}." in families or any(it.startswith(f"{noun}.") for it in notes)
    return word in _ARROWS or word in notes or word.startswith(tuple(families))


def came(words: Sequence[str], standing: Standing, events: Sequence[Event]) -> tuple[str, Event | None] | None:
    """What came first, and the event that says so (None: it is so now); None while nothing did."""
    for event in events:
        for word in words:
            if _tells(word, standing, event):
                return word, event
    for word in words:
        if _holds(word, standing):
            return word, None
    return None


def cannot_come(words: Sequence[str], standing: Standing) -> bool:
    """Whether none of the words can come any more unless somebody acts."""
    return standing.final and all(_is_over(word, standing) for word in words)


def _holds(word: str, it: Standing) -> bool:
    """Whether something is so now: a state, or the end to which an arrow leads."""
    if word in (FINAL, STARTED):
        return it.final if word == FINAL else it.started
    arrow = _own(it, word)
    return word == it.state or (arrow is not None and it.final and arrow.target == it.state)


def _tells(word: str, it: Standing, event: Event) -> bool:
    """Whether an event about the thing, or about what belongs to it, is the one that is waited for."""
    if word in (CHANGE, event.kind) or (word.endswith(".*") and event.kind.startswith(word[:-1])):
        return True
    arrow = _own(it, event.kind)
    if arrow is None or it.id not in (event.subject, *event.payload.get("ids", ())):
        return False
    return arrow.target in _ends(it.kind) if word == FINAL else arrow.target == word


def _is_over(word: str, it: Standing) -> bool:
    """Of a thing that is final: whether nothing but an act of somebody brings a word about."""
    if word == CHANGE or word.endswith(".*"):
        return False
    own = _own(it, word)
    return "." not in word or (word in _ARROWS and (own is None or it.state not in own.sources))


def _own(it: Standing, kind: str) -> Arrow | None:
    """The arrow of the thing's own states that a kind of events means."""
    return _ARROWS[kind] if kind in _ARROWS and kind.startswith(f"{it.kind}.") else None
