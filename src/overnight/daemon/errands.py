"""Calls to other machines, carried out beside the loop; what came of each is taken in by a later turn.

A host that does not answer keeps its own line waiting, for a bounded time, and nobody else. This machine answers at
once: what is asked of it is carried out on the spot, so that a turn sees the answer to its own question.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from overnight.domain.errors import StoreUnavailable, Unavailable

log = logging.getLogger("overnight.errands")

Key = tuple[str, ...]
"""What an errand is for, first its kind: `("observe", "box")`. One of a key is under way at a time."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an errand: a value, or why there is none."""

    key: Key
    value: Any = None
    error: Unavailable | None = None


class Errands(Protocol):
    """Whoever carries errands out."""

    def send(self, line: str, key: Key, call: Callable[[], Any], *, near: bool = False) -> bool:
        """Carry out `call` after what its line was sent before; a near one at once, before this returns.

        False when an errand of this key is under way already. `call` may raise Unavailable.
        """

    def under_way(self, kind: str) -> frozenset[Key]:
        """The keys of this kind that were sent and not yet taken."""

    def take(self) -> Sequence[Done]:
        """What has come back since the last call, oldest first."""


def carried_out(key: Key, call: Callable[[], Any]) -> Done:
    """The errand itself. What a host says may be anything: an error that nobody foresaw is logged, and no answer."""
    try:
        return Done(key, call())
    except Unavailable as error:
        return Done(key, error=error)
    except StoreUnavailable as error:
        return Done(key, error=Unavailable(str(error)))
    except Exception as error:
        log.exception("errand %s", " ".join(key))
        return Done(key, error=Unavailable(f"{type(error).__name__}: {error}"))


@dataclass(slots=True)
class ThreadedErrands:
    """Each line has a thread while it has something to do."""

    wake: Callable[[], None] = lambda: None
    """Called whenever something has come back from afar."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lines: dict[str, deque[tuple[Key, Callable[[], Any]]]] = field(default_factory=dict)
    """Line -> what waits there; a line is in here while its thread lives."""
    _keys: set[Key] = field(default_factory=set)
    _done: deque[Done] = field(default_factory=deque)

    def send(self, line: str, key: Key, call: Callable[[], Any], *, near: bool = False) -> bool:
        """See `Errands.send`. Errors of near calls are the caller's, but for Unavailable."""
        with self._lock:
            if key in self._keys:
                return False
            self._keys.add(key)
            if not near and (waiting := self._lines.get(line)) is not None:
                waiting.append((key, call))
                return True
            if not near:
                self._lines[line] = deque([(key, call)])
        if near:
            self._on_the_spot(key, call)
        else:
            threading.Thread(target=self._work, args=(line,), name=f"errands of {line}", daemon=True).start()
        return True

    def _on_the_spot(self, key: Key, call: Callable[[], Any]) -> None:
        """A near errand: a defect of ours is not hidden as a host's silence."""
        try:
            self._done.append(Done(key, call()))
        except Unavailable as error:
            self._done.append(Done(key, error=error))
        except BaseException:
            with self._lock:
                self._keys.discard(key)
            raise

    def _work(self, line: str) -> None:
        while True:
            with self._lock:
                waiting = self._lines[line]
                if not waiting:
                    del self._lines[line]
                    return
                key, call = waiting.popleft()
            self._done.append(carried_out(key, call))
            self.wake()

    def under_way(self, kind: str) -> frozenset[Key]:
        """See `Errands.under_way`."""
        with self._lock:
            return frozenset(key for key in self._keys if key[0] == kind)

    def take(self) -> Sequence[Done]:
        """See `Errands.take`."""
        taken = [self._done.popleft() for _ in range(len(self._done))]
        with self._lock:
            self._keys.difference_update(done.key for done in taken)
        return taken
