"""`verify` finds nothing in a sound record, and names exactly the invariant that a damage breaks."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.states import MACHINES
from overnight.store.base import SYSTEM, Session
from overnight.store.sqlite import SqliteStore
from overnight.store.verify import Audit, Report, verify
from tests.verify.record import DEVICES, Forger, Record, campaign_plan, fill, open_store

Ids = dict[str, str]
Damage = Callable[[Forger, Ids], None]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ids]:
    """A closed database with a sound record, and the ids of what is in it."""
    path = tmp_path_factory.mktemp("sound") / "record.db"
    store = open_store(path)
    ids = fill(store)
    store.close()
    return path, ids


@pytest.fixture
def copied(sound: tuple[Path, Ids], tmp_path: Path) -> Iterator[tuple[SqliteStore, Forger, Ids]]:
    """A copy of it, open, with a forger at work."""
    path, ids = sound
    copy = tmp_path / "record.db"
    shutil.copy(path, copy)
    store = open_store(copy)
    forger = Forger(copy)
    yield store, forger, ids
    forger.raw.close()
    store.close()


def names(report: Report) -> set[str]:
    return {violation.invariant for violation in report.violations}


def test_a_sound_record_has_no_violations(copied: tuple[SqliteStore, Forger, Ids]) -> None:
    report = verify(copied[0])
    assert report.ok, report.violations
    assert report.events == copied[1].value("SELECT count(*) FROM events")
    assert report.head == copied[1].value("SELECT hash FROM events ORDER BY seq DESC LIMIT 1")


def test_the_sound_record_takes_nearly_every_arrow(copied: tuple[SqliteStore, Forger, Ids]) -> None:
    """Else the tests below would say little."""
    taken = {row[0] for row in copied[1].sql("SELECT DISTINCT kind FROM events")}
    every = {f"{machine.noun}.{arrow.transition}" for machine in MACHINES for arrow in machine.arrows}
    assert every - taken == {
        "campaign.fail",
        "campaign.cancel",
        "campaign.reopen",
        "sweep.reopen",
        "run.skip",
        "run.recall",
    }


def test_an_empty_store_has_no_violations(tmp_path: Path) -> None:
    store = open_store(tmp_path / "empty.db")
    assert verify(store).ok
    assert verify(store).events == 0
    store.close()


def _change_payload(forger: Forger, ids: Ids) -> None:
    forger.sql("""UPDATE events SET payload = '{"note":"other"}' WHERE kind = 'run.annotate' AND seq = 1""")


def _change_actor(forger: Forger, ids: Ids) -> None:
    forger.sql("UPDATE events SET actor = 'eve' WHERE kind = 'campaign.pause'")


def _change_time(forger: Forger, ids: Ids) -> None:
    forger.sql("UPDATE events SET wall = wall + 0.001 WHERE seq = 9")


def _drop_a_note(forger: Forger, ids: Ids) -> None:
    forger.sql("DELETE FROM events WHERE kind = 'run.annotate' AND seq > 1")


def _drop_and_close_the_gap(forger: Forger, ids: Ids) -> None:
    _drop_a_note(forger, ids)
    gap = (
        forger.value("SELECT min(seq) FROM events e WHERE NOT EXISTS (SELECT 1 FROM events n WHERE n.seq = e.seq + 1)")
        + 1
    )
    forger.sql("UPDATE events SET seq = -seq WHERE seq > ?", gap)
    forger.sql("UPDATE events SET seq = -seq - 1 WHERE seq < 0")


def _cut_the_end(forger: Forger, ids: Ids) -> None:
    """An acknowledged end that is lost shows in the tables, which still have it."""
    forger.sql("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)")


def _swap(forger: Forger, ids: Ids) -> None:
    low, high = (row[0] for row in forger.sql("SELECT seq FROM events WHERE kind = 'run.annotate'"))
    for before, after in ((low, -1), (high, low), (-1, high)):
        forger.sql("UPDATE events SET seq = ? WHERE seq = ?", after, before)


def _state(table: str, column: str, value: str, where: str = "1") -> Damage:
    def damage(forger: Forger, ids: Ids) -> None:
        forger.sql(
            f"UPDATE {table} SET {column} = ? WHERE rowid = (SELECT min(rowid) FROM {table} WHERE {where})", value
        )
        assert forger.raw.changes() == 1

    return damage


def _state_of_a_run(forger: Forger, ids: Ids) -> None:
    """The tallies go along, so only the log can tell."""
    forger._enter(ids["queued"], "waiting")


def _lose_a_row(forger: Forger, ids: Ids) -> None:
    forger.sql("DELETE FROM leases WHERE attempt_id = ?", ids["live"])


def _add_a_row(forger: Forger, ids: Ids) -> None:
    forger.sql(
        "INSERT INTO devices SELECT 'here/slot9', target, kind, 9, uuid, name, 0, state, NULL, NULL, 1, NULL, 0"
        " FROM devices LIMIT 1"
    )


def _tally(forger: Forger, ids: Ids) -> None:
    forger.sql("UPDATE tallies SET number = number + 1 WHERE sweep_id = ? AND state = 'queued'", ids["lone sweep"])


def _unknown_kind(forger: Forger, ids: Ids) -> None:
    forger.event("run.explode", ids["queued"])


def _wrong_source(forger: Forger, ids: Ids) -> None:
    forger.run(ids["queued"], "wake")


def _unknown_run(forger: Forger, ids: Ids) -> None:
    forger.event("run.wake", "feedfeedfeed", ids=["feedfeedfeed"])


def _event(kind: str, subject: str, **payload: Any) -> Damage:
    def damage(forger: Forger, ids: Ids) -> None:
        forger.event(kind, ids.get(subject, subject), **payload)

    return damage


def _a_time_that_is_none(forger: Forger, ids: Ids) -> None:
    forger.sql("UPDATE events SET wall = x'00' WHERE seq = 5")


def _leave_success(forger: Forger, ids: Ids) -> None:
    forger.run(ids["succeeded"], "release")


def _retry_by_itself(forger: Forger, ids: Ids) -> None:
    forger.run(ids["failed"], "retry", actor="system")


def _end_twice(forger: Forger, ids: Ids) -> None:
    attempt = f"{ids['succeeded']}.1"
    forger.attempt(attempt, "lose", forger.fence(attempt))


def _old_token(forger: Forger, ids: Ids) -> None:
    """A token that was burnt, and is used after a newer one."""
    forger.claim(ids["queued"], DEVICES[2], token=forger.fence(ids["live"]) + 1)


def _fence_goes_back(forger: Forger, ids: Ids) -> None:
    forger.sql("UPDATE fence SET value = value - 1")


def _second_live_attempt(forger: Forger, ids: Ids) -> None:
    forger.claim(ids["running"], DEVICES[2])


def _foreign_token(forger: Forger, ids: Ids) -> None:
    forger.attempt(ids["live"], "confirm", forger.fence(ids["live"]) + 1)


def _stopped_with_foreign_token(forger: Forger, ids: Ids) -> None:
    forger.attempt(ids["live"], "order_stop", forger.fence(ids["live"]) - 1)


def _stopped_though_nobody_asked(forger: Forger, ids: Ids) -> None:
    forger.attempt(ids["live"], "order_stop", 0)


def _stopped_by_its_holder_though_it_does_not_hang(forger: Forger, ids: Ids) -> None:
    forger.attempt(ids["live"], "order_stop", forger.fence(ids["live"]))


LEASE = {"last_beat": 0.0, "lease": 900.0, "grace": 30.0, "now": 930.0}


def _lost_by_a_lease_that_it_never_had(forger: Forger, ids: Ids) -> None:
    forger.attempt(ids["live"], "lose", forger.fence(ids["live"]), lease=LEASE)


def _judged_with_foreign_token(forger: Forger, ids: Ids) -> None:
    token = forger.fence(ids["live"])
    forger.attempt(ids["live"], "exit", token)
    forger.run(ids["running"], "fail", token + 1, attempt=ids["live"])


def _success_of_another_attempt(forger: Forger, ids: Ids) -> None:
    token = forger.fence(ids["live"])
    forger.attempt(ids["live"], "exit", token)
    forger.run(ids["running"], "succeed", token, attempt=f"{ids['succeeded']}.1")


def _success_of_a_lost_attempt(forger: Forger, ids: Ids) -> None:
    token = forger.fence(ids["live"])
    forger.attempt(ids["live"], "lose", token)
    forger.run(ids["running"], "succeed", token, attempt=ids["live"])


def _too_many_attempts(forger: Forger, ids: Ids) -> None:
    run = ids["queued"]
    for _ in range(3):
        attempt, token = forger.claim(run)
        forger.attempt(attempt, "exit", token)
        forger.run(run, "delay", token, attempt=attempt)
        forger.run(run, "wake")


def _too_many_interruptions(forger: Forger, ids: Ids) -> None:
    run = ids["queued"]
    for _ in range(4):
        attempt, token = forger.claim(run)
        forger.attempt(attempt, "lose", token)
        forger.run(run, "requeue", token, attempt=attempt)


def _before_its_cell(forger: Forger, ids: Ids) -> None:
    forger.run(ids["waiting"], "release")
    forger.claim(ids["waiting"], DEVICES[2])


def _before_its_sweep(forger: Forger, ids: Ids) -> None:
    forger.run(ids["report"], "release")
    forger.claim(ids["report"], DEVICES[2])


def _after_cancel(forger: Forger, ids: Ids) -> None:
    forger.claim(ids["cancelled"], DEVICES[2])


def _requeue_while_alive(forger: Forger, ids: Ids) -> None:
    forger.run(ids["running"], "requeue", forger.fence(ids["live"]), attempt=ids["live"])


def _device_held_twice(forger: Forger, ids: Ids) -> None:
    forger.claim(ids["queued"], DEVICES[0])


def _alone_beside_sharing_ones(forger: Forger, ids: Ids) -> None:
    forger.claim(ids["queued"], DEVICES[3])


def _sharing_beside_one_that_is_alone(forger: Forger, ids: Ids) -> None:
    forger.claim(ids["queued"], DEVICES[0], share=3)


def _more_than_it_bears(forger: Forger, ids: Ids) -> None:
    forger.claim(ids["queued"], DEVICES[3], share=2)


def _device_of_nowhere(forger: Forger, ids: Ids) -> None:
    forger.claim(ids["queued"], "moon/slot0")


def _released_twice(forger: Forger, ids: Ids) -> None:
    attempt = f"{ids['succeeded']}.1"
    forger.release(attempt, forger.fence(attempt), DEVICES[2])


def _released_by_another(forger: Forger, ids: Ids) -> None:
    attempt = f"{ids['succeeded']}.1"
    forger.release(attempt, forger.fence(attempt), DEVICES[0])


def _released_with_foreign_token(forger: Forger, ids: Ids) -> None:
    token = forger.fence(ids["live"])
    forger.attempt(ids["live"], "exit", token)
    forger.release(ids["live"], token + 1, DEVICES[0])


def _released_while_alive(forger: Forger, ids: Ids) -> None:
    forger.release(ids["live"], forger.fence(ids["live"]), DEVICES[0])


def _quarantined_device(forger: Forger, ids: Ids) -> None:
    forger.claim(ids["queued"], DEVICES[1])


def _success_before_its_files_are_here(forger: Forger, ids: Ids) -> None:
    attempt = f"{ids['coming']}.1"
    forger.run(ids["coming"], "succeed", forger.fence(attempt), attempt=attempt)


def _success_elsewhere_without_its_files(forger: Forger, ids: Ids) -> None:
    forger.sql("INSERT INTO targets VALUES ('here', '{}', 'file', 'ada', 1, 'unknown', NULL, 1)")
    token = forger.fence(ids["live"])
    forger.attempt(ids["live"], "exit", token)
    forger.run(ids["running"], "succeed", token, attempt=ids["live"])


def _given_up_before_its_files_are(forger: Forger, ids: Ids) -> None:
    attempt = f"{ids['coming']}.1"
    forger.run(ids["coming"], "fail", forger.fence(attempt), attempt=attempt)


def _verified_by_nothing(forger: Forger, ids: Ids) -> None:
    forger.fetch(f"{ids['coming']}.1", "complete")


def _waits_for_nothing(forger: Forger, ids: Ids) -> None:
    token = forger.fence(ids["live"])
    forger.attempt(ids["live"], "exit", token)
    forger.run(ids["running"], "collect", token, attempt=ids["live"])


def _files_of_a_live_attempt(forger: Forger, ids: Ids) -> None:
    forger.sql(INSERT_FETCH, ids["live"], ids["running"])
    forger.event("fetch.create", ids["live"], forger.fence(ids["live"]))


def _files_expected_by_a_foreign_token(forger: Forger, ids: Ids) -> None:
    attempt = f"{ids['succeeded']}.1"
    forger.sql(INSERT_FETCH, attempt, ids["succeeded"])
    forger.event("fetch.create", attempt, forger.fence(attempt) + 1)


def _files_come_twice(forger: Forger, ids: Ids) -> None:
    for _ in range(2):
        forger.fetch(f"{ids['coming']}.1", "complete", digest="ab" * 32)


INSERT_FETCH = "INSERT INTO fetches (id, run_id, target, state, created_at) VALUES (?, ?, 'box', 'pending', 1)"

DAMAGES: list[tuple[Damage, str]] = [
    *(
        (damage, "I1")
        for damage in (_change_payload, _change_actor, _change_time, _drop_a_note, _drop_and_close_the_gap)
    ),
    *((damage, "I1") for damage in (_cut_the_end, _swap, _state_of_a_run, _lose_a_row, _add_a_row)),
    (_state("campaigns", "state", "failed"), "I1"),
    (_state("campaigns", "gate", "paused"), "I1"),
    (_state("sweeps", "state", "active", "state = 'settled'"), "I1"),
    (_state("sweeps", "gate", "paused", "gate = 'open'"), "I1"),
    (_state("attempts", "state", "lost", "state = 'exited'"), "I1"),
    (_state("attempts", "devices", '["here/slot7"]'), "I1"),
    (_state("devices", "state", "healthy", "state = 'quarantined'"), "I1"),
    (_state("leases", "state", "released", "state = 'held'"), "I1"),
    (_state("runs", "fence", "99", "state = 'running'"), "I1"),
    (_a_time_that_is_none, "I1"),
    (_event("run.claim", "queued"), "I1"),
    (_event("run.wake", "queued", ids=7), "I1"),
    (_event("device.create", DEVICES[0]), "I6"),
    (_event("device.restore", "moon/slot0"), "I6"),
    (_event("attempt.exit", "moon.1"), "I6"),
    (_event("lease.release", "moon.1", devices=[]), "I6"),
    (_event("run.claim", "moon", attempt="moon.1", token=10**6, devices=[]), "I6"),
    (_event("run.create", "lone sweep", ids=[], state="running"), "I6"),
    (_event("run.create", "moon", ids=[], state="queued"), "I6"),
    *((damage, "I6") for damage in (_unknown_kind, _wrong_source, _unknown_run)),
    *((damage, "I7") for damage in (_leave_success, _retry_by_itself, _end_twice)),
    *((damage, "I8") for damage in (_old_token, _fence_goes_back)),
    (_second_live_attempt, "I9"),
    *((damage, "I11") for damage in (_foreign_token, _stopped_with_foreign_token, _judged_with_foreign_token)),
    *((damage, "I12") for damage in (_success_of_another_attempt, _success_of_a_lost_attempt)),
    *((damage, "I13") for damage in (_too_many_attempts, _too_many_interruptions)),
    *((damage, "I14") for damage in (_before_its_cell, _before_its_sweep)),
    (_after_cancel, "I15"),
    (_tally, "I16"),
    (_requeue_while_alive, "I17"),
    *((damage, "I17") for damage in (_stopped_though_nobody_asked, _stopped_by_its_holder_though_it_does_not_hang)),
    (_lost_by_a_lease_that_it_never_had, "I17"),
    *((damage, "I18") for damage in (_device_held_twice, _alone_beside_sharing_ones)),
    *((damage, "I18") for damage in (_sharing_beside_one_that_is_alone, _more_than_it_bears)),
    (_device_of_nowhere, "I19"),
    *((damage, "I20") for damage in (_released_twice, _released_while_alive, _released_with_foreign_token)),
    (_quarantined_device, "I21"),
    (_state("fetches", "state", "done", "state = 'pending'"), "I1"),
    (_state("fetches", "digest", "cd", "state = 'done'"), "I1"),
    (_event("fetch.complete", "moon.1", digest="ab" * 32), "I6"),
    (_files_come_twice, "I7"),
    (_files_expected_by_a_foreign_token, "I11"),
    *((damage, "I25") for damage in (_success_before_its_files_are_here, _success_elsewhere_without_its_files)),
    *((damage, "I25") for damage in (_given_up_before_its_files_are, _verified_by_nothing, _waits_for_nothing)),
    (_files_of_a_live_attempt, "I25"),
]


@pytest.mark.parametrize(("damage", "invariant"), DAMAGES, ids=lambda value: getattr(value, "__name__", value))
def test_a_damage_is_called_by_its_name(
    copied: tuple[SqliteStore, Forger, Ids], damage: Damage, invariant: str
) -> None:
    store, forger, ids = copied
    damage(forger, ids)
    report = verify(store)
    assert names(report) == {invariant}, report.violations
    assert all(violation.seq > 0 for violation in report.violations)


def test_a_device_may_be_shared_by_as_many_as_all_on_it_bear(copied: tuple[SqliteStore, Forger, Ids]) -> None:
    store, forger, ids = copied
    attempt, token = forger.claim(ids["queued"], DEVICES[3], share=3)
    assert verify(store).ok
    forger.attempt(attempt, "exit", token)
    forger.release(attempt, token, DEVICES[3])
    forger.run(ids["queued"], "fail", token, attempt=attempt)
    assert verify(store).ok


def test_a_device_given_back_by_another_attempt_is_found(copied: tuple[SqliteStore, Forger, Ids]) -> None:
    store, forger, ids = copied
    _released_by_another(forger, ids)
    assert "I20" in names(verify(store))


def test_a_lost_need_is_found_when_the_whole_log_was_sealed_again(copied: tuple[SqliteStore, Forger, Ids]) -> None:
    """Whoever can compute hashes still has to make all events fit each other."""
    store, forger, ids = copied
    forger.sql("UPDATE events SET kind = 'log.gap' WHERE kind = 'run.succeed' AND subject = ?", ids["succeeded"])
    forger.seal_again()
    report = verify(store)
    assert [(v.invariant, v.subject) for v in report.violations] == [("I1", ids["succeeded"])]


def test_every_tampered_character_of_the_log_is_found(copied: tuple[SqliteStore, Forger, Ids]) -> None:
    """A thousand of them, at random places of the text columns, bytes that are no text included."""
    store, forger, _ = copied
    rng = random.Random(1)
    columns = ("boot_id", "actor", "request_id", "kind", "subject", "payload", "prev_hash", "hash")
    last = forger.value("SELECT max(seq) FROM events")
    missed = []
    audited = 0
    while audited < 1_000:
        seq, column = rng.randint(1, last), rng.choice(columns)
        before = forger.value(f"SELECT CAST({column} AS BLOB) FROM events WHERE seq = ?", seq)
        if not before:
            continue
        place = rng.randrange(len(before))
        changed = bytearray(before)
        changed[place] ^= 1 << rng.randrange(8)
        forger.sql(f"UPDATE events SET {column} = CAST(? AS TEXT) WHERE seq = ?", bytes(changed), seq)
        found = store.read(lambda session: list(Audit().follow(session)))
        if seq not in {violation.seq for violation in found if violation.invariant == "I1"}:
            missed.append((seq, column, bytes(changed)))
        forger.sql(f"UPDATE events SET {column} = CAST(? AS TEXT) WHERE seq = ?", before, seq)
        audited += 1
    assert missed == []
    assert verify(store).ok


def test_bytes_that_are_no_text_in_a_table_are_found(copied: tuple[SqliteStore, Forger, Ids]) -> None:
    store, forger, ids = copied
    forger.sql("UPDATE attempts SET target = CAST(x'ff' AS TEXT) WHERE id = ?", ids["live"])
    assert names(verify(store)) == {"I1"}


def test_an_audit_goes_on_where_it_ended(tmp_path: Path) -> None:
    """What a simulator does after each pass: each event is looked at once, and new campaigns are known."""
    store = open_store(tmp_path / "record.db")
    record = Record(store)
    audit = Audit()
    record.devices()
    assert store.read(audit.check).events == len(DEVICES)
    _, ids = record.submit(campaign_plan())
    record.carry_out(ids["teacher-1"], DEVICES[0])
    report = store.read(audit.check)
    assert report.ok, report.violations
    store.write(SYSTEM, lambda session: _jump(session, ids["student-1"]))
    assert {violation.invariant for violation in store.read(audit.check).violations} == {"I6"}
    store.close()


def _jump(session: Session, run: str) -> None:
    session.record("run.wake", run)
    session.connection.execute("UPDATE runs SET state = 'queued' WHERE id = :id", {"id": run})
    session.connection.execute(
        "UPDATE tallies SET number = number + CASE state WHEN 'queued' THEN 1 ELSE -1 END"
        " WHERE sweep_id = (SELECT sweep_id FROM runs WHERE id = :id)",
        {"id": run},
    )
    session.connection.execute(
        "UPDATE totals SET number = number + CASE state WHEN 'queued' THEN 1 ELSE -1 END"
        " WHERE state IN ('queued', 'waiting')"
    )
    session.connection.execute(
        "INSERT INTO tallies SELECT sweep_id, 'queued', 1 FROM runs WHERE id = :id ON CONFLICT DO NOTHING", {"id": run}
    )
