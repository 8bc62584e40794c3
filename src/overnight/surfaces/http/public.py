"""What is answered without a token: liveness and documentation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING

import overnight
from overnight.domain.errors import OvernightError
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.wire import Answer

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application

HEALTH_SECONDS = 5.0
"""A record that cannot be read for this long makes the server unhealthy."""


async def health(application: Application) -> Answer:
    """Whether the record can be read and is trusted."""
    store = application.context.store

    def look() -> Answer:
        store.read(lambda session: session.value("event_head"))
        return Answer(200, encode({"status": "ok", "version": overnight.__version__}))

    reason = store.broken
    if reason is None:
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                return await application.work("health", look)
        except (OvernightError, TimeoutError) as error:
            reason = str(error) or "the record does not answer"
    return Answer(503, encode({"status": "broken", "version": overnight.__version__, "reason": reason}))


@cache
def _openapi_text() -> bytes:
    from overnight.surfaces.http.openapi import document

    return encode(document())


@cache
def _docs_page() -> tuple[bytes, bytes]:
    from overnight.surfaces.http.docs import page

    return page()


async def openapi(_: Application) -> Answer:
    """The OpenAPI document."""
    return Answer(200, _openapi_text())


async def docs(_: Application) -> Answer:
    """The documentation, for people."""
    body, policy = _docs_page()
    return Answer(200, body, b"text/html; charset=utf-8", ((b"content-security-policy", policy),))


Page = Callable[["Application"], Awaitable[Answer]]
PAGES: dict[bytes, Page] = {b"/health": health, b"/openapi.json": openapi, b"/docs": docs}
