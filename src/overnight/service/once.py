"""Idempotency keys: the answer to a change is stored in the change's own transaction and replayed to repeats (R20)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar, cast

from overnight.clock import Clock
from overnight.domain.errors import KeyReused
from overnight.store.base import Change, Session, Store

T = TypeVar("T")


class OnceStore:
    """A store whose next change happens once per (actor, operation, key)."""

    def __init__(self, store: Store, actor: str, route: str, key: str, fingerprint: str) -> None:
        self._store = store
        self._place = {"principal": actor, "route": route, "key": key}
        self._fingerprint = fingerprint
        self.replayed = False
        """Whether the last change was answered with what is stored, without doing anything."""

    @property
    def broken(self) -> str | None:
        """See `Store.broken`."""
        return self._store.broken

    @property
    def clock(self) -> Clock:
        """See `Store.clock`."""
        return self._store.clock

    def write(self, change: Change, work: Callable[[Session], T], /) -> T:
        """See `Store.write`; the answer of `work` must be plain JSON."""

        def once(session: Session) -> T:
            found = session.row("answer_get", **self._place)
            if found is not None:
                if found[0] != self._fingerprint:
                    raise KeyReused(
                        f"the idempotency key {self._place['key']!r} came with a different request before",
                        next_step="Use a new key for a new request; repeat an old one unchanged.",
                    )
                self.replayed = True
                return cast("T", json.loads(found[1]))
            answer = work(session)
            text = json.dumps(answer, ensure_ascii=False)
            session.rows("answer_put", **self._place, fingerprint=self._fingerprint, answer=text, now=session.now)
            return answer

        return self._store.write(change, once)

    def read(self, work: Callable[[Session], T], /) -> T:
        """See `Store.read`."""
        return self._store.read(work)

    def wait(self, seen: int, timeout: float) -> int:
        """See `Store.wait`."""
        return self._store.wait(seen, timeout)

    def close(self) -> None:
        """Belongs to the inner store's owner: does nothing."""
