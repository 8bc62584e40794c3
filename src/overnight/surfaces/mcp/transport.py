"""Streamable HTTP, as the SDK has it: without sessions, with plain JSON answers."""

from __future__ import annotations

import asyncio
from typing import cast

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from overnight.surfaces.http.wire import LARGEST_BODY, Receive, Scope, Send
from overnight.surfaces.mcp.confirm import Confirmations
from overnight.surfaces.mcp.door import Door
from overnight.surfaces.mcp.mount import DOOR
from overnight.surfaces.mcp.server import Asked, build


class Transport:
    """The SDK's session manager, kept running in a task of the server's event loop."""

    def __init__(self, confirmations: Confirmations) -> None:
        # Host and Origin were looked at by the server's own gate.
        self._manager = StreamableHTTPSessionManager(
            build(_door_of, confirmations), stateless=True, json_response=True, max_request_body_size=LARGEST_BODY
        )
        self._running = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once requests can be served; the task ends with the event loop."""
        self._task = asyncio.create_task(self._run())
        await self._running.wait()

    async def _run(self) -> None:
        async with self._manager.run():
            self._running.set()
            await asyncio.Event().wait()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._manager.handle_request(scope, receive, send)


def _door_of(asked: Asked) -> Door:
    assert asked.request is not None
    return cast("Door", asked.request.scope[DOOR])
