"""The store on PostgreSQL, through psycopg 3: for several processes on one record.

Every writing transaction first takes one advisory lock, so that the event chain is serial over all processes; what
waits in this process meanwhile goes into the next transaction together.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from overnight.clock import Clock
from overnight.domain.errors import StoreRefused, StoreUnavailable
from overnight.store import postgres_link as link
from overnight.store.base import Change, Session
from overnight.store.groups import Groups, Request, carry_out, fail
from overnight.store.ledger import Ledger, read_head
from overnight.store.migrate import migrate
from overnight.store.postgres_link import Failure, PostgresConnection, Raw
from overnight.store.postgres_listener import CHANNEL, Listener
from overnight.store.postgres_readers import Readers
from overnight.store.postgres_writer import Mark, Writer
from overnight.store.watch import Watch

T = TypeVar("T")

log = logging.getLogger(__name__)

MIGRATION_KEY = 0x4F56_4E54_0000_0003
"""Advisory lock of whoever changes the schema."""


class PostgresStore:
    """Facts on a server. What waits is committed by whoever holds the writer, in one transaction for all."""

    broken: str | None = None
    """Never set: a PostgreSQL whose sync failed restarts from its own log."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Open the database at `url` and bring its schema up to date.

        Raises StoreRefused when it cannot be used safely (not ours, newer, too old a server, not UTF-8), and
        StoreUnavailable when no server that takes writes answers within five seconds.
        """
        self._clock = clock
        self._url = url
        self._where = link.where(url)
        self._prepare()
        self._groups = Groups(self._commit)
        self._writer = Writer(lambda: link.connect(url))
        self._readers = Readers(lambda: link.connect(url))
        self._watch = Watch(self.read(lambda session: session.value("event_head") or 0))
        self._listener = Listener(lambda: link.connect(url, autocommit=True), self._watch)

    @property
    def clock(self) -> Clock:
        """The clock that stamps events."""
        return self._clock

    @property
    def waiting(self) -> int:
        """How many writes wait for the next commit."""
        return self._groups.waiting

    def exclusive(self) -> None:
        """Keep every other server off this database until `close`: one daemon per database.

        Raises StoreRefused naming who holds it. After a lost connection the lock is taken again before the next write;
        when another server was quicker, that write gets StoreUnavailable.
        """
        with self._groups.writer_lock:
            try:
                self._writer.be_exclusive()
            except Failure as error:
                raise link.translated(error) from error

    def write(self, change: Change, work: Callable[[Session], T], /) -> T:
        """See `Store.write`.

        When the connection is lost during the commit, this asks the database, once it is back, what became of it. If
        it stays away for long, StoreUnavailable says that the outcome is unknown.
        """
        return self._groups.submit(change, work)

    def read(self, work: Callable[[Session], T], /) -> T:
        """See `Store.read`. When the connection turns out to be lost, `work` is run once more on a new snapshot."""
        try:
            return self._readers.run(lambda found: work(Session(found, self._clock.wall(), Change("reader"))))
        except (Failure, UnicodeEncodeError) as error:
            raise link.translated(error) from error

    def wait(self, seen: int, timeout: float) -> int:
        """See `Store.wait`; commits of other processes are heard of too."""
        return self._watch.wait(seen, timeout)

    def close(self) -> None:
        """See `Store.close`."""
        with self._groups.writer_lock:
            self._writer.close()
        self._readers.close()
        self._listener.close()

    def _commit(self, group: list[Request]) -> None:
        """Carry out a group in one transaction; what fails by itself hits only its own request."""
        try:
            self._watch.advance(self._attempt(group))
        except Failure as error:
            fail(group, link.translated(error))
        except StoreUnavailable as error:
            fail(group, error)

    def _attempt(self, group: list[Request]) -> int:
        """One transaction for all; returns the number of its last event."""
        connection, xid = self._writer.begin()
        try:
            session = Session(connection, self._clock.wall(), group[0].change)
            session.pen = read_head(session, self._clock)
            before = session.pen.seq
            carry_out(
                group,
                session,
                execute=lambda sql: connection.raw.execute(sql.encode()),
                fatal=lambda error: link.lost(connection.raw, error),
                translate=link.translated,
            )
            mark = _announce(connection, session.pen, xid, before)
        except BaseException:
            self._writer.abandon()
            raise
        self._writer.commit(mark)
        return session.pen.seq

    def _prepare(self) -> None:
        try:
            with link.connect(self._url, autocommit=True) as raw:
                _refuse_unfit(raw, self._where)
                # Of two processes that start together the second waits, then finds nothing to do. Ends with `raw`.
                PostgresConnection(raw).rows("session_lock", key=MIGRATION_KEY)
                migrate(_PostgresMigrator(raw), postgres=True, where=self._where)
                for name, _ in PostgresConnection(raw).rows("server_durability"):
                    log.warning("%s runs with %s=off: it can lose or corrupt data when it crashes", self._where, name)
        except link.Away as error:
            raise link.translated(error) from error
        except Failure as error:
            raise StoreRefused(
                f"{self._where} cannot be prepared: {link.first_line(error)}",
                next_step="Give the role of OVERNIGHT_DATABASE_URL a database that it owns.",
            ) from error


def _announce(connection: PostgresConnection, pen: Ledger, xid: str, before: int) -> Mark:
    """Tell the other processes of new events, if there are any, as part of the transaction."""
    if pen.seq == before:
        return Mark(xid)
    connection.rows("chain_notify", channel=CHANNEL, seq=pen.seq)
    return Mark(xid, (pen.seq, pen.hash))


def _refuse_unfit(raw: Raw, where: str) -> None:
    if raw.info.server_version < link.OLDEST_SERVER:
        raise StoreRefused(
            f"{where} runs PostgreSQL {raw.info.server_version // 10_000}, which is too old",
            next_step=f"Use PostgreSQL {link.OLDEST_SERVER // 10_000} or newer.",
        )
    encoding = raw.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreRefused(
            f"{where} stores text as {encoding}, which cannot keep every character",
            next_step="Create the database with ENCODING 'UTF8' TEMPLATE template0.",
        )


class _PostgresMigrator:
    """Migrations on an autocommit connection, so that each is a transaction of its own."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._connection = PostgresConnection(raw)

    def tables(self) -> frozenset[str]:
        return frozenset(row[0] for row in self._connection.rows("tables_here"))

    def version(self) -> int:
        found = self._connection.rows("meta_get", name="schema")
        return int(found[0][0]) if found else 0

    def apply(self, number: int, statements: Sequence[str]) -> None:
        with self._raw.transaction():
            for statement in statements:
                self._connection.execute(statement)
            self._connection.rows("meta_put", name="schema", value=str(number))
