"""What every store must do, as tests: a new store starts by inheriting `StoreContract` and giving it a `store`.

Only test code imports this module, so pytest is there.
"""

from __future__ import annotations

import math
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from overnight.domain.errors import Conflict, NotFound, Refused, StoreUnavailable
from overnight.domain.states import ATTEMPT, CAMPAIGN, LEASE, MACHINES, RUN, Machine
from overnight.store import campaigns, references, runs
from overnight.store.base import SYSTEM, Change, Session
from overnight.store.moves import move, move_runs
from overnight.testing.specimens import add_devices, claim, plan_of, stored, submit
from overnight.testing.store_probes import (
    COUNT_RUNS,
    PATIENCE,
    GroupingStore,
    check_chain,
    counted,
    event_head,
    force,
    group_of,
    in_thread,
    insert_attempt,
    numbered,
    one_of_each,
    random_moves,
    run_threads,
    state_of,
)

HOSTILE = (
    'it\'s "quoted"; DROP TABLE runs; --',
    "%s %(name)s :name ?1 $1 {braces}",
    "new\nline\ttab\rreturn \x1b[31mred\x7f",
    "ünïcödé 漢字 🌙 e\u0301 \u202eright-to-left \ufeff",
    " leading and trailing ",
)
LARGE = "0123456789abcdef" * 65_536
"""1 MiB of text."""


class StoreContract(ABC):
    """Tests of the promises in `overnight.store.base`."""

    @pytest.fixture
    @abstractmethod
    def store(self) -> Iterator[GroupingStore]:
        """An empty store of the kind under test, closed afterwards."""

    # -- the record

    def test_a_submitted_campaign_is_listed_with_all_its_runs(self, store: GroupingStore) -> None:
        made = stored(store, 3)
        found = store.read(lambda s: campaigns.get(s, made.campaign))
        assert (found.name, found.state, found.gate, found.attempts_used) == ("specimen", "active", "open", 0)
        assert [c.id for c in store.read(lambda s: list(campaigns.latest(s, 50)))] == [made.campaign]
        assert store.read(lambda s: campaigns.counts(s, made.campaign)) == {"queued": 3}
        first = store.read(lambda s: runs.get(s, made.runs[0]))
        assert (first.name, first.state, first.config["command"], first.fence) == ("cell-0", "queued", "true", 0)

    def test_unknown_ids_are_not_found(self, store: GroupingStore) -> None:
        for look in (campaigns.get, campaigns.get_sweep, runs.get):
            with pytest.raises(NotFound):
                store.read(lambda s, look=look: look(s, "000000000000"))  # type: ignore[misc]

    def test_an_id_is_found_by_its_prefix(self, store: GroupingStore) -> None:
        made = stored(store, 1)
        assert store.read(lambda s: references.resolve(s, made.campaign[:6])) == ("campaign", made.campaign)
        assert store.read(lambda s: references.resolve(s, made.runs[0])) == ("run", made.runs[0])

    def test_a_read_sees_what_was_acknowledged_before(self, store: GroupingStore) -> None:
        for number in range(20):
            store.write(SYSTEM, lambda s, n=number: s.rows("meta_put", name="n", value=str(n)))  # type: ignore[misc]
            assert store.read(lambda s: s.value("meta_get", name="n")) == str(number)

    def test_a_read_stays_on_one_snapshot(self, store: GroupingStore) -> None:
        def look(session: Session) -> tuple[Any, Any]:
            before = session.value("fence_read")
            in_thread(lambda: store.write(SYSTEM, lambda s: s.value("fence_next")))
            return before, session.value("fence_read")

        assert store.read(look) == (0, 0)
        assert store.read(lambda s: s.value("fence_read")) == 1

    def test_a_read_cannot_change_anything(self, store: GroupingStore) -> None:
        with pytest.raises(StoreUnavailable):
            store.read(lambda s: s.rows("meta_put", name="n", value="1"))
        assert store.read(lambda s: s.value("meta_get", name="n")) is None

    # -- moves

    @pytest.mark.parametrize("machine", [m for m in MACHINES if m is not LEASE], ids=lambda m: f"{m.table}.{m.column}")
    def test_a_move_is_made_from_its_sources_only(self, store: GroupingStore, machine: Machine) -> None:
        def try_all(session: Session) -> None:
            thing = one_of_each(session)[machine.table]
            for arrow in machine.arrows:
                for source in machine.states:
                    force(session, machine, thing, source)
                    before = event_head(session)
                    moved = move(session, machine, thing, arrow.transition)
                    allowed = source in arrow.sources
                    assert moved == allowed, (arrow.transition, source)
                    assert state_of(session, machine, thing) == (arrow.target if allowed else source)
                    assert event_head(session) == before + int(allowed)

        store.write(SYSTEM, try_all)

    def test_a_move_of_an_unknown_thing_is_refused(self, store: GroupingStore) -> None:
        assert not store.write(SYSTEM, lambda s: move(s, RUN, "000000000000", "claim"))

    def test_a_stale_fence_changes_nothing(self, store: GroupingStore) -> None:
        def try_stale(session: Session) -> None:
            attempt = claim(session, submit(session, plan_of(1)).runs[0])
            before = event_head(session)
            for transition in (arrow.transition for arrow in ATTEMPT.arrows):
                for fence in (attempt.fence - 1, attempt.fence + 1, 0, -1):
                    assert not move(session, ATTEMPT, attempt.id, transition, fence=fence)
            session.rows("attempt_observed", id=attempt.id, fence=attempt.fence - 1, now=1.0)
            assert runs.get_attempt(session, attempt.id) == attempt
            assert event_head(session) == before
            assert move(session, ATTEMPT, attempt.id, "confirm", fence=attempt.fence)

        store.write(SYSTEM, try_stale)

    def test_fences_only_grow(self, store: GroupingStore) -> None:
        made = stored(store, 5)
        fences = [store.write(SYSTEM, lambda s, r=run: claim(s, r).fence) for run in made.runs]  # type: ignore[misc]
        assert fences == sorted(set(fences))
        store.write(SYSTEM, lambda s: s.rows("fence_raise", floor=1000))
        store.write(SYSTEM, lambda s: s.rows("fence_raise", floor=10))
        assert store.write(SYSTEM, lambda s: s.value("fence_next")) == 1001

    def test_an_attempt_ends_once(self, store: GroupingStore) -> None:
        made = stored(store, 1)
        attempt = store.write(SYSTEM, lambda s: claim(s, made.runs[0]))
        first = {"reason": "ok", "code": 0, "pid": 7, "record": {"exit": 0}}
        assert store.write(SYSTEM, lambda s: runs.end_attempt(s, attempt, "exit", first))
        late = {"reason": "killed", "signal": 9}
        assert not store.write(SYSTEM, lambda s: runs.end_attempt(s, attempt, "lose", late))
        found = store.read(lambda s: runs.get_attempt(s, attempt.id))
        assert found is not None
        assert (found.state, found.reason, found.code, found.signal, found.pid) == ("exited", "ok", 0, None, 7)
        assert found.record == {"exit": 0}

    def test_devices_are_given_back_once(self, store: GroupingStore) -> None:
        made = stored(store, 1)
        devices = store.write(SYSTEM, lambda s: add_devices(s, 2))
        attempt = store.write(SYSTEM, lambda s: claim(s, made.runs[0], devices=devices))
        assert store.read(lambda s: s.rows("devices_free", target="here", seen_since=0.0)) == []
        assert sorted(store.write(SYSTEM, lambda s: runs.release_leases(s, attempt))) == sorted(devices)
        head = store.read(event_head)
        assert store.write(SYSTEM, lambda s: runs.release_leases(s, attempt)) == []
        assert store.read(event_head) == head
        assert len(store.read(lambda s: s.rows("devices_free", target="here", seen_since=0.0))) == 2

    def test_tallies_equal_the_rows_after_random_moves(self, store: GroupingStore) -> None:
        made = stored(store, 25)
        rng = random.Random(1)
        for _ in range(30):
            store.write(SYSTEM, lambda s: random_moves(s, made, rng))
        rows: dict[str, int] = dict(store.read(lambda s: s.connection.execute(COUNT_RUNS, {"id": made.sweep})))
        assert len(rows) > 3, "the moves reached few states: the test would prove little"
        assert store.read(lambda s: campaigns.sweep_counts(s, made.sweep)) == rows
        assert store.read(lambda s: campaigns.counts(s, made.campaign)) == rows

    # -- what the database forbids

    def test_a_second_live_attempt_of_a_run_is_forbidden(self, store: GroupingStore) -> None:
        made = stored(store, 1)
        attempt = store.write(SYSTEM, lambda s: claim(s, made.runs[0]))
        with pytest.raises(Conflict):
            store.write(SYSTEM, lambda s: insert_attempt(s, made.runs[0], 2, fence=99))
        store.write(SYSTEM, lambda s: move(s, ATTEMPT, attempt.id, "lose", fence=attempt.fence))
        store.write(SYSTEM, lambda s: insert_attempt(s, made.runs[0], 2, fence=99))

    def test_a_second_live_lease_of_a_device_is_forbidden(self, store: GroupingStore) -> None:
        made = stored(store, 2)
        device = store.write(SYSTEM, lambda s: add_devices(s, 1))[0]
        first = store.write(SYSTEM, lambda s: claim(s, made.runs[0], devices=[device]))
        with pytest.raises(Conflict):
            store.write(SYSTEM, lambda s: claim(s, made.runs[1], devices=[device]))
        assert store.read(lambda s: runs.get(s, made.runs[1])).state == "queued"
        store.write(SYSTEM, lambda s: runs.release_leases(s, first))
        store.write(SYSTEM, lambda s: claim(s, made.runs[1], devices=[device]))

    @pytest.mark.parametrize("broken", ["fence", "number", "orphan"])
    def test_attempts_are_unique_and_belong_to_a_run(self, store: GroupingStore, broken: str) -> None:
        made = stored(store, 2)
        first = store.write(SYSTEM, lambda s: claim(s, made.runs[0]))
        store.write(SYSTEM, lambda s: move(s, ATTEMPT, first.id, "lose", fence=first.fence))
        run = {"fence": made.runs[1], "number": made.runs[0], "orphan": "nobody"}[broken]
        fence = first.fence if broken == "fence" else 99
        with pytest.raises(Conflict):
            store.write(SYSTEM, lambda s: insert_attempt(s, run, 1, fence=fence, suffix="x"))

    @pytest.mark.parametrize("machine", MACHINES, ids=lambda m: f"{m.table}.{m.column}")
    def test_an_unknown_state_is_forbidden(self, store: GroupingStore, machine: Machine) -> None:
        store.write(SYSTEM, one_of_each)
        with pytest.raises(Conflict):
            store.write(SYSTEM, lambda s: s.connection.execute(f"UPDATE {machine.table} SET {machine.column} = 'odd'"))

    # -- transactions and groups

    def test_an_exception_undoes_its_request_and_its_events(self, store: GroupingStore) -> None:
        head = store.read(event_head)

        def half(session: Session) -> None:
            session.rows("meta_put", name="half", value="done")
            session.record("test.half", "x")
            raise KeyError("stop")

        with pytest.raises(KeyError, match="stop"):
            store.write(SYSTEM, half)
        assert store.read(lambda s: s.value("meta_get", name="half")) is None
        assert store.read(event_head) == head

    def test_a_failure_in_a_group_leaves_the_others(self, store: GroupingStore) -> None:
        results = group_of(store, [numbered(number, fails=number % 3 == 0) for number in range(12)])
        assert [type(r).__name__ for r in results[::3]] == ["ZeroDivisionError"] * 4
        assert [r for r in results if isinstance(r, int)] == [n for n in range(12) if n % 3]
        recorded = {row[5] for row in store.read(lambda s: s.rows("events_raw", after=0, limit=100))}
        assert recorded == {f"request-{n}" for n in range(12) if n % 3}
        check_chain(store)

    def test_a_forbidden_change_in_a_group_leaves_the_others(self, store: GroupingStore) -> None:
        made = stored(store, 3)

        def twice(session: Session) -> None:
            session.record("test.twice", "x")
            insert_attempt(session, made.runs[0], 1, fence=50)
            insert_attempt(session, made.runs[0], 2, fence=51)

        works: list[Callable[[Session], Any]] = [lambda s: claim(s, made.runs[1]).fence, twice]
        works.append(lambda s: claim(s, made.runs[2]).fence)
        first, second, third = group_of(store, [(SYSTEM, work) for work in works])
        assert isinstance(second, Conflict)
        assert {first, third} == {1, 2}
        assert store.read(lambda s: runs.attempts(s, made.runs[0])) == []
        check_chain(store)

    def test_many_threads_lose_nothing(self, store: GroupingStore) -> None:
        kept: list[int] = []

        def write_200() -> None:
            for _ in range(200):
                kept.append(store.write(SYSTEM, counted))

        run_threads([write_200] * 8)
        assert sorted(kept) == list(range(1, 1601))
        events = store.read(lambda s: s.rows("events_raw", after=0, limit=5000))
        assert sorted(row[8] for row in events) == list(range(1, 1601))
        check_chain(store)

    def test_the_chain_can_be_computed_again(self, store: GroupingStore) -> None:
        made = stored(store, 5)
        store.write(
            Change("a person", "r-1"), lambda s: move_runs(s, made.runs, "cancel", subject=made.campaign, why="☂")
        )
        store.write(SYSTEM, lambda s: move(s, CAMPAIGN, made.campaign, "cancel"))
        assert check_chain(store) >= 5
        assert store.read(lambda s: s.rows("events_last", limit=2))[1][3:5] == ("a person", "r-1")

    def test_the_chain_holds_with_a_clock_of_whole_seconds(self, store: GroupingStore) -> None:
        def work(session: Session) -> None:
            session.now = 5
            session.record("test.whole", "x")

        store.write(SYSTEM, work)
        assert check_chain(store) == 1

    def test_waiting_ends_with_a_commit_of_another_thread(self, store: GroupingStore) -> None:
        seen = store.read(event_head)
        heard: list[int] = []
        listener = threading.Thread(target=lambda: heard.append(store.wait(seen, PATIENCE)))
        listener.start()
        store.write(SYSTEM, counted)
        listener.join(PATIENCE)
        assert heard == [seen + 1]

    def test_waiting_ends_with_its_time(self, store: GroupingStore) -> None:
        seen = store.read(event_head)
        assert store.wait(seen, 0.01) == seen

    def test_closing_twice_is_closing_once(self, store: GroupingStore) -> None:
        store.close()
        store.close()

    # -- values

    def test_an_answer_is_kept_once_per_key(self, store: GroupingStore) -> None:
        key = {"principal": "p", "route": "POST /v1/runs", "key": "k"}
        put = {**key, "fingerprint": "f", "answer": '{"id":1}'}
        assert store.read(lambda s: s.row("answer_get", **key)) is None
        store.write(SYSTEM, lambda s: s.rows("answer_put", **put, now=s.now))
        assert store.read(lambda s: s.row("answer_get", **key)) == ("f", '{"id":1}')
        with pytest.raises(Conflict):
            store.write(SYSTEM, lambda s: s.rows("answer_put", **{**put, "answer": "other"}, now=s.now))
        assert store.read(lambda s: s.row("answer_get", **{**key, "principal": "q"})) is None

    @pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
    def test_hostile_text_comes_back_as_it_was(self, store: GroupingStore, text: str) -> None:
        made = store.write(Change(text, text), lambda s: submit(s, plan_of(1, name=text)))
        assert store.read(lambda s: campaigns.get(s, made.campaign)).name == text
        assert store.read(lambda s: references.resolve(s, text)) == ("campaign", made.campaign)
        assert store.read(lambda s: s.rows("events_last", limit=1))[0][3:5] == (text, text)
        store.write(SYSTEM, lambda s: s.record("test.text", text, note=text))
        assert text in store.read(lambda s: s.rows("events_of", subject=text, after=0, limit=1))[0]
        check_chain(store)

    def test_a_megabyte_comes_back_as_it_was(self, store: GroupingStore) -> None:
        store.write(SYSTEM, lambda s: s.rows("meta_put", name="large", value=LARGE))
        assert store.read(lambda s: s.value("meta_get", name="large")) == LARGE
        store.write(SYSTEM, lambda s: s.record("test.large", "x", text=LARGE))
        check_chain(store)

    @pytest.mark.parametrize("text", ["nul\x00byte", "half a pair \ud800"], ids=["nul", "surrogate"])
    def test_text_that_cannot_be_kept_is_refused(self, store: GroupingStore, text: str) -> None:
        """Or kept as it was: SQLite keeps a NUL. What may not happen is another text, or a broken group."""
        results = group_of(store, [(SYSTEM, lambda s: s.rows("meta_put", name="n", value=text)), numbered(1)])
        kept = store.read(lambda s: s.value("meta_get", name="n"))
        assert isinstance(results[0], Refused) if kept is None else kept == text
        assert results[1] == 1

    @pytest.mark.parametrize(
        "text", ["nul\x00byte", "half a pair \ud800", "x" * 100_000], ids=["nul", "surrogate", "long"]
    )
    def test_looking_for_text_that_cannot_be_kept_is_answered(self, store: GroupingStore, text: str) -> None:
        with pytest.raises(Refused):
            store.read(lambda s: references.resolve(s, text))
        stored(store, 1)

    def test_any_number_comes_back_as_it_was(self, store: GroupingStore) -> None:
        run = stored(store, 1).runs[0]
        metrics = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "zero": -0.0, "tiny": 5e-324, "sum": 0.1 + 0.2}
        for _ in range(2):
            store.write(SYSTEM, lambda s: runs.keep_results(s, run, metrics))
        found = store.read(lambda s: runs.results(s, run))
        assert {name: repr(value) for name, value in found.items()} == {n: repr(v) for n, v in metrics.items()}
        whole = store.read(lambda s: campaigns.get(s, runs.get(s, run).campaign_id or "").id)
        assert store.read(lambda s: runs.campaign_results(s, whole))[run].keys() == metrics.keys()
