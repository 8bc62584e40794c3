"""Whether the record can be used: read, and written too, since the preflight of an agent hangs on it."""

from __future__ import annotations

import asyncio

from overnight.domain.errors import OvernightError
from overnight.store.base import SYSTEM, Session, Store
from overnight.surfaces.http.pools import Pools
from overnight.surfaces.http.problems import Fault

HEALTH_SECONDS = 5.0
"""A record that does not answer for this long is not usable."""
FRESH_SECONDS = 2.0
"""How long a finding counts: however often it is asked, the record is tried no more often than this."""
PROBE = "x" * 16_384
"""Some pages: room for it proves that the disk is not full."""


class Health:
    """Tries the record at most every `FRESH_SECONDS`. Belongs to the event loop's thread."""

    def __init__(self, store: Store, pools: Pools) -> None:
        self._store = store
        self._pools = pools
        self._found: asyncio.Future[str | None] | None = None
        self._at = 0.0

    async def trouble(self) -> str | None:
        """Why the record cannot be used; None = it can."""
        if self._store.broken is not None:
            return self._store.broken
        stale = self._store.clock.boot() - self._at > FRESH_SECONDS
        if self._found is None or (self._found.done() and stale):
            self._found = asyncio.ensure_future(self._try())
        return await asyncio.shield(self._found)

    async def _try(self) -> str | None:
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                await self._pools.run("health", lambda: self._store.write(SYSTEM, _write))
            return None
        except (OvernightError, Fault, TimeoutError) as error:
            return str(error) or "the record does not answer"
        finally:
            self._at = self._store.clock.boot()


def _write(session: Session) -> None:
    """Take some room and give it back."""
    session.rows("meta_put", name="probe", value=PROBE)
    session.rows("meta_drop", name="probe")
