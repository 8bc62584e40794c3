"""Whatever a host says of attempts can be put on record, and nothing of it ends the loop."""

from __future__ import annotations

import json
from typing import Any

import pytest

from overnight.daemon.settle import Fact, settle
from overnight.domain.plan import CellPlan
from overnight.ids import attempt_id
from overnight.store import runs
from overnight.store.base import SYSTEM
from overnight.targets import believed
from overnight.targets.base import Alive, Dead, Ended, Refused, Unknown
from overnight.targets.told import handles_of, news_of, seen_of, understood
from tests.daemon.stage import Stage

HUGE, DEEP = 10**4000, json.loads("[" * 500 + "]" * 500)
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 2**31, 2**63, HUGE, 1.5, float("nan"), float("inf"), -1e300),
    *("", "0", "\0", "\ud800", "x" * 100_000, "a\nb", [], [1, "\udcff"], {}, {"\ud800": "\0"}, DEEP),
)
FIELDS = ("reason", "detail", "code", "signal", "pid", "started_at", "ended_at", "duration", "usage", "log", "other")
KNOWN = {"reason": "exited", "code": 1, "started_at": 5.0, "ended_at": 7.0, "usage": {"oom_kills": 0}}


@pytest.fixture
def stage(tmp_path: Any) -> Stage:
    return Stage(tmp_path)


def records() -> list[dict[str, Any]]:
    """Every field with every hostile value, and with none at all."""
    single = [{**KNOWN, name: value} for name in FIELDS for value in HOSTILE]
    kills = [{**KNOWN, "usage": {"oom_kills": value}} for value in HOSTILE]
    return [{}, *single, *kills, *({"reason": value} for value in HOSTILE)]


def test_any_exit_record_is_accepted_and_the_run_is_judged(stage: Stage) -> None:
    told = records()
    stage.submit(stage.sweep("s", *(CellPlan(f"c{place}", {}, "true") for place in range(len(told)))))
    made = stage.runs()
    for place, record in enumerate(told):
        run, claim = made[f"c{place}"], {"target": "here", "folder": "/f", "devices": []}
        fence = stage.store.write(SYSTEM, lambda session, run=run, claim=claim: runs.claim(session, run.id, 1, **claim))  # type: ignore[misc]
        attempt = attempt_id(run.id, 1)
        news = news_of({"event": "ended", "attempt": attempt, "fence": fence, "record": record}, "boot")
        assert news is not None
        stage.store.write(SYSTEM, lambda session, news=news: settle(session, [Fact(news)]))  # type: ignore[misc]
    assert not {"running", "launching", "done"} & set(stage.states().values())


@pytest.mark.parametrize("value", HOSTILE, ids=lambda it: repr(it)[:20])
def test_what_is_said_of_an_attempt_is_a_text_or_a_number_that_can_be_kept(value: Any) -> None:
    started = news_of({"event": "started", "attempt": "a", "fence": 1, "pid": value, "at": value}, "boot")
    assert started is not None
    assert isinstance(started.seen, Alive)
    assert started.seen.pid is None or abs(started.seen.pid) < 2**31
    assert started.seen.started_at is None or 0 <= started.seen.started_at < 1e12
    proof = seen_of({"state": "dead", "proof": value}, "boot")
    unknown = seen_of({"state": "new", "proof": value}, "boot")
    why = understood({"code": "bad_launch", "message": value})
    assert isinstance(proof, Dead)
    assert isinstance(unknown, Unknown)
    assert isinstance(why, Refused)
    for said in (proof.proof, unknown.why, why.why):
        assert "\0" not in said
        assert len(said.encode()) <= 4 * believed.LONGEST_TEXT


def test_a_true_record_stays_as_it_is() -> None:
    usage = {"max_rss_bytes": 5, "user_seconds": 0.25, "peak_memory_bytes": None, "oom_kills": 1}
    record = {
        **{"version": 1, "attempt": "a", "run": "r", "number": 1, "fence": 2**52, "boot_id": "b", "pid": 7},
        **{"code": -1, "signal": None, "reason": "exited", "detail": "ä", "started_at": 1.5, "ended_at": 2.5},
        **{"duration": 1.0, "leftovers": 0, "usage": usage, "log": {"size": 9, "gap": [1, 5]}, "snapshot": None},
    }
    seen = seen_of({"state": "ended", "record": record}, "boot")
    assert isinstance(seen, Ended)
    assert seen.record == record


@pytest.mark.parametrize("fence", [None, True, -1, 2**53, HUGE, "1", 1.0, float("inf")])
def test_a_token_that_can_be_none_is_refused(fence: Any) -> None:
    with pytest.raises(ValueError, match=r"makes no sense|no number"):
        handles_of({"a": {"fence": fence, "folder": "/f"}}, "boot")
