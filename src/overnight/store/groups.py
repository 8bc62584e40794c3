"""Commits in groups: whoever gets the writer's lock carries out everything that waits, with one sync for all of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from overnight.domain.errors import StoreUnavailable
from overnight.store.base import Change, Session

T = TypeVar("T")


@dataclass(slots=True)
class Request:
    """One call of `Store.write`, until its answer or error is known."""

    change: Change
    work: Callable[[Session], Any]
    done: bool = False
    answer: Any = None
    error: BaseException | None = None


class Groups:
    """The queue of a writer. `commit(group)` makes the group durable or gives each of its requests an error."""

    def __init__(self, commit: Callable[[list[Request]], None]) -> None:
        self._commit = commit
        self._queue: list[Request] = []
        self._queue_lock = threading.Lock()
        self.writer_lock = threading.Lock()
        """Held while a group is committed; whoever closes the writer takes it first."""

    @property
    def waiting(self) -> int:
        """How many requests wait for the next group."""
        return len(self._queue)

    def submit(self, change: Change, work: Callable[[Session], T]) -> T:
        """Have `work` committed, by this thread or by the one that leads; returns its answer or raises its error."""
        request = Request(change, work)
        with self._queue_lock:
            self._queue.append(request)
        with self.writer_lock:
            if not request.done:
                self._lead()
        if request.error is not None:
            raise request.error
        return cast("T", request.answer)

    def _lead(self) -> None:
        with self._queue_lock:
            group, self._queue = self._queue, []
        try:
            self._commit(group)
        except BaseException as error:
            # The leader is being ended (an interrupt): those who trusted it must not take silence for success.
            fail(
                group,
                StoreUnavailable(f"the writer was ended by {type(error).__name__}", next_step="Look, then try again."),
            )
            raise
        finally:
            for request in group:
                request.done = True


def fail(group: Sequence[Request], error: Exception) -> None:
    """Give the error to every request that has none of its own."""
    for request in group:
        request.error = request.error or error


def carry_out(
    group: Sequence[Request],
    session: Session,
    *,
    execute: Callable[[str], object],
    fatal: Callable[[Exception], bool],
    translate: Callable[[Exception], Exception],
) -> None:
    """Run the work of every request in the open transaction, each behind a savepoint.

    An exception undoes its own request only, events included; one that is `fatal` ends the whole group by being raised.
    """
    pen = session.pen
    assert pen is not None, "only a session that writes carries out requests"
    for request in group:
        session.change = request.change
        place = (pen.seq, pen.hash)
        execute("SAVEPOINT request")
        try:
            request.answer = request.work(session)
            execute("RELEASE SAVEPOINT request")
        except Exception as error:
            if fatal(error):
                raise
            execute("ROLLBACK TO SAVEPOINT request")
            execute("RELEASE SAVEPOINT request")
            pen.seq, pen.hash = place
            request.error = translate(error)
