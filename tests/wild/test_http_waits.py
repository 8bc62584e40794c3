"""What waits, and what cannot be used, without a process of its own: the surface is asked as ASGI servers ask it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import apsw
import pytest

from overnight.service.keyring import Keyring
from overnight.service.wild import stages
from overnight.store import runs
from overnight.store.sqlite import SqliteStore
from overnight.surfaces.http import endpoints, health, log_tail
from overnight.surfaces.http.application import Application, build
from tests.service.desk import Desk

TOKEN = "s" * 43


@dataclass
class Told:
    """What was sent in answer to one request."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(b"".join(self.parts))


@dataclass
class Inside:
    """A surface on a record of its own, and the loop that it lives in."""

    desk: Desk
    surface: Application
    runner: asyncio.Runner

    def ask(self, method: str, path: str, *, token: str | None = TOKEN, leave_after: int | None = None) -> Told:
        """One request without a body; with `leave_after` the client goes away after so many parts of the answer."""
        return self.runner.run(self._ask(method, path, token, leave_after))

    async def _ask(self, method: str, path: str, token: str | None, leave_after: int | None) -> Told:
        told, leaving, sent = Told(), asyncio.Event(), False
        headers = [(b"host", b"here"), *([(b"x-auth-token", token.encode())] if token else [])]
        raw, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "raw_path": raw.encode(), "query_string": query.encode()}

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await leaving.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                told.status, told.headers = message["status"], dict(message["headers"])
                return
            told.parts.append(message["body"])
            if leave_after is not None and len(told.parts) >= leave_after:
                leaving.set()

        await asyncio.wait_for(self.surface({**scope, "headers": headers}, receive, send), 20)
        return told


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    desk = Desk(tmp_path)
    surface = build(replace(desk.context, keyring=Keyring(TOKEN)), hosts=["here"])
    with asyncio.Runner() as runner:
        yield Inside(desk, surface, runner)
        surface.close()
    desk.store.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds takes none here."""
    monkeypatch.setattr(endpoints, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(log_tail, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(log_tail, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(health, "HEALTH_SECONDS", 0.2)
    monkeypatch.setattr(health, "FRESH_SECONDS", -1.0)


def running(inside: Inside) -> str:
    """A run whose process lives; nobody here ends it."""
    made = inside.desk.ask("submit_runs", runs=[{"name": "a", "command": "sleep 9", "workdir": "/", "grace": 0.0}])
    run = str(made["ids"][0])
    found = inside.desk.store.read(lambda session: runs.get(session, run))
    inside.desk.start(found)
    return run


def test_who_stops_a_run_that_does_not_end_is_told_to_come_back(inside: Inside) -> None:
    told = inside.ask("POST", f"/runs/{running(inside)}/stop")
    assert (told.status, told.headers[b"retry-after"]) == (503, b"2")
    assert told.json["detail"].startswith("Run is still stopping")


def test_the_order_to_stop_stands_when_who_gave_it_was_told_to_come_back(inside: Inside) -> None:
    run = running(inside)
    inside.ask("POST", f"/runs/{run}/stop")
    assert inside.desk.ask("show", id=run)["state"] == "cancelling"


def ready(inside: Inside) -> str:
    return str(inside.desk.ask("create_run", name="a", command="true")["id"])


def test_a_start_without_room_is_answered_at_once(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "START_SECONDS", 3600.0)
    running(inside)
    told = inside.ask("POST", f"/runs/{ready(inside)}/start")
    assert (told.status, told.json["message"], told.json["status"]) == (200, "Run queued", "queued")


def test_a_start_with_room_waits_for_the_scheduler_without_a_thread(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "START_SECONDS", 3600.0)
    run, looks, look = ready(inside), [], stages.standing

    def standing(session: Any, run_id: str) -> Any:
        looks.append(run_id)
        if len(looks) == 1:
            threading.Timer(0.05, lambda: inside.desk.start(inside.desk.store.read(lambda s: runs.get(s, run)))).start()
        return look(session, run_id)

    monkeypatch.setattr(stages, "standing", standing)
    told = inside.ask("POST", f"/runs/{run}/start")
    assert told.json == {"message": "Run started", "tmux_window": None, "id": run, "status": "running"}
    assert len(looks) > 1


def test_a_start_that_the_scheduler_does_not_take_up_is_queued(inside: Inside) -> None:
    assert inside.ask("POST", f"/runs/{ready(inside)}/start").json["message"] == "Run queued"


def test_a_stream_without_news_sends_comments_until_its_client_leaves(inside: Inside) -> None:
    told = inside.ask("GET", f"/runs/{running(inside)}/logs/stream", leave_after=2)
    assert (told.status, told.headers[b"content-type"]) == (200, b"text/event-stream")
    assert told.parts[:2] == [b": nothing new\n\n"] * 2
    assert inside.surface.waiting == 0


def test_a_stream_ends_with_the_server(inside: Inside) -> None:
    run = running(inside)
    inside.surface.tide.close()
    told = inside.ask("GET", f"/runs/{run}/logs/stream")
    assert told.parts == [b""]


def test_health_is_good_while_the_record_can_be_written(inside: Inside) -> None:
    for path in ("/health", "/wild/v2/system-health"):
        assert inside.ask("GET", path, token=None).status == 200


def test_health_is_bad_while_another_process_holds_the_record(inside: Inside, tmp_path: Path) -> None:
    with closing(apsw.Connection(str(tmp_path / "record.db"))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert inside.ask("GET", "/health", token=None).status == 503
        preflight = inside.ask("GET", "/wild/v2/system-health", token=None)
        assert (preflight.status, list(preflight.json)) == (503, ["detail"])
        other.execute("ROLLBACK")
    told = inside.ask("GET", "/health", token=None)
    assert told.status == 200


def test_health_is_bad_while_the_disk_is_full(inside: Inside) -> None:
    store = inside.desk.store
    assert isinstance(store, SqliteStore)
    assert inside.ask("GET", "/health", token=None).status == 200
    most = store._raw.pragma("max_page_count")
    store._raw.execute("VACUUM")
    store._raw.pragma("max_page_count", 1)
    told = inside.ask("GET", "/health", token=None)
    assert (told.status, told.json["reason"]) == (503, "the disk of the database is full")
    assert inside.ask("GET", "/wild/v2/system-health", token=None).status == 503
    store._raw.pragma("max_page_count", most)
    assert inside.ask("GET", "/health", token=None).status == 200


def test_health_is_bad_while_the_record_may_only_be_read(inside: Inside) -> None:
    store = inside.desk.store
    assert isinstance(store, SqliteStore)
    store._raw.pragma("query_only", True)
    assert inside.ask("GET", "/wild/v2/system-health", token=None).status == 503
    store._raw.pragma("query_only", False)
    assert inside.ask("GET", "/wild/v2/system-health", token=None).status == 200


def test_health_is_bad_once_the_disk_has_lost_trust(inside: Inside) -> None:
    inside.desk.store.broken = "a sync failed"  # type: ignore[misc]
    assert inside.ask("GET", "/health", token=None).json["reason"] == "a sync failed"


def test_the_record_is_tried_once_however_many_ask_at_once(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "FRESH_SECONDS", 60.0)
    tried: list[int] = []
    write = inside.desk.store.write
    monkeypatch.setattr(inside.desk.store, "write", lambda *given: (tried.append(1), write(*given)))

    async def many() -> list[Told]:
        return list(await asyncio.gather(*(inside._ask("GET", "/health", None, None) for _ in range(20))))

    assert {told.status for told in inside.runner.run(many())} == {200}
    assert len(tried) == 1
