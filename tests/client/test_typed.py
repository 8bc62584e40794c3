"""The typed clients: every operation, both ways of waiting, what is sent and what comes back."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

import overnight
from overnight import AsyncClient, Client
from overnight.domain import errors
from overnight.service.table import OPERATIONS
from overnight.surfaces.client_typed import MOST_AT_ONCE
from overnight.surfaces.client_wire import Page
from tests.surfaces.http.harness import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("typed")) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url, server.token) as client:
        yield client


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda it: it.name)
def test_every_operation_is_a_method_of_both_with_the_fields_of_its_request(operation: Any) -> None:
    sync, waiting = getattr(Client, operation.name), getattr(AsyncClient, operation.name)
    assert inspect.signature(sync) == inspect.signature(waiting)
    assert inspect.iscoroutinefunction(waiting)
    named = inspect.signature(sync).parameters.keys() - {"self", "key", "more"}
    assert named == set(operation.request.model_fields)
    assert ("key" in inspect.signature(sync).parameters) == operation.changes


def test_the_methods_are_those_of_the_table_now() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.generate_client", "--check"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_native_and_wild_operations_answer_alike(client: Client) -> None:
    run = client.create_run(name="a", command="true", chat_session_id=None)
    assert run["status"] == "ready"
    shown = client.show(run["id"])
    assert (shown["name"], shown["id"]) == ("a", run["id"])
    assert client.whoami()["actor"] == "admin"


def test_null_is_sent_and_what_was_not_given_is_not(client: Client) -> None:
    said = client.create_run(name="a", command="true", chat_session_id=None)["compliance"]
    unsaid = client.create_run(name="a", command="true")["compliance"]
    assert (said["intentional"], unsaid["intentional"]) == (True, False)


def test_a_listing_says_where_its_next_page_begins(client: Client) -> None:
    made = [
        client.create_run(name=f"page-{number}", command="true", chat_session_id="pages")["id"] for number in range(5)
    ]
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = client.get_runs(chat_session_id="pages", limit=2, **({} if cursor is None else {"cursor": cursor}))
        assert isinstance(page, Page)
        found += [run["id"] for run in page]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == made[::-1]


def test_errors_are_those_of_the_server_in_both_dialects(client: Client) -> None:
    run = client.create_run(name="a", command="true")["id"]
    with pytest.raises(errors.NotFound, match="Run not found"):
        client.get_run("0" * 12)
    with pytest.raises(errors.NotFound):
        client.show("0" * 12)
    with pytest.raises(errors.BadRequest):
        client.append_metrics(run, rows=[])
    with pytest.raises(errors.InvalidRequest) as invalid:
        client.create_run(name="", command="true")
    assert (invalid.value.place, invalid.value.details[0]["loc"]) == ("name", ["body", "name"])
    client.stop_run(run)
    with pytest.raises(errors.Conflict):
        client.edit_run(run, name="b")
    asked = client.create_alert(run, message="?", choices=["a", "b"])["alert_id"]
    client.respond_to_alert(asked, choice="a")
    with pytest.raises(errors.Conflict):
        client.respond_to_alert(asked, choice="b")


def test_a_wrong_token_is_denied_in_both_dialects(server: Server) -> None:
    with Client(server.url, "wrong") as client:
        for ask in (client.get_runs, client.list_runs):
            with pytest.raises(errors.Denied):
                ask()


def test_coroutines_run_side_by_side_and_errors_come_through(server: Server) -> None:
    async def work() -> None:
        async with AsyncClient(server.url, server.token) as client:
            made = await asyncio.gather(*(client.create_run(name=f"n{n}", command="true") for n in range(40)))
            assert len({run["id"] for run in made}) == 40
            with pytest.raises(errors.NotFound):
                await client.get_run("0" * 12)
        await client.close()

    asyncio.run(work())


def test_a_closed_client_may_be_used_again(client: Client) -> None:
    client.status()
    client.close()
    client.close()
    assert client.status()["home"]


def test_without_arguments_it_finds_the_server_of_the_home(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVERNIGHT_URL", raising=False)
    monkeypatch.delenv("OVERNIGHT_TOKEN", raising=False)
    monkeypatch.setenv("OVERNIGHT_HOME", str(server.home))
    with Client() as client:
        assert client.status()["home"] == str(server.home)


def test_the_environment_names_another_server(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OVERNIGHT_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("OVERNIGHT_URL", server.url)
    monkeypatch.setenv("OVERNIGHT_TOKEN", server.token)
    with Client() as client:
        assert client.status()["home"] == str(server.home)
    monkeypatch.delenv("OVERNIGHT_TOKEN")
    with Client() as client, pytest.raises(errors.Denied):
        client.status()
    assert not (tmp_path / "none").exists()


def test_where_nobody_serves_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OVERNIGHT_URL", raising=False)
    monkeypatch.setenv("OVERNIGHT_HOME", str(tmp_path))
    with pytest.raises(errors.Unreachable) as nobody:
        Client()
    assert "overnight up" in str(nobody.value.next_step)


class Recorder(BaseHTTPRequestHandler):
    """Answers in turn from `answers`; keeps what was asked."""

    protocol_version = "HTTP/1.1"
    answers: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    asked: ClassVar[list[tuple[str, str, bytes, str | None]]] = []

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.asked.append((self.command, self.path, self.rfile.read(length), self.headers.get("Idempotency-Key")))
        status, headers, body = self.answers.pop(0)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[tuple[Client, type[Recorder]]]:
    Recorder.answers.clear()
    Recorder.asked.clear()
    listener = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with Client(f"http://127.0.0.1:{listener.server_port}", "t") as client:
        yield client, Recorder
    listener.shutdown()
    listener.server_close()
    thread.join()


def test_fields_go_where_the_route_wants_them(recorder: tuple[Client, type[Recorder]]) -> None:
    client, server = recorder
    server.answers += [(200, {}, b"{}")] * 6
    client.add_run_to_sweep("r 1/2", sweep_id="s&1")
    client.start_sweep("s", parallel=2)
    client.get_skill_file("k", path="a/b c.md")
    client.edit_run("r", name="n")
    client.delete_skill("k", key="mine")
    client.list_runs(state=["queued", "ready"], archived=True, chat=None)
    assert [(method, path, body) for method, path, body, _ in server.asked] == [
        ("POST", "/runs/r%201%2F2/add-to-sweep?sweep_id=s%261", b"{}"),
        ("POST", "/sweeps/s/start?parallel=2", b"{}"),
        ("GET", "/prompt-skills/k/files/a/b%20c.md", b""),
        ("PUT", "/runs/r", b'{"name": "n"}'),
        ("DELETE", "/prompt-skills/k", b""),
        ("GET", "/v1/runs?state=queued%2Cready&archived=true", b""),
    ]
    keys = [key for _, _, _, key in server.asked]
    assert keys[4] == "mine"
    assert len({keys[0], keys[1], keys[3]} - {None}) == 3
    assert keys[2] is None


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (409, {"X-Error-Code": "in_flight"}, b'{"detail": "not answered yet"}'),
        (409, {}, b'{"code": "in_flight", "detail": "not answered yet", "status": 409}'),
        (503, {"X-Error-Code": "busy", "Retry-After": "1"}, b'{"detail": "too many requests"}'),
        (429, {"X-Error-Code": "limit_exceeded", "Retry-After": "0"}, b'{"detail": "slower"}'),
    ],
)
def test_what_is_of_the_moment_is_asked_again_with_the_same_key(
    recorder: tuple[Client, type[Recorder]], status: int, headers: dict[str, str], body: bytes
) -> None:
    client, server = recorder
    server.answers += [(status, headers, body), (status, headers, body), (200, {}, b'{"id": "x"}')]
    assert client.create_wild_sweep()["id"] == "x"
    assert len(server.asked) == 3
    assert len({key for _, _, _, key in server.asked}) == 1


def test_an_error_without_a_code_is_nobody_of_ours(recorder: tuple[Client, type[Recorder]]) -> None:
    client, server = recorder
    server.answers += [(404, {}, b'{"detail": "Not Found"}'), (200, {}, b'"text"')]
    for _ in range(2):
        with pytest.raises(errors.Unreachable):
            client.get_run("r")


def test_only_so_many_requests_of_an_async_client_are_under_way(server: Server) -> None:
    async def work() -> int:
        async with AsyncClient(server.url, server.token) as client:
            after = (await client.status())["last_event"]
            await asyncio.gather(*(client.events(after=after, wait=0.05) for _ in range(3 * MOST_AT_ONCE)))
            return sum(it.name.startswith("overnight-client") for it in threading.enumerate())

    assert asyncio.run(work()) <= MOST_AT_ONCE


def test_the_package_loads_the_clients_only_when_they_are_asked_for() -> None:
    probe = (
        "import sys, overnight; assert 'overnight.surfaces.client_typed' not in sys.modules;"
        "from overnight import Client, AsyncClient; heavy = {'pydantic', 'apsw', 'httpx', 'mcp', 'asyncio'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", probe], check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    assert set(overnight.__all__) >= {"Client", "AsyncClient"}
    with pytest.raises(AttributeError):
        _ = overnight.Nothing
