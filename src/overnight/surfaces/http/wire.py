"""What travels: the few ASGI messages that the surface needs, bodies in, answers out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from overnight.surfaces.http.problems import Fault

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of a request's body: 10,000 runs with long commands, or a campaign file of 4 MiB however it is escaped."""
MIDDLE_BODY = 8 * 1024 * 1024
"""Bytes of the body of a request with a long command, metrics or a text."""
SMALL_BODY = 64 * 1024
"""Bytes of the body of a request that only names a thing."""
BODY_SECONDS = 60.0
"""How long a body may take to arrive."""
COMMON: Headers = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Sent with every answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Head:
    """The headers that matter, each at most once; Fault when one that decides something came twice."""

    values: dict[bytes, bytes]

    def text(self, name: bytes) -> str | None:
        """A header's value, or None."""
        found = self.values.get(name)
        return None if found is None else found.decode("latin-1").strip()


SINGLE = frozenset(
    {b"host", b"origin", b"authorization", b"x-auth-token", b"idempotency-key", b"x-request-id", b"content-type"}
)
"""Headers whose repetition would leave open which one counts."""


def head_of(scope: Scope) -> Head:
    """The headers of a request."""
    values: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in values and name in SINGLE:
            raise Fault(400, "invalid_request", f"the header {name.decode()} came twice", next_step="Send it once.")
        values[name] = value
    return Head(values)


async def read_body(head: Head, receive: Receive, limit: int) -> bytes:
    """The whole body; Fault when it is larger than `limit` bytes, too slow, or cut off."""
    declared = head.text(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, limit)
    except TimeoutError as error:
        raise Fault(408, "too_slow", "the request's body did not arrive in time", next_step="Send it again.") from error


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Fault(400, "cut_off", "the request's body was cut off", next_step="Send it again.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _too_large(limit: int) -> Fault:
    return Fault(
        413, "too_large", f"the request's body is larger than {limit} bytes", next_step="Send it in several requests."
    )


async def gone(receive: Receive) -> None:
    """Return once the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_answer(send: Send, answer: Answer, extra: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send a whole response."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        *COMMON,
        *answer.headers,
        *extra,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
