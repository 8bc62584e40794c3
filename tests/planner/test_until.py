"""When a wait is over: what came, and what cannot come any more."""

from __future__ import annotations

from typing import Any

import pytest

from overnight.domain.nouns import Event
from overnight.planner.until import Standing, came, cannot_come, is_event, words_of

RUN = "0123456789ab"
NOTES, FAMILIES = frozenset({"run.priority", "server.start"}), ("alert.", "label.")


def standing(state: str = "running", kind: str = "run", *, started: bool = True, id: str = RUN) -> Standing:
    return Standing(kind, id, state, started)


def event(kind: str, subject: str = RUN, **payload: Any) -> Event:
    return Event(7, 0.0, "boot", "system", "", kind, subject, 0, payload, "")


@pytest.mark.parametrize(
    ("word", "it", "so"),
    [
        ("running", standing("running"), True),
        ("succeeded", standing("running"), False),
        ("final", standing("failed"), True),
        ("final", standing("blocked"), True),
        ("final", standing("running"), False),
        ("final", standing("settled", "sweep"), True),
        ("started", standing("running"), True),
        ("started", standing("queued", started=False), False),
        ("run.succeed", standing("succeeded"), True),
        ("run.succeed", standing("failed"), False),
        ("run.claim", standing("running"), False),
        ("attempt.exit", standing("exited", "attempt"), True),
        ("attempt.exit", standing("succeeded"), False),
        ("change", standing("succeeded"), False),
        ("alert.*", standing("failed"), False),
    ],
)
def test_what_is_so_now_has_come(word: str, it: Standing, so: bool) -> None:
    assert came([word], it, []) == ((word, None) if so else None)


@pytest.mark.parametrize(
    ("word", "happened", "so"),
    [
        ("change", event("label.set"), True),
        ("run.claim", event("run.claim"), True),
        ("alert.*", event("alert.raise"), True),
        ("alert.*", event("run.claim"), False),
        ("succeeded", event("run.succeed"), True),
        ("succeeded", event("run.release", "sweep", ids=[RUN]), False),
        ("queued", event("run.release", "sweep", ids=[RUN]), True),
        ("queued", event("run.release", "sweep", ids=["another"]), False),
        ("final", event("run.fail"), True),
        ("final", event("run.claim"), False),
        ("final", event("attempt.exit", f"{RUN}.1"), False),
        ("failed", event("label.set"), False),
    ],
)
def test_what_happened_meanwhile_has_come_though_it_is_over(word: str, happened: Event, so: bool) -> None:
    assert came([word], standing("delayed"), [happened]) == ((word, happened) if so else None)


def test_the_first_event_decides_before_what_is_so_now() -> None:
    first, second = event("run.claim"), event("run.fail")
    assert came(["failed", "run.claim"], standing("failed"), [first, second]) == ("run.claim", first)


@pytest.mark.parametrize(
    ("words", "it", "over"),
    [
        (["succeeded"], standing("failed"), True),
        (["succeeded"], standing("running"), False),
        (["succeeded", "change"], standing("failed"), False),
        (["alert.*"], standing("failed"), False),
        (["alert.raise"], standing("failed"), False),
        (["run.succeed"], standing("failed"), True),
        (["run.retry"], standing("failed"), False),
        (["attempt.confirm"], standing("failed"), True),
    ],
)
def test_what_is_final_brings_only_what_somebody_does(words: list[str], it: Standing, over: bool) -> None:
    assert cannot_come(words, it) is over


@pytest.mark.parametrize("word", ["run.succeed", "run.priority", "alert.raise", "alert.*", "attempt.*", "server.*"])
def test_kinds_of_events_are_known(word: str) -> None:
    assert is_event(word, NOTES, FAMILIES)


@pytest.mark.parametrize("word", ["succeed", "run.", "run.sucess", "nix.*", "server.stop", ""])
def test_what_never_happens_is_no_kind_of_event(word: str) -> None:
    assert not is_event(word, NOTES, FAMILIES)


def test_the_words_of_a_thing_are_its_states_and_three_more() -> None:
    assert words_of("sweep") == ("final", "started", "change", "active", "settled")
