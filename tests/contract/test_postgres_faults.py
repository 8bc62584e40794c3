"""A PostgreSQL that stops, a network that loses commits, a second server: nothing is lost or done twice."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import StoreRefused, StoreUnavailable
from overnight.store import postgres_link, postgres_writer
from overnight.store.base import SYSTEM, Session
from overnight.store.ledger import Ledger
from overnight.store.postgres import PostgresStore
from overnight.testing.store_probes import check_chain, counted, event_head, numbered, run_threads, until
from tests.parts.cutting_proxy import Cut, CuttingProxy
from tests.parts.postgres import PostgresServer

pytestmark = pytest.mark.real("postgresql")

CUTS = 40
"""Commits that are cut per kind of cut."""
STOPS = 20
"""Crashes of the server."""


@contextmanager
def opened(url: str) -> Iterator[PostgresStore]:
    store = PostgresStore(url, SystemClock())
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_link, "LOCK_TIMEOUT", "200ms")


@pytest.fixture
def proxy(postgres_server: PostgresServer) -> Iterator[CuttingProxy]:
    found = CuttingProxy(postgres_server.port, b"COMMIT\x00")
    yield found
    found.close()


def through(url: str, proxy: CuttingProxy) -> str:
    head, _, database = url.rpartition("/")
    return f"{head.rpartition(':')[0]}:{proxy.port}/{database}"


def test_a_commit_whose_answer_was_lost_is_answered_as_done_and_done_once(url: str, proxy: CuttingProxy) -> None:
    with opened(through(url, proxy)) as store:
        for number in range(CUTS):
            proxy.arm(Cut.ANSWER)
            assert store.write(*numbered(number)) == number
        assert proxy.cuts == CUTS
        assert store.read(event_head) == CUTS
        check_chain(store)


def test_a_commit_that_never_arrived_changed_nothing_and_says_so(url: str, proxy: CuttingProxy) -> None:
    with opened(through(url, proxy)) as store:
        for number in range(CUTS):
            proxy.arm(Cut.REQUEST)
            with pytest.raises(StoreUnavailable, match="lost") as caught:
                store.write(*numbered(number))
            assert "nothing was changed" in str(caught.value.next_step)
            assert store.write(*numbered(number)) == number
        assert proxy.cuts == CUTS
        assert store.read(event_head) == CUTS
        check_chain(store)


@pytest.mark.parametrize("cut", Cut)
def test_a_lost_commit_without_events_is_settled_too(url: str, proxy: CuttingProxy, cut: Cut) -> None:
    def put(session: Session) -> None:
        session.rows("meta_put", name="quiet", value="1")

    with opened(through(url, proxy)) as store:
        proxy.arm(cut)
        if cut is Cut.ANSWER:
            store.write(SYSTEM, put)
        else:
            with pytest.raises(StoreUnavailable, match="lost"):
                store.write(SYSTEM, put)
        kept = store.read(lambda s: s.value("meta_get", name="quiet"))
        assert kept == ("1" if cut is Cut.ANSWER else None)


def test_an_outcome_that_nobody_can_tell_is_called_unknown(
    url: str, proxy: CuttingProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "SETTLE_TRIES", 3)
    monkeypatch.setattr(postgres_writer, "SETTLE_PAUSE", 0.01)
    with opened(through(url, proxy)) as store:
        assert store.write(SYSTEM, counted) == 1
        proxy.arm(Cut.ANSWER)
        proxy.refusing = True
        with pytest.raises(StoreUnavailable, match="unknown"):
            store.write(SYSTEM, counted)
        proxy.refusing = False
        assert store.write(SYSTEM, counted) == 3
        check_chain(store)


def test_work_that_lost_its_connection_is_undone_and_not_run_again(url: str) -> None:
    ran: list[int] = []

    def cut_off(session: Session) -> None:
        ran.append(1)
        session.record("test.half", "x")
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
        session.record("test.half", "x")

    with opened(url) as store:
        with pytest.raises(StoreUnavailable, match="reached"):
            store.write(SYSTEM, cut_off)
        assert len(ran) == 1
        assert store.read(event_head) == 0
        assert store.write(SYSTEM, counted) == 1


def test_no_acknowledged_write_is_lost_when_the_server_crashes() -> None:
    server = PostgresServer(safe=True)
    try:
        server.start()
        with opened(server.create_database("crash")) as store:
            acknowledged: set[str] = set()
            for stop in range(STOPS):
                acknowledged |= write_through_a_crash(store, server, stop)
            rows = store.read(lambda s: s.rows("events_raw", after=0, limit=1_000_000))
            written = [row[7] for row in rows]
            assert len(written) == len(set(written)), "a write was carried out twice"
            assert acknowledged <= set(written), "an acknowledged write was lost"
            assert len(acknowledged) >= STOPS
            check_chain(store)
    finally:
        server.remove()


def write_through_a_crash(store: PostgresStore, server: PostgresServer, stop: int) -> set[str]:
    """Four threads write until the server has crashed and come back; returns what was acknowledged."""
    acknowledged: set[str] = set()
    back = threading.Event()

    def write(thread: int) -> None:
        number = 0
        while not back.is_set():
            subject = f"{stop}-{thread}-{number}"
            number += 1
            try:
                store.write(SYSTEM, lambda s, subject=subject: s.record("test.crash", subject))  # type: ignore[misc]
                acknowledged.add(subject)
            except StoreUnavailable:
                back.wait(0.01)

    def crash() -> None:
        until(lambda: len(acknowledged) > 20)
        server.stop("immediate")
        server.start()
        back.set()

    run_threads([crash, *(lambda t=thread: write(t) for thread in range(4))])  # type: ignore[misc]
    return acknowledged


def test_reads_go_on_after_the_server_ended_their_connections(url: str, postgres_server: PostgresServer) -> None:
    with opened(url) as store:
        store.write(SYSTEM, counted)
        end_all_connections(url, postgres_server)
        assert store.read(event_head) == 1
        end_all_connections(url, postgres_server)
        assert store.write(SYSTEM, counted) == 2


def end_all_connections(url: str, server: PostgresServer) -> None:
    with psycopg.connect(server.url(), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (url.rpartition("/")[2],)
        )


def test_a_commit_of_another_process_is_heard_of(url: str, postgres_server: PostgresServer) -> None:
    with opened(url) as here, opened(url) as there:
        assert there.write(SYSTEM, counted) == 1
        assert here.wait(0, 10.0) == 1
        end_all_connections(url, postgres_server)
        there.write(SYSTEM, counted)
        assert here.wait(1, 10.0) == 2


def test_a_notice_that_lies_changes_nothing(url: str) -> None:
    with opened(url) as store, psycopg.connect(url, autocommit=True) as other:
        for text in ("999", "-1", "nonsense", "", "9" * 30):
            other.execute("SELECT pg_notify('overnight_events', %s)", (text,))
        with opened(url) as there:
            there.write(SYSTEM, counted)
        assert store.wait(0, 10.0) == 1


def test_the_event_chain_is_one_over_several_processes(url: str) -> None:
    with opened(url) as first, opened(url) as second, opened(url) as third:

        def write_50(store: PostgresStore) -> None:
            for _ in range(50):
                store.write(SYSTEM, counted)

        run_threads([lambda s=store: write_50(s) for store in (first, second, third)])  # type: ignore[misc]
        assert check_chain(second) == 150


@pytest.mark.usefixtures("impatient")
def test_a_second_server_is_refused_with_the_name_of_the_first(url: str) -> None:
    with opened(url) as second:
        with opened(url) as first:
            first.exclusive()
            first.exclusive()
            with pytest.raises(StoreRefused, match=r"overnight on \S+ pid \d+"):
                second.exclusive()
        second.exclusive()


@pytest.mark.usefixtures("impatient")
def test_a_server_that_lost_its_lock_to_another_cannot_write(url: str, postgres_server: PostgresServer) -> None:
    with opened(url) as first, opened(url) as second:
        first.exclusive()
        end_all_connections(url, postgres_server)
        second.exclusive()
        with pytest.raises(StoreUnavailable, match="took over"):
            first.write(SYSTEM, counted)
        assert second.write(SYSTEM, counted) == 1


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_somebody_keeps_ends_in_a_bounded_refusal(url: str) -> None:
    with opened(url) as store, psycopg.connect(url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", (postgres_writer.CHAIN_KEY,))
        with pytest.raises(StoreUnavailable, match="busy"):
            store.write(SYSTEM, counted)
        other.rollback()
        assert store.write(SYSTEM, counted) == 1


def test_commits_are_synchronous_whatever_the_server_says(url: str) -> None:
    with opened(url) as store:
        assert store.write(SYSTEM, lambda s: s.connection.execute("SHOW synchronous_commit")) == [("on",)]
        assert store.write(SYSTEM, lambda s: s.connection.execute("SHOW transaction_isolation")) == [
            ("read committed",)
        ]
        assert store.read(lambda s: s.connection.execute("SHOW transaction_isolation")) == [("repeatable read",)]


def test_a_server_that_may_lose_data_is_named_in_the_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with opened(url):
        assert "fsync=off" in caplog.text
        assert "app@" not in caplog.text


# -- databases that are refused


def test_a_database_of_another_program_is_refused(url: str) -> None:
    with psycopg.connect(url) as other:
        other.execute("CREATE TABLE customers (id int)")
    with pytest.raises(StoreRefused, match="customers"):
        PostgresStore(url, SystemClock())


def test_a_newer_schema_is_refused(url: str) -> None:
    with opened(url) as store:
        store.write(SYSTEM, lambda s: s.rows("meta_put", name="schema", value="9999"))
    with pytest.raises(StoreRefused, match="newer"):
        PostgresStore(url, SystemClock())


def test_a_database_that_cannot_keep_every_character_is_refused(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database("latin", "ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(StoreRefused, match="LATIN1"):
        PostgresStore(url, SystemClock())


def test_a_server_that_takes_no_writes_is_unavailable(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{url.rpartition("/")[2]}" SET default_transaction_read_only = on'.encode())
    with pytest.raises(StoreUnavailable, match="read-only"):
        PostgresStore(url, SystemClock())


def test_no_server_is_unavailable_and_the_password_stays_secret() -> None:
    with pytest.raises(StoreUnavailable, match="reached") as caught:
        PostgresStore("postgresql://app:hunter2@127.0.0.1:1/nothing", SystemClock())
    assert "hunter2" not in str(caught.value)


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(StoreRefused, match="cannot be read") as caught:
        PostgresStore("postgresql://app:hunter2@[nowhere", SystemClock())
    assert "hunter2" not in str(caught.value)


def test_two_that_start_together_migrate_once(url: str) -> None:
    def start() -> None:
        with opened(url) as store:
            store.write(SYSTEM, counted)

    run_threads([start] * 4)
    with opened(url) as store:
        assert check_chain(store) == 4


def test_a_migration_that_was_cut_off_begins_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from overnight.store import migrate

    good = migrate.migrations()
    monkeypatch.setattr(migrate, "migrations", lambda: [(1, good[0][1] + "SELECT 1 / 0;")])
    with pytest.raises(StoreRefused, match="division by zero"):
        PostgresStore(url, SystemClock())
    monkeypatch.setattr(migrate, "migrations", lambda: good)
    with opened(url) as store:
        assert store.write(SYSTEM, counted) == 1


def test_without_psycopg_the_refusal_says_how_to_get_it() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from overnight.domain.errors import StoreRefused\n"
        "try:\n    import overnight.store.postgres\n"
        "except StoreRefused as error:\n    print(error.next_step)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "overnight[postgres]" in found.stdout


def test_the_pen_writes_on_after_a_settled_commit(url: str, proxy: CuttingProxy) -> None:
    with opened(through(url, proxy)) as store:
        proxy.arm(Cut.ANSWER)
        store.write(SYSTEM, counted)
        assert store.wait(0, 10.0) == 1
        pen = store.write(SYSTEM, lambda s: s.pen)
        assert isinstance(pen, Ledger)
        assert pen.seq == 1
