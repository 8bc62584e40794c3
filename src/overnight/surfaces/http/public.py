"""What is answered without a token: liveness and documentation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING

import overnight
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.wire import Answer

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application


async def health(application: Application) -> Answer:
    """Whether the record can be used."""
    trouble = await application.health.trouble()
    if trouble is None:
        return Answer(200, encode({"status": "ok", "version": overnight.__version__}))
    return Answer(503, encode({"status": "broken", "version": overnight.__version__, "reason": trouble}))


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
