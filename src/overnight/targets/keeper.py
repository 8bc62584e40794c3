"""Keeps the one connection to a runner: opens it, greets, notices its end, and waits before it tries again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from overnight.clock import Clock
from overnight.domain.errors import Unavailable, Uncertain
from overnight.targets.greeting import greet
from overnight.targets.link import SILENCE_SECONDS, Link, Message
from overnight.targets.status import Status, Unreached, Why

QUEUE_SECONDS = 10.0
"""Longest wait while somebody else opens the connection."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An open way to a runner; `end` gives back what it took and says why it ended, where it can. Repeatable, from any
    thread."""

    connection: socket.socket
    end: Callable[[], Why | None] = lambda: None


class Way(Protocol):
    """How to get to a runner."""

    def open(self) -> Stream:
        """A stream to the runner, which is started where there is none. Bounded; raises OSError and Unavailable."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence is borne, and how long a target that is not reached is left alone, in seconds."""

    silence: float = SILENCE_SECONDS
    first: float = 0.1
    longest: float = 5.0
    share: float = 1.0
    """Of the time that it has been away: what came back is found again after a part of what it was missed."""
    short_life: float = 10.0
    """A connection that ends sooner counts as one that failed, or a flapping one would be opened all the time."""

    def pause(self, outage: float, luck: float) -> float:
        """Seconds until the next try; `luck` in 0..1 spreads them by a quarter to each side."""
        return min(self.longest, max(self.first, outage * self.share)) * (0.75 + luck / 2)


class Keeper:
    """The connection to one runner."""

    def __init__(
        self,
        way: Way,
        *,
        clock: Clock,
        session: Callable[[int], int],
        heard: Callable[[Link, Message], None],
        changed: Callable[[], None],
        patience: Patience,
        luck: Callable[[], float] = lambda: 0.5,
    ) -> None:
        """`session(floor)` gives a number above all given before and above `floor`; `changed` is called when the
        connection ends, on the link's thread."""
        self._way = way
        self._clock = clock
        self._session = session
        self._heard = heard
        self._changed = changed
        self._patience = patience
        self._luck = luck
        self._link: Link | None = None
        self._opened_at = 0.0
        self._failing_since: float | None = None
        self._not_before = 0.0
        self._since = clock.boot()
        self._seen_at: float | None = None
        self._why: Why | None = None
        self._lock = threading.Lock()
        self._noting = threading.Lock()
        self._noted: Link | None = None
        self.boot_id = ""
        """Of the host, as it said when it was greeted last."""
        self.generation = 0
        """Grows when a connection is made and when one ends."""

    def link(self) -> Link:
        """The open link, made anew where needed; Unavailable at once while a back-off lasts."""
        link = self._link
        if link is not None and link.is_open:
            return link
        if not self._lock.acquire(timeout=QUEUE_SECONDS):
            raise Unavailable("the runner is being reached")
        try:
            if self._link is not None and self._link.is_open:
                return self._link
            if self._clock.boot() < self._not_before:
                raise self._unreached("the runner cannot be reached yet")
            return self._try()
        finally:
            self._lock.release()

    def status(self) -> Status:
        """What is known now; answers at once and asks nobody."""
        link = self._link
        if link is not None and link.is_open:
            return Status("reachable", self._since, link.heard_at, None, link.latency)
        return Status("unknown", self._since, self._seen_at, self._why)

    def retry_now(self) -> None:
        """Somebody waits: do not sit a back-off out."""
        self._not_before = 0.0

    def close(self) -> None:
        """Leave the runner and its attempts alone; only the connection ends."""
        if self._link is not None:
            self._link.close()

    def _try(self) -> Link:
        try:
            link = self._open()
        except (OSError, Unavailable, Uncertain) as error:
            self._why = error.why if isinstance(error, Unreached) else Why("unreachable", str(error), "")
            self._back_off(error.pause if isinstance(error, Unreached) else None)
            raise self._unreached(str(error)) from error
        self._opened_at = self._since = self._clock.boot()
        self._why = None
        self.generation += 1
        self._link = link
        if not link.is_open:
            self._note_end(link)
        return link

    def _unreached(self, otherwise: str) -> Unreached:
        return Unreached(self._why or Why("unreachable", otherwise, ""))

    def _back_off(self, pause: float | None = None) -> None:
        now = self._clock.boot()
        if self._failing_since is None:
            self._failing_since = now
        self._not_before = now + (pause or self._patience.pause(now - self._failing_since, self._luck()))

    def _open(self) -> Link:
        stream = self._way.open()
        link = Link(
            stream.connection,
            self._heard,
            lambda link: self._lost(link, stream),
            clock=self._clock,
            silence=self._patience.silence,
        )
        try:
            self.boot_id = greet(link, self._session)
        except (Unavailable, Uncertain) as error:
            link.close()
            why = stream.end()
            raise Unreached(why) if why else error from error
        except BaseException:
            link.close()
            raise
        return link

    def _lost(self, link: Link, stream: Stream) -> None:
        """The link's thread says that it ended. One that ended before it was used is noted by whoever opened it.

        That it ended is told at once; the way may take a while to say why.
        """
        self._seen_at = link.heard_at
        if link is self._link:
            self._note_end(link)
        noted = self._why
        self.generation += 1
        self._changed()
        why = stream.end()
        if why is not None and link is self._link and noted is self._why:
            self._why = why

    def _note_end(self, link: Link) -> None:
        with self._noting:
            if link is not self._noted:
                self._noted = link
                self._since = self._clock.boot()
                code = "timed_out" if link.silent else "ended"
                self._why = Why(code, f"the connection ended: {link.why}", "")
                self._note_its_life()

    def _note_its_life(self) -> None:
        if self._since - self._opened_at >= self._patience.short_life:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = self._since
        else:
            self._back_off()
