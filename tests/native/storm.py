"""Requests made from the description of the API by schemathesis, and what the description says of their answers."""

from __future__ import annotations

import http.client
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import jsonschema_rs
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode

THREADS = 4
FIRST_BYTES = 64
"""Of a stream that is looked at."""
OWN_HEADERS = ("idempotency-key", "x-request-id", "last-event-id")
ODD = {ord("\0"): "", ord("="): ""}
"""What names of labels and variables cannot hold."""
FOLDERS = frozenset({"workdir", "directory"})
FILE = (
    "campaign: made\nworkdir: {folder}\nsweeps: {{s: {{grid: {{lr: [1, 2]}}, name: 'n-${{lr}}', command: 'true'}}}}\n"
)
REFERENCES = frozenset({"id", "sweep_id", "campaign", "sweep", "parent", "parent_run_id", "first", "second", "subject"})
"""Fields that name a thing."""


@dataclass(frozen=True)
class Made:
    """A request as schemathesis made it. `path` still holds its fields in braces."""

    operation: str
    method: str
    path: str
    named: Mapping[str, str]
    """Fields of the path, percent-encoded."""
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: Any
    """None = there is none."""


def made(document: dict[str, Any], valid: int, invalid: int) -> Iterator[Made]:
    """So many requests of each operation as the description allows, and as it does not."""
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        for mode, number in ((GenerationMode.POSITIVE, valid), (GenerationMode.NEGATIVE, invalid)):
            yield from _generated(operation, mode, number)


def _generated(operation: Any, mode: GenerationMode, number: int) -> list[Made]:
    cases: list[Made] = []

    @seed(number)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        cases.append(_made(operation, case))

    collect()
    return cases


def _unwaiting(operation: Any, query: Mapping[str, Any]) -> dict[str, Any]:
    """A query without what would keep the storm waiting."""
    waits = {"wait": 0} if operation.definition.raw["operationId"] == "wait" else {}
    return {name: value for name, value in query.items() if name != "wait"} | waits


def _made(operation: Any, case: Any) -> Made:
    body = case.body
    return Made(
        operation=operation.definition.raw["operationId"],
        method=operation.method.upper(),
        path=operation.path,
        named={name: str(value) for name, value in (case.path_parameters or {}).items()},
        query=_unwaiting(operation, case.query or {}),
        headers={name: str(value) for name, value in (case.headers or {}).items() if name.lower() in OWN_HEADERS},
        body=None if type(body).__name__ == "NotSet" else body,
    )


@dataclass(frozen=True)
class Asked:
    """A request as it is sent."""

    operation: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True)
class World:
    """What requests may name."""

    things: Mapping[str, Sequence[str]]
    """Kind, as it stands in paths -> ids."""
    folder: str
    """One that is there, and small: its content is hashed."""

    @property
    def everything(self) -> list[str]:
        """All ids."""
        return [it for ids in self.things.values() for it in ids]


def asked(cases: Sequence[Made], world: World, chance: random.Random) -> Iterator[Asked]:
    """Each request as it was made, and twice more with what there is in place of ids: else hardly one would find what
    it names."""
    for case in cases:
        kind = case.path.split("/")[1 if not case.path.startswith("/v1/") else 2]
        yield _asked(case, None, world, chance)
        for _ in range(2):
            yield _asked(case, chance.choice(world.things.get(kind, world.everything)), world, chance)


def _asked(case: Made, thing: str | None, world: World, chance: random.Random) -> Asked:
    path = case.path
    for name, value in case.named.items():
        path = path.replace("{" + name + "}", thing if thing and name == "id" else _encoded(value))
    query, body = dict(case.query), case.body
    if thing:
        query = _sensible(query, world, chance)
        body = _sensible(body, world, chance)
    text = urlencode({name: _queried(value) for name, value in query.items()}, errors="surrogatepass")
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode("utf-8", "surrogatepass")
    headers = {name: value for name, value in case.headers.items() if value.isascii() and value.isprintable()}
    return Asked(case.operation, case.method, f"{path}?{text}" if text else path, headers, data)


def _sensible(value: Any, world: World, chance: random.Random) -> Any:
    """With ids of what there is, folders that are there, texts that a database holds, and no cursors."""
    if isinstance(value, list):
        return [_sensible(it, world, chance) for it in value]
    if not isinstance(value, dict):
        return value.replace("\0", "").strip() or "x" if isinstance(value, str) else value
    known = {name.translate(ODD): it for name, it in value.items() if name != "cursor"}
    found = {name: _sensible(it, world, chance) for name, it in known.items()}
    found |= {name: chance.choice(world.everything) for name in REFERENCES & found.keys()}
    file = {"file": FILE.format(folder=world.folder)} if "file" in found else {}
    return found | dict.fromkeys(FOLDERS & found.keys(), world.folder) | file


def _encoded(value: str) -> str:
    """Schemathesis encodes what it puts into paths, but for what is no text at all."""
    return quote(value, safe="%", errors="surrogatepass")


def _queried(value: Any) -> Any:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else json.dumps(value)


class Judge:
    """Holds answers against the description."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._operations = {it["operationId"]: it for methods in document["paths"].values() for it in methods.values()}
        self._validators: dict[tuple[str, str], Callable[[Any], bool]] = {}

    def trouble(self, operation: str, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
        """What the description does not allow; None = it is as described."""
        described = self._operations[operation]["responses"].get(str(status))
        if described is None:
            return "this status is not described"
        if "$ref" in described:
            described = self._document["components"]["responses"][described["$ref"].rpartition("/")[2]]
        ((kind, content),) = described["content"].items()
        if headers.get("content-type") != kind:
            return f"its content type is {headers.get('content-type')}"
        if kind == "text/event-stream":
            return None
        try:
            answer = json.loads(body)
        except ValueError as error:
            return f"it is no JSON: {error}"
        return (
            None if self._fits(operation, str(status), content["schema"], answer) else "it has not the described shape"
        )

    def _fits(self, operation: str, status: str, schema: dict[str, Any], answer: Any) -> bool:
        key = (operation, status)
        if key not in self._validators:
            whole = {**schema, "components": self._document["components"]}
            self._validators[key] = jsonschema_rs.validator_for(whole).is_valid
        return self._validators[key](answer)

    def why(self, operation: str, status: int, body: bytes) -> str:
        """The first thing that is wrong with the shape of an answer."""
        described = self._operations[operation]["responses"].get(str(status), {})
        content: dict[str, Any] = next(iter(described.get("content", {}).values()), {"schema": {}})
        whole = {**content["schema"], "components": self._document["components"]}
        with suppress(ValueError):
            for error in jsonschema_rs.validator_for(whole).iter_errors(json.loads(body)):
                return f"{list(error.instance_path)}: {error.message[:200]}"
        return ""


@dataclass
class Found:
    """What became of some requests."""

    troubles: list[str] = field(default_factory=list)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    """Answers by operation and status."""


def sent(port: int, token: str | None, requests: Sequence[Asked], judge: Judge) -> Found:
    """Send requests over a few connections that stay open."""
    parts = [requests[start::THREADS] for start in range(THREADS)]
    whole = Found()
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(lambda part: _send_all(port, token, part, judge), parts):
            whole.troubles += found.troubles
            whole.statuses += found.statuses
    return whole


def _send_all(port: int, token: str | None, requests: Sequence[Asked], judge: Judge) -> Found:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = Found()
    for it in requests:
        authority = {} if token is None else {"Authorization": f"Bearer {token}"}
        kind = {} if it.body is None else {"Content-Type": "application/json"}
        connection.request(it.method, it.target, it.body, {**it.headers, **authority, **kind})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        if headers.get("content-type") == "text/event-stream":
            body = b""
            connection.close()
        else:
            body = response.read()
        found.statuses[it.operation, response.status] += 1
        trouble = judge.trouble(it.operation, response.status, headers, body)
        if response.status >= 500 and not _is_excused(response.status, headers, body):
            trouble = "the server failed"
        if trouble:
            why = judge.why(it.operation, response.status, body)
            found.troubles.append(
                f"{it.method} {it.target} {it.body!r} -> {response.status}: {trouble} {why} {body[:300]!r}"
            )
    connection.close()
    return found


def _is_excused(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """The record was busy or full."""
    code = headers.get("x-error-code") or json.loads(body).get("code")
    return status in (503, 507) and code in ("store_unavailable", "store_full")
