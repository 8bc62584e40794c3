"""A record with something of everything in it, made through the store's own functions; and a forger who bends it."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import apsw

from overnight.clock import SystemClock
from overnight.domain.fetch import Fetched
from overnight.domain.nouns import Attempt
from overnight.domain.plan import CampaignPlan, CellPlan, Need, Retry, SweepNeed, SweepPlan
from overnight.domain.states import (
    ATTEMPT,
    CAMPAIGN,
    CAMPAIGN_GATE,
    DEVICE,
    FETCH,
    RUN,
    SWEEP,
    SWEEP_GATE,
    WILD_SESSION,
)
from overnight.ids import new_id
from overnight.store import campaigns, fetches, runs, sessions, targets, wild
from overnight.store.base import SYSTEM, Change, Session, Store
from overnight.store.ledger import event_hash
from overnight.store.moves import move, move_runs
from overnight.store.sqlite import SqliteStore

PERSON = Change(actor="ada")
EVENT_COLUMNS = "seq, wall, mono, boot_id, actor, request_id, kind, subject, token, payload"
COPY = Fetched(files=2, bytes=5, digest="ab" * 32)
DEVICES = ("here/slot0", "here/slot1", "here/slot2", "here/slot3")


def cell(name: str, *needs: str) -> CellPlan:
    return CellPlan(name=name, parameters={}, command="true", needs=needs)


def sweep(name: str, *cells: CellPlan, needs: Sequence[SweepNeed] = (), attempts: int = 2) -> SweepPlan:
    return SweepPlan(
        name=name, cells=cells, workdir="/", needs=tuple(needs), need=Need(), retry=Retry(attempts=attempts, delay=0)
    )


def campaign_plan(name: str = "digits") -> CampaignPlan:
    """Two teachers; two students, each of the teacher of its cell; a report on all students."""
    teachers = sweep("teachers", cell("teacher-1"), cell("teacher-2"))
    students = sweep(
        "students",
        cell("student-1", "teacher-1"),
        cell("student-2", "teacher-2"),
        needs=[SweepNeed("teachers", ("width",))],
    )
    return CampaignPlan(
        name=name, sweeps=(teachers, students, sweep("report", cell("report"), needs=[SweepNeed("students")]))
    )


class Record:
    """A store and the daemon's steps on it, each in a transaction of its own."""

    def __init__(self, store: Store, seed: int = 0) -> None:
        self.store = store
        self.rng = random.Random(seed)

    def devices(self) -> None:
        for position, device in enumerate(DEVICES):
            self.store.write(SYSTEM, partial(_device, device=device, position=position))

    def submit(self, plan: CampaignPlan) -> tuple[str, dict[str, str]]:
        """The campaign's id, and run ids by name."""
        submission = campaigns.Submission(source="", path="/plan.yaml", code={})
        made = self.store.write(PERSON, lambda s: campaigns.submit(s, plan, submission, plan.name, self.rng))
        found = self.store.read(lambda s: s.rows("runs_of_campaign", campaign_id=made, after=0, limit=10_000))
        return made, {row[4]: row[0] for row in found}

    def singles(self, number: int) -> list[str]:
        alone = [campaigns.SingleRun(f"single-{n}", cell("x"), sweep("alone")) for n in range(number)]
        return self.store.write(PERSON, lambda s: campaigns.submit_single(s, alone, self.rng))

    def ready(self, number: int) -> list[str]:
        """Runs whose start nobody has asked for."""

        def work(session: Session) -> list[str]:
            made = [(new_id(self.rng), "ready", campaigns.config_of(cell("x"))) for _ in range(number)]
            campaigns.insert_runs(session, None, self._shared(session, None), made, state="ready")
            return [run for run, *_ in made]

        return self.store.write(PERSON, work)

    def _shared(self, session: Session, campaign: str | None) -> str:
        return campaigns.shared_sweep(session, sweep("alone"), self.rng, campaign)

    def join(self, run: str, campaign: str) -> None:
        """A run goes to a campaign."""

        def work(session: Session) -> None:
            into = self._shared(session, campaign)
            session.record("run.join", run, sweep=into)
            wild.change_sweep(session, runs.get(session, run), campaign, into)

        self.store.write(PERSON, work)

    def claim(self, run: str, *devices: str, part: int = 0, share: int = 1, target: str = "here") -> Attempt:
        def work(session: Session) -> Attempt | None:
            number = runs.get(session, run).attempts + 1
            place: dict[str, Any] = {"devices": devices, "part": part, "share": share}
            fence = runs.claim(session, run, number, target=target, folder="/f", **place)
            return runs.get_attempt(session, f"{run}.{number}") if fence else None

        attempt = self.store.write(SYSTEM, work)
        assert attempt is not None, "the run was not queued"
        return attempt

    def end(self, attempt: Attempt, how: str, then: str) -> None:
        """The attempt's end (`exit`, `lose`, `refuse`) and what becomes of its run."""

        def work(session: Session) -> bool:
            return (
                runs.end_attempt(session, attempt, how, {"reason": "ok", "code": 0})
                and bool(runs.release_leases(session, attempt) or True)
                and (attempt.target == "here" or fetches.expect(session, attempt) is None)
                and move(session, RUN, attempt.run_id, then, fence=attempt.fence, attempt=attempt.id, reason="ok")
            )

        assert self.store.write(SYSTEM, work)

    def carry_out(self, run: str, device: str, *, how: str = "exit", then: str = "succeed") -> None:
        attempt = self.claim(run, device)
        self.store.write(SYSTEM, lambda s: move(s, ATTEMPT, attempt.id, "confirm", fence=attempt.fence, pid=1))
        self.end(attempt, how, then)

    def move(self, machine: Any, thing: str, transition: str, change: Change = SYSTEM, **more: Any) -> None:
        assert self.store.write(change, lambda s: move(s, machine, thing, transition, **more)), (thing, transition)

    def move_runs(self, transition: str, *ids: str) -> None:
        assert self.store.write(SYSTEM, lambda s: move_runs(s, ids, transition, subject=ids[0])) == list(ids)

    def note(self, text: str) -> None:
        self.store.write(PERSON, lambda s: s.record("run.annotate", "x", note=text))


def _device(session: Session, device: str, position: int) -> None:
    arguments = {"id": device, "target": "here", "kind": "slot", "position": position, "uuid": None, "name": "CPU"}
    session.rows("device_upsert", **arguments, memory_mib=0, busy=None, used_mib=None, strangers=0, now=session.now)
    session.record("device.create", device)


def fill(store: Store) -> dict[str, str]:
    """Write a record that has taken nearly every arrow; returns the ids of what is left, by role."""
    record = Record(store)
    record.note("begin")
    record.devices()
    first, names = record.submit(campaign_plan())
    record.note("submitted")
    _teach(record, names)
    _settle(record, first, names)
    _others(record)
    record.move(DEVICE, DEVICES[1], "quarantine")
    record.move(DEVICE, DEVICES[1], "restore", PERSON)
    record.move(DEVICE, DEVICES[1], "quarantine")
    _, later = record.submit(campaign_plan("later"))
    running, queued, cancelled, failed, used, *sharing = record.singles(7)
    for part, run in enumerate(sharing):
        record.claim(run, DEVICES[3], part=part, share=3)
    live = record.claim(running, DEVICES[0])
    record.store.write(SYSTEM, lambda s: s.value("fence_next"))
    record.move_runs("cancel", cancelled)
    record.carry_out(failed, DEVICES[2], then="fail")
    record.carry_out(used, DEVICES[2])
    coming = _collect(record)
    ids = {
        "coming": coming,
        "campaign": first,
        "running": running,
        "live": live.id,
        "queued": queued,
        "cancelled": cancelled,
    }
    ids |= {"failed": failed, "succeeded": used, "waiting": later["student-1"], "report": later["report"]}
    return ids | {"lone sweep": record.store.read(lambda s: runs.get(s, queued).sweep_id)}


def _teach(record: Record, names: dict[str, str]) -> None:
    """Success at once; success after a failure, an interruption, a start that never was, a cancellation and a retry."""
    good, rough = names["teacher-1"], names["teacher-2"]
    record.carry_out(good, DEVICES[0])
    record.carry_out(rough, DEVICES[1], then="delay")
    record.move_runs("wake", rough)
    record.carry_out(rough, DEVICES[1], how="lose", then="requeue")
    stopped = record.claim(rough, DEVICES[1])
    record.end(stopped, "refuse", "requeue")
    stopped = record.claim(rough, DEVICES[0], DEVICES[1])
    record.move(RUN, rough, "order_stop", PERSON)
    record.move(ATTEMPT, stopped.id, "order_stop", PERSON, run=rough)
    record.end(stopped, "exit", "stopped")
    record.move_runs("block", names["student-2"])
    record.move(RUN, rough, "retry", PERSON)
    record.move_runs("unblock", names["student-2"])
    record.move_runs("release", rough)
    record.carry_out(rough, DEVICES[2])


def _settle(record: Record, campaign: str, names: dict[str, str]) -> None:
    found = record.store.read(lambda s: campaigns.sweeps_of(s, campaign))
    teachers, students, report = (each.id for each in found)
    record.move(CAMPAIGN_GATE, campaign, "pause", PERSON)
    record.move(CAMPAIGN_GATE, campaign, "resume", PERSON)
    record.move(SWEEP_GATE, students, "pause", PERSON)
    record.move(SWEEP_GATE, students, "resume", PERSON)
    record.move(SWEEP, teachers, "settle")
    record.move_runs("release", names["student-1"], names["student-2"])
    for student, device in zip(("student-1", "student-2"), DEVICES, strict=False):
        record.carry_out(names[student], device)
    record.move(SWEEP, students, "settle")
    record.move_runs("release", names["report"])
    record.carry_out(names["report"], DEVICES[0])
    record.move(SWEEP, report, "settle")
    record.move(CAMPAIGN, campaign, "succeed")


def _others(record: Record) -> None:
    """Runs that wait for a word, runs that others carry out, one that joins a campaign; loops of agents."""
    ready, *elsewhere = record.ready(5)
    record.move(RUN, ready, "enqueue", PERSON)
    record.move(RUN, ready, "refuse")
    for run, end in zip(elsewhere, ("report_success", "report_failure", "report_stop"), strict=False):
        record.move(RUN, run, "report", PERSON)
        record.move(RUN, run, end, PERSON)
    joined, _ = record.submit(CampaignPlan(name="open", sweeps=()))
    record.join(elsewhere[3], joined)
    for transitions in (("pause", "resume", "stop"), ("finish",), ("fail",)):
        chat = transitions[0]
        loop = record.store.write(PERSON, lambda s, chat=chat: sessions.begin(s, record.rng, chat, {"goal": ""}).id)
        for transition in transitions:
            record.move(WILD_SESSION, loop, transition, PERSON)


def _collect(record: Record) -> str:
    """Runs of another machine: one whose files came, one whose never will, one that failed, and the run returned, whose
    files are on their way."""
    record.store.write(PERSON, lambda s: targets.add(s, "box", {"ssh": "box"}, "file"))
    came, lost, failed, coming = record.singles(4)
    attempts = {run: record.claim(run, target="box") for run in (came, lost, failed, coming)}
    for run in (came, lost, coming):
        record.end(attempts[run], "exit", "collect")
    record.end(attempts[failed], "exit", "fail")
    for run, then in ((came, "succeed"), (lost, "fail")):
        attempt = attempts[run]
        if then == "succeed":
            assert record.store.write(SYSTEM, partial(fetches.complete, attempt_id=attempt.id, fetched=COPY))
        else:
            assert record.store.write(SYSTEM, partial(fetches.fail, attempt_id=attempt.id, problem="two names"))
        record.move(RUN, run, then, fence=attempt.fence, attempt=attempt.id, reason="ok")
    return coming


def open_store(path: Path) -> SqliteStore:
    return SqliteStore(str(path), SystemClock())


class Forger:
    """Changes the database behind the store's back; what it appends to the log is sealed as the store would."""

    def __init__(self, path: Path) -> None:
        self.raw = apsw.Connection(str(path))
        for index in ("attempts_live", "leases_held"):
            self.raw.execute(f"DROP INDEX {index}")

    def sql(self, text: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return list(self.raw.execute(text, arguments))

    def value(self, text: str, *arguments: Any) -> Any:
        return self.sql(text, *arguments)[0][0]

    def event(self, kind: str, subject: str, token: int = 0, /, *, actor: str = "system", **payload: Any) -> None:
        """One more event, sealed."""
        seq, previous = self.sql("SELECT seq + 1, hash FROM events ORDER BY seq DESC LIMIT 1")[0]
        fields = (seq, 1.0, 1.0, "boot", actor, "", kind, subject, token, json.dumps(payload))
        self.sql(f"INSERT INTO events VALUES ({'?, ' * 11}?)", *fields, previous, event_hash(previous, fields))

    def seal_again(self) -> None:
        """Recompute every hash, as somebody would who knows how the log works."""
        previous = "0" * 64
        for fields in self.sql(f"SELECT {EVENT_COLUMNS} FROM events ORDER BY seq"):
            digest = event_hash(previous, fields)
            self.sql("UPDATE events SET prev_hash = ?, hash = ? WHERE seq = ?", previous, digest, fields[0])
            previous = digest

    def run(self, run: str, transition: str, token: int = 0, *, actor: str = "system", **payload: Any) -> None:
        """A run takes an arrow, allowed or not; tables and log agree about it."""
        self.event(f"run.{transition}", run, token, actor=actor, **payload)
        self._enter(run, RUN.arrow(transition).target)

    def _enter(self, run: str, state: str) -> None:
        before, sweep = self.sql("SELECT state, sweep_id FROM runs WHERE id = ?", run)[0]
        self.sql("UPDATE runs SET state = ? WHERE id = ?", state, run)
        self.sql("UPDATE tallies SET number = number - 1 WHERE sweep_id = ? AND state = ?", sweep, before)
        self.sql("UPDATE totals SET number = number - 1 WHERE state = ?", before)
        self.sql("INSERT INTO totals VALUES (?, 1) ON CONFLICT DO UPDATE SET number = number + 1", state)
        self.sql(
            "INSERT INTO tallies VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET number = number + 1",
            sweep,
            state,
        )

    def claim(self, run: str, *devices: str, token: int | None = None, share: int = 1) -> tuple[str, int]:
        """A run is started, allowed or not; returns the attempt and its token."""
        shared = {"share": share} if share > 1 else {}
        if token is None:
            token = self.value("UPDATE fence SET value = value + 1 RETURNING value")
        number = self.value(
            "UPDATE runs SET attempts = attempts + 1, fence = ? WHERE id = ? RETURNING attempts", token, run
        )
        attempt = f"{run}.{number}"
        self.event("run.claim", run, attempt=attempt, token=token, target="here", devices=devices, **shared)
        self._enter(run, "running")
        self.sql(
            "INSERT INTO attempts (id, run_id, number, state, fence, target, folder, devices, claimed_at)"
            " VALUES (?, ?, ?, 'launching', ?, 'here', '/f', ?, 1)",
            *(attempt, run, number, token, json.dumps(devices)),
        )
        for device in devices:
            part = self.value("SELECT count(*) FROM leases WHERE device_id = ? AND state = 'held'", device)
            self.sql("INSERT INTO leases VALUES (?, ?, 'held', 1, NULL, ?)", device, attempt, part)
        return attempt, token

    def attempt(self, attempt: str, transition: str, token: int, **payload: Any) -> None:
        """An attempt takes an arrow, allowed or not."""
        self.event(f"attempt.{transition}", attempt, token, **payload)
        self.sql("UPDATE attempts SET state = ? WHERE id = ?", ATTEMPT.arrow(transition).target, attempt)

    def fetch(self, attempt: str, transition: str, **payload: Any) -> None:
        """A fetch takes an arrow, allowed or not."""
        self.event(f"fetch.{transition}", attempt, **payload)
        state, digest = FETCH.arrow(transition).target, payload.get("digest")
        self.sql("UPDATE fetches SET state = ?, digest = ? WHERE id = ?", state, digest, attempt)

    def release(self, attempt: str, token: int, *devices: str) -> None:
        """Devices are given back, whoever holds them."""
        self.event("lease.release", attempt, token, devices=devices)
        for device in devices:
            self.sql(
                "INSERT INTO leases VALUES (?, ?, 'released', 1, 1, 0) ON CONFLICT DO UPDATE SET state = 'released'",
                device,
                attempt,
            )

    def fence(self, attempt: str) -> int:
        return int(self.value("SELECT fence FROM attempts WHERE id = ?", attempt))
