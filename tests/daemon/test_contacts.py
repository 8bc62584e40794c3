"""Targets that do not answer: how soon they are asked again, and what comes on record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.daemon.contacts import LONGEST_PAUSE, Contacts
from overnight.store import targets
from overnight.store.base import SYSTEM
from overnight.store.sqlite import SqliteStore
from overnight.testing.clock import FakeClock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(str(tmp_path / "record.db"), FakeClock())
    yield made
    made.close()


def test_this_machine_is_asked_again_at_once_when_its_runner_was_lost() -> None:
    contacts = Contacts()
    for _ in range(3):
        contacts.lost("here", "its runner died", 5.0, near=True)
        assert contacts.may_ask("here", 5.0)


def test_a_host_that_stays_silent_is_asked_ever_more_seldom_and_at_once_when_it_was_found() -> None:
    contacts, now, pauses = Contacts(), 0.0, []
    for _ in range(5):
        contacts.lost("box", "no answer", now, near=False)
        pauses.append(contacts.next - now)
        assert not contacts.may_ask("box", now)
        now = contacts.next
        assert contacts.may_ask("box", now)
    assert pauses == [1.0, 2.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    contacts.found("box")
    contacts.lost("box", "no answer", now, near=False)
    assert contacts.next - now == 1.0


def test_only_changes_come_on_record_and_a_failed_turn_forgets_none(store: SqliteStore) -> None:
    contacts = Contacts()
    store.write(SYSTEM, lambda session: targets.add(session, "box", {"host": "box"}, "file"))
    for _ in range(3):
        contacts.found("box")
    store.write(SYSTEM, contacts.take_in)
    contacts.written()
    contacts.lost("box", "no answer", 1.0, near=False)
    store.read(lambda _: None)  # the turn that should have written it failed
    contacts.lost("box", "still none", 3.0, near=False)
    store.write(SYSTEM, contacts.take_in)
    contacts.written()
    assert contacts.changed == {}
    told = [value for row in store.read(lambda s: s.rows("events_raw", after=0, limit=100)) for value in row]
    assert [it for it in told if it in ("target.found", "target.lost")] == ["target.found", "target.lost"]
    known = store.read(targets.known)["box"]
    assert (known.state, known.detail) == ("unknown", "no answer")
