"""The protocol over standard input and output: asks whoever answers for this environment, as commands do."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread
from mcp.server.stdio import stdio_server

from overnight.clock import SystemClock
from overnight.domain.access import Verb
from overnight.domain.errors import Denied
from overnight.service.table import BY_NAME
from overnight.surfaces.cli.reach import reach
from overnight.surfaces.mcp.confirm import Confirmations
from overnight.surfaces.mcp.server import build

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors

NOT_SERVED = "No server of this home answers: nothing starts until one does (overnight up)."
KNOWN = frozenset(Verb)


class HomeDoor:
    """The operations of the server that the environment names, of the home's own, or of the home itself. See `Door`.

    Each call looks anew who answers: a server may start and end while the agent works.
    """

    def __init__(self, doors: Doors) -> None:
        self._doors = doors
        self._served = True

    @property
    def identity(self) -> str:
        """One process serves one agent."""
        return "stdio"

    @property
    def notice(self) -> str | None:
        """See `Door.notice`."""
        return None if self._served else NOT_SERVED

    async def verbs(self) -> frozenset[Verb]:
        """See `Door.verbs`."""
        return frozenset(Verb(it) for it in (await self.call("whoami", {}))["verbs"] if it in KNOWN)

    async def admit(self, operation: str, /) -> None:
        """See `Door.admit`."""
        verb = BY_NAME[operation].route.verb
        if verb not in await self.verbs():
            raise Denied(f"this token may not {verb}", next_step="Ask whoever gave you the token.")

    async def call(self, operation: str, fields: Mapping[str, Any], key: str | None = None, /) -> Any:
        """See `Door.call`."""
        return await to_thread.run_sync(partial(self._ask, operation, fields, key))

    def _ask(self, operation: str, fields: Mapping[str, Any], key: str | None) -> Any:
        with reach(self._doors, changes=BY_NAME[operation].changes, surface="mcp") as reached:
            self._served = reached.served
            return reached.caller.ask(operation, fields, key)


def serve(doors: Doors) -> int:
    """Serve until standard input ends; returns the exit code."""
    door = HomeDoor(doors)
    server = build(lambda _: door, Confirmations(SystemClock()))

    async def main() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    # The thread that reads standard input cannot be called off: by itself Ctrl-C would wait for the input to end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    anyio.run(main)
    return 0
