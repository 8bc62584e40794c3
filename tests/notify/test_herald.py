"""Alerts on record become messages of a real service; time passes as the test says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from overnight.daemon.apprise_messenger import AppriseMessenger
from overnight.daemon.herald import Herald
from overnight.domain.alerts import ANALYSIS, DEFAULT_KINDS, Alert, AlertKind
from overnight.domain.errors import Refused, StoreUnavailable
from overnight.planner.telling import FIRST_PAUSE, GATHERING, GIVING_UP
from overnight.store import alerts
from overnight.store.base import SYSTEM, Session, Store
from overnight.store.marks import alert
from overnight.store.sqlite import SqliteStore
from overnight.testing.clock import FakeClock
from overnight.testing.specimens import stored
from tests.notify.listener import Listener, listening

KINDS = frozenset(DEFAULT_KINDS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    made = SqliteStore(str(tmp_path / "record.db"), clock)
    yield made
    made.close()


def raised(store: Store, number: int = 1, kind: str = "stuck", campaign: str | None = None, detail: str = "d") -> None:
    def work(session: Session) -> None:
        first = session.value("alert_last_seq")
        for seq in range(first, first + number):
            alert(session, kind, f"s{seq}", campaign_id=campaign, title=f"run s{seq} is stuck", detail=detail)

    store.write(SYSTEM, work)


def listed(store: Store) -> list[Alert]:
    return store.read(lambda session: alerts.listed(session, None, 2**62, 10_000))


def herald_of(store: Store, *urls: str) -> Herald:
    return Herald(store, AppriseMessenger(urls, "/", {}), KINDS)


def test_an_alert_is_delivered_once_it_was_gathered_and_marked(
    store: Store, clock: FakeClock, listener: Listener
) -> None:
    raised(store, detail="KeyError")
    herald = herald_of(store, listener.url)
    assert herald.turn() == pytest.approx(GATHERING[0])
    assert listener.messages == []
    clock.advance(GATHERING[0])
    assert herald.turn() is None
    (message,) = listener.messages
    assert message["title"] == "Overnight: run s0 is stuck"
    assert "«KeyError»" in message["message"]
    (told,) = listed(store)
    assert (told.standing, told.tries, told.sent_at) == ("sent", 1, clock.wall())
    assert herald.turn() is None
    assert len(listener.messages) == 1


def test_thousands_of_failures_of_a_night_are_few_messages(store: Store, clock: FakeClock, listener: Listener) -> None:
    campaign = stored(store, 1).campaign
    herald = herald_of(store, listener.url)
    for _ in range(240):
        raised(store, 20, campaign=campaign)
        herald.turn()
        clock.advance(30.0)
    clock.advance(1000.0)
    herald.turn()
    assert {it.standing for it in listed(store)} == {"sent"}
    assert len(listed(store)) == 4_800
    assert 5 <= len(listener.messages) <= 20
    assert sum(1 + int(title.split(" and ")[1].split()[0]) for title in listener.titles if " and " in title) >= 4_700


def test_a_service_that_is_down_is_tried_again_later_and_then_told(
    store: Store, clock: FakeClock, listener: Listener
) -> None:
    listener.answer = lambda _: 503
    raised(store)
    herald = herald_of(store, listener.url)
    clock.advance(GATHERING[0])
    assert herald.turn() == 0.0
    (failed,) = listed(store)
    assert (failed.standing, failed.tries, failed.failure) == ("waiting", 1, "JSON: the service did not take it")
    assert herald.turn() == pytest.approx(FIRST_PAUSE)
    listener.answer = lambda _: 200
    clock.advance(FIRST_PAUSE)
    assert herald.turn() is None
    assert len(listener.messages) == 2
    (told,) = listed(store)
    assert (told.standing, told.tries, told.failure) == ("sent", 2, None)


def test_nobody_at_the_address_is_a_failure_like_any_other(store: Store, clock: FakeClock) -> None:
    with listening() as gone:
        url = gone.url
    raised(store)
    herald = herald_of(store, url)
    clock.advance(GATHERING[0])
    herald.turn()
    assert listed(store)[0].failure == "JSON: the service did not take it"


def test_after_a_day_a_message_is_given_up_and_the_failure_stays(
    store: Store, clock: FakeClock, listener: Listener
) -> None:
    listener.answer = lambda _: 500
    raised(store)
    herald = herald_of(store, listener.url)
    for _ in range(100):
        wait = herald.turn()
        clock.advance(wait or 3600.0)
    (given_up,) = listed(store)
    assert (given_up.standing, given_up.sent_at) == ("given up", None)
    assert given_up.failure
    assert GIVING_UP / 3600.0 <= given_up.tries <= 40
    kinds = [row[5] for row in store.read(lambda session: session.rows("events_last", limit=3))]
    assert "alert.drop" in kinds


def test_a_service_that_took_a_message_does_not_get_it_again_because_another_did_not(
    store: Store, clock: FakeClock, listener: Listener
) -> None:
    with listening() as other:
        other.answer = lambda _: 500
        raised(store)
        herald = herald_of(store, listener.url, other.url)
        clock.advance(GATHERING[0])
        herald.turn()
        other.answer = lambda _: 200
        clock.advance(FIRST_PAUSE)
        assert herald.turn() is None
        assert (len(listener.messages), len(other.messages)) == (1, 2)


def test_a_mark_that_could_not_be_written_does_not_repeat_the_message(
    store: Store, clock: FakeClock, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is full."""
    raised(store)
    herald = herald_of(store, listener.url)
    clock.advance(GATHERING[0])

    def full(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(alerts, "sent", full)
        with pytest.raises(StoreUnavailable):
            herald.turn()
    clock.advance(3600.0)
    herald.turn()
    assert len(listener.messages) == 1
    assert listed(store)[0].standing == "sent"


@pytest.mark.parametrize("messenger", [True, False])
def test_what_nobody_wants_to_hear_is_marked_at_once_and_never_told(
    store: Store, clock: FakeClock, listener: Listener, messenger: bool
) -> None:
    raised(store, kind=AlertKind.IDLE)
    herald = herald_of(store, listener.url) if messenger else Herald(store, None, KINDS)
    assert herald.turn() is None
    assert [it.standing for it in listed(store)] == ["unwanted"]
    clock.advance(60.0)
    herald_of(store, listener.url).turn()
    assert listener.messages == []


def test_the_wish_for_an_analysis_is_nobodys_news(store: Store, clock: FakeClock, listener: Listener) -> None:
    raised(store, kind=ANALYSIS)
    clock.advance(60.0)
    assert herald_of(store, listener.url).turn() is None
    assert listener.messages == []
    assert [it.standing for it in listed(store)] == ["waiting"]


def test_the_end_of_a_process_does_not_wait_for_more_news(store: Store, listener: Listener) -> None:
    raised(store, 3)
    herald_of(store, listener.url).flush()
    assert listener.titles == ["Overnight: run s0 is stuck and 2 more"]


@pytest.mark.parametrize(
    ("urls", "says"),
    [
        (["json://127.0.0.1/", "nosuch://token-4174"], "notify.urls[1] is no address"),
        (["env:NO_SUCH"], "notify.urls[0]"),
        (["file:no-such"], "notify.urls[0]"),
    ],
)
def test_an_address_that_cannot_work_is_refused_without_repeating_it(
    urls: Sequence[str], says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Refused) as caught:
        AppriseMessenger(urls, str(tmp_path), {})
    assert says in str(caught.value)
    assert "config.toml" in str(caught.value.next_step)
    seen = capfd.readouterr()
    assert "4174" not in str(caught.value) + seen.out + seen.err


def test_an_address_may_be_a_reference(tmp_path: Path, listener: Listener) -> None:
    (tmp_path / "hook").write_text(f"{listener.url}\n")
    messenger = AppriseMessenger(["file:hook", "env:HOOK"], str(tmp_path), {"HOOK": listener.url})
    assert [messenger.send(place, "title", "body") for place in (0, 1)] == [None, None]
    assert len(listener.messages) == 2


def test_a_plug_in_that_raises_is_a_failure_that_tells_no_address(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ValueError(listener.url)

    monkeypatch.setattr("apprise.Apprise.notify", explode)
    assert AppriseMessenger([listener.url], "/", {}).send(0, "t", "b") == (
        "the service could not be asked (ValueError)"
    )
