"""Checks the record against itself: the log's hash chain, the tables against the log, the invariants at every event."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from overnight.domain.nouns import Event
from overnight.store import rows
from overnight.store.base import Row, Session, Store
from overnight.store.ledger import GENESIS, event_hash
from overnight.store.lives import Life, Violation
from overnight.store.projection import Projection

CHECKED = (
    "I1", "I6", "I7", "I8", "I9", "I11", "I12", "I13", "I14", "I15", "I16", "I17", "I18", "I19", "I20", "I21", "I25",
)  # fmt: skip
"""The invariants that are looked at, by their names in `docs/notes/verify.md`."""
BATCH = 5_000
"""Rows read at once."""
LISTED = 1_000
"""Violations that a report lists at most; the rest is only counted."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found. `violations` lists the first `LISTED` of the `found` ones, in the order of the log."""

    events: int
    head: str
    """Hash of the last event: write it down elsewhere, and a log that is cut short later can be told."""
    violations: tuple[Violation, ...]
    found: int
    checked: tuple[str, ...] = CHECKED

    @property
    def ok(self) -> bool:
        """Whether nothing at all is wrong."""
        return self.found == 0


def verify(store: Store) -> Report:
    """Read the whole log and all tables on one snapshot; takes time in proportion to their length."""
    return store.read(Audit().check)


class StoredRules:
    """`projection.Rules` from the tables, through whichever session is being read."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._attempts: dict[str, int | None] = {}
        self._sweeps: dict[str, list[Row]] = {}
        self._far: frozenset[str] | None = None

    def read_from(self, session: Session | None) -> None:
        """Use this session from now on; what others said may be out of date."""
        self._session = session
        self._attempts.clear()
        self._sweeps.clear()
        self._far = None

    def attempts(self, sweep_id: str) -> int | None:
        """See `Rules.attempts`."""
        if sweep_id not in self._attempts:
            row = self._rows("sweep_get", id=sweep_id)
            retry = rows.sweep(row[0]).settings.retry if row else None
            most = self._rows("sweep_most_attempts", id=sweep_id)[0][0] if row else None
            self._attempts[sweep_id] = max(retry.attempts + retry.smaller, most or 0) if retry else None
        return self._attempts[sweep_id]

    def runs_needed(self, run_id: str, seq: int) -> list[str]:
        """See `Rules.runs_needed`."""
        return [row[0] for row in self._rows("audit_run_needs", run_id=run_id) if row[1] < seq]

    def sweeps_needed(self, sweep_id: str, seq: int) -> list[str]:
        """See `Rules.sweeps_needed`."""
        if sweep_id not in self._sweeps:
            self._sweeps[sweep_id] = self._rows("audit_sweep_needs", id=sweep_id)
        return [row[0] for row in self._sweeps[sweep_id] if row[1] < seq]

    def is_far(self, target: str) -> bool:
        """See `Rules.is_far`."""
        if self._far is None:
            self._far = frozenset(row[0] for row in self._rows("targets_all"))
        return target in self._far

    def _rows(self, query: str, **arguments: str) -> list[Row]:
        if self._session is None:
            raise RuntimeError("rules are read inside a session only")
        return self._session.rows(query, **arguments)


@dataclass(slots=True)
class _Findings:
    listed: list[Violation] = field(default_factory=list)
    count: int = 0

    def add(self, found: Iterable[Violation]) -> None:
        for violation in found:
            self.count += 1
            if self.count <= LISTED:
                self.listed.append(violation)


class Audit:
    """Follows the log of one store: each call goes on where the last one ended, so it may come after every pass."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = GENESIS
        self.events = 0
        self._rules = StoredRules()
        self.projection = Projection(self._rules)

    def check(self, session: Session) -> Report:
        """Take in all new events, then compare everything with the tables."""
        findings = _Findings()
        findings.add(self.follow(session))
        findings.add(self.compare(session))
        return Report(self.events, self.hash, tuple(findings.listed), findings.count)

    def follow(self, session: Session) -> Iterator[Violation]:
        """What is wrong with the events since the last call; cheap when there are few."""
        self._rules.read_from(session)
        for row in self._events(session):
            if isinstance(row, Violation):
                yield row
                continue
            yield from self._link(row)
            self.events += 1
        self._rules.read_from(None)

    def _events(self, session: Session) -> Iterator[Row | Violation]:
        """Raw events in order; in place of one that the database cannot decode a violation."""
        after, limit = self.seq, BATCH
        while True:
            try:
                batch = session.rows("events_raw", after=after, limit=limit)
            except UnicodeDecodeError:
                if limit == 1:
                    after = session.value("audit_next_seq", after=after)
                    yield Violation("I1", after, "", "this event holds bytes that are no text")
                    self.seq, self.hash = after, ""
                limit = 1
                continue
            yield from batch
            if not batch:
                return
            after, limit = batch[-1][0], BATCH

    def _link(self, row: Row) -> Iterator[Violation]:
        """I1 of one event: its number, the link to the one before, its own hash; then what it means."""
        seq, wall, _, boot_id, actor, request_id, kind, subject, token, payload, previous, digest = row
        if seq != self.seq + 1:
            yield Violation("I1", seq, subject, f"follows event {self.seq}: events between them are missing")
        elif self.hash and previous != self.hash:
            yield Violation("I1", seq, subject, "does not name the hash of the event before it")
        if not _sealed(row):
            yield Violation("I1", seq, subject, "was changed after it was written: its hash does not fit")
        self.seq, self.hash = seq, digest
        try:
            said = json.loads(payload)
        except (TypeError, ValueError):
            yield Violation("I1", seq, subject, "has a payload that is no JSON")
            return
        yield from self.projection.apply(
            Event(seq, wall, boot_id, actor, request_id, kind, subject, token, said, digest)
        )

    def compare(self, session: Session) -> Iterator[Violation]:
        """I1, I8 and I16: the tables are what the events made them."""
        looks = (self._campaigns, self._sweeps, self._devices, self._runs, self._attempts, self._leases)
        for look in (*looks, self._fetches, self._tallies, self._totals, self._wild_sessions, self._fence):
            try:
                yield from look(session)
            except UnicodeDecodeError:
                yield Violation("I1", self.seq, look.__name__.strip("_"), "this table holds bytes that are no text")

    def _fence(self, session: Session) -> Iterator[Violation]:
        given, known = session.value("fence_read") or 0, self.projection.last_token
        if given < known:
            sentence = f"the next token would be {given + 1}, but {known} was given out already"
            yield Violation("I8", self.seq, "fence", sentence)

    def _campaigns(self, session: Session) -> Iterator[Violation]:
        yield from self._gated(session, "campaign", self.projection.campaigns)

    def _sweeps(self, session: Session) -> Iterator[Violation]:
        yield from self._gated(session, "sweep", self.projection.sweeps)

    def _gated(self, session: Session, noun: str, lives: Mapping[str, Life]) -> Iterator[Violation]:
        table = {row[0]: (row[1], row[2]) for row in session.rows(f"audit_{noun}s")}
        yield from self._differences(noun, table, {thing: (life.state, life.gate) for thing, life in lives.items()})

    def _devices(self, session: Session) -> Iterator[Violation]:
        table = {row[0]: row[1] for row in session.rows("audit_devices")}
        yield from self._differences(
            "device", table, {thing: life.state for thing, life in self.projection.devices.items()}
        )

    def _wild_sessions(self, session: Session) -> Iterator[Violation]:
        table = {row[0]: row[1] for row in session.rows("audit_wild_sessions")}
        lives = self.projection.wild_sessions
        yield from self._differences("wild_session", table, {thing: life.state for thing, life in lives.items()})

    def _runs(self, session: Session) -> Iterator[Violation]:
        table = {row[1]: tuple(row[2:]) for row in _paged(session, "audit_runs")}
        kept = self.projection

        def fence(newest: str) -> int:
            return kept.attempts[newest].fence if newest else 0

        said = {thing: (run.state, run.sweep, run.claims, fence(run.newest)) for thing, run in kept.runs.items()}
        yield from self._differences("run", table, said)

    def _attempts(self, session: Session) -> Iterator[Violation]:
        table = {row[1]: (row[2], row[3], row[0], row[4], row[5]) for row in _paged(session, "audit_attempts")}
        said = {
            thing: (attempt.state, attempt.run, attempt.fence, attempt.target, json.dumps(attempt.devices))
            for thing, attempt in self.projection.attempts.items()
        }
        yield from self._differences("attempt", table, said)

    def _leases(self, session: Session) -> Iterator[Violation]:
        table = {f"{row[0]} {row[1]}": row[2] for row in session.rows("audit_leases")}
        said = {" ".join(pair): state for pair, state in self.projection.leases.items()}
        yield from self._differences("lease", table, said)

    def _fetches(self, session: Session) -> Iterator[Violation]:
        table = {row[0]: (row[1], row[2]) for row in session.rows("audit_fetches")}
        said = {thing: (fetch.state, fetch.digest) for thing, fetch in self.projection.homecoming.fetches.items()}
        yield from self._differences("fetch", table, said)

    def _tallies(self, session: Session) -> Iterator[Violation]:
        """I16: the counters equal the rows; that the rows equal the events is I1."""
        kept = {(row[0], row[1]): int(row[2]) for row in session.rows("audit_tallies")}
        counted = {(row[0], row[1]): int(row[2]) for row in session.rows("audit_counts")}
        for sweep, state in sorted(kept.keys() | counted.keys()):
            number, rows_there = kept.get((sweep, state), 0), counted.get((sweep, state), 0)
            if number != rows_there:
                sentence = f"{number} runs are counted as {state}, {rows_there} are"
                yield Violation("I16", self._last_seq("sweep", sweep), sweep, sentence)

    def _totals(self, session: Session) -> Iterator[Violation]:
        """I16: the counters over all sweeps equal the rows."""
        kept = {state: int(number) for state, number in session.rows("totals")}
        counted: Counter[str] = Counter()
        for _, state, number in session.rows("audit_counts"):
            counted[state] += int(number)
        for state in sorted(kept.keys() | counted.keys()):
            if kept.get(state, 0) != counted[state]:
                sentence = f"{kept.get(state, 0)} runs are counted as {state} in all, {counted[state]} are"
                yield Violation("I16", self.seq, "totals", sentence)

    def _differences(self, noun: str, table: Mapping[str, object], said: Mapping[str, object]) -> Iterator[Violation]:
        """I1: one violation per thing of which the table and the events do not say the same."""
        for thing, value in table.items():
            if thing not in said:
                yield Violation("I1", self.seq, thing, f"this {noun} is in the table, but no event made it")
            elif value != said[thing]:
                sentence = f"the table says {value}, the events say {said[thing]}"
                yield Violation("I1", self._last_seq(noun, thing), thing, f"this {noun}: {sentence}")
        for thing in said.keys() - table.keys():
            yield Violation(
                "I1", self._last_seq(noun, thing), thing, f"events made this {noun}, but it is not in the table"
            )

    def _last_seq(self, noun: str, thing: str) -> int:
        """The last event that moved a thing; the end of the log for what has no memory of its own."""
        kept = self.projection
        lives: Mapping[str, Mapping[str, object]] = {
            "campaign": kept.campaigns,
            "sweep": kept.sweeps,
            "device": kept.devices,
            "wild_session": kept.wild_sessions,
            "run": kept.runs,
            "attempt": kept.attempts,
            "fetch": kept.homecoming.fetches,
        }
        found = lives.get(noun, {}).get(thing)
        return int(getattr(found, "seq", self.seq))


def _sealed(row: Row) -> bool:
    """Whether an event's hash is that of its fields; what cannot even be encoded is not."""
    try:
        return event_hash(row[10], tuple(row[:10])) == str(row[11])
    except (TypeError, ValueError):
        return False


def _paged(session: Session, query: str) -> Iterator[Row]:
    """All rows of a query whose first column is its key, in batches."""
    after = -1
    while batch := session.rows(query, after=after, limit=BATCH):
        yield from batch
        after = batch[-1][0]
