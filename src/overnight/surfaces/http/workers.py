"""Threads for work that blocks. They end with the process: a job that hangs does not keep the server from ending."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Workers:
    """A few daemon threads that take jobs from one queue; used from one event loop."""

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._threads = threads
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._started = 0
        self._count = threading.Lock()
        self.busy = 0
        """Jobs handed in and not answered yet."""
        self.working = 0
        """Jobs that a thread is at, whether or not somebody still waits for the answer."""

    async def run(self, job: Callable[[], T]) -> T:
        """The result of `job`, run on a thread; its exception is raised here."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            result: Any = None
            failure: BaseException | None = None
            try:
                result = job()
            except BaseException as error:
                failure = error
            loop.call_soon_threadsafe(_settle, answer, result, failure)

        self.busy += 1
        try:
            self._jobs.put(work)
            if self._started < self._threads and self.busy > self._started:
                self._start()
            return await answer
        finally:
            self.busy -= 1

    def close(self) -> None:
        """Let the threads end after what is queued; repeatable."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _start(self) -> None:
        self._started += 1
        threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._count:
                self.working += 1
            try:
                job()
            except RuntimeError:
                # The event loop has closed: nobody is there to be answered.
                return
            finally:
                with self._count:
                    self.working -= 1


def _settle(answer: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if answer.done():
        return
    if failure is None:
        answer.set_result(result)
    else:
        answer.set_exception(failure)
