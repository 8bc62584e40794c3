"""`overnight.Client` and `overnight.AsyncClient`: every operation as a method, errors as the server raised them.

from overnight import Client

with Client() as client:
    run = client.create_run(name="try", command="python train.py --lr 3e-4", auto_start=True)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from overnight.config import Configuration, load
from overnight.domain.errors import Unreachable
from overnight.home import holder_of, token_of
from overnight.surfaces import client
from overnight.surfaces.client_methods import Methods
from overnight.surfaces.client_methods_async import AsyncMethods
from overnight.surfaces.client_wire import UNSET

MOST_AT_ONCE = 16
"""Requests of one AsyncClient that are under way; more wait for their turn."""

C = TypeVar("C", bound="Client")
A = TypeVar("A", bound="AsyncClient")


class Client(Methods):
    """Asks a server, from any thread. Every change carries an idempotency key, so that a lost answer is asked again."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        """Without arguments it finds the server as the commands do: `OVERNIGHT_URL` and `OVERNIGHT_TOKEN`, else the
        live server of the home. Refused for what is no address, Unreachable when there is no server."""
        self._core = client.Client(*_found(url, token))

    def _call(self, operation: str, fields: Mapping[str, Any], key: str | None = None) -> Any:
        given = {name: value for name, value in fields.items() if value is not UNSET}
        return self._core.ask(operation, given, key)

    def close(self) -> None:
        """Close its connections; it may be used again. Repeatable."""
        self._core.close()

    def __enter__(self: C) -> C:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """See `close`."""
        self.close()


class AsyncClient(AsyncMethods):
    """The same with coroutines. Requests run on threads, at most `MOST_AT_ONCE` together; one whose coroutine is
    cancelled is finished nevertheless."""

    def __init__(self, url: str | None = None, token: str | None = None) -> None:
        """See `Client`."""
        self._client = Client(url, token)
        self._threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="overnight-client")

    async def _call(self, operation: str, fields: Mapping[str, Any], key: str | None = None) -> Any:
        import asyncio

        ask = partial(self._client._call, operation, fields, key)
        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    async def close(self) -> None:
        """Close its connections without waiting for requests that are under way. Repeatable, and final."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._client.close()

    async def __aenter__(self: A) -> A:
        """The client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """See `close`."""
        await self.close()


def _found(url: str | None, token: str | None) -> tuple[str, str]:
    """Address and token of the server that is meant."""
    if url is not None and token is not None:
        return url, token
    configuration = load(os.environ)
    token = token or configuration.token
    url = url or configuration.url
    if url is not None:
        return url, token or _kept_token(configuration)
    holder = holder_of(configuration)
    if holder is None or not holder[1]:
        raise Unreachable(
            f"no server of {configuration.home} is running",
            place=str(configuration.home),
            next_step="Start it with: overnight up — or set OVERNIGHT_URL.",
        )
    return holder[1], token or token_of(configuration)


def _kept_token(configuration: Configuration) -> str:
    """The home's token if there is one: a server elsewhere has its own."""
    try:
        return configuration.token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
