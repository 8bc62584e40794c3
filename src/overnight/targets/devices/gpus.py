"""The server's side of the probe: bounded readings, whatever the driver does."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping

from overnight.clock import Clock
from overnight.targets.devices.child import Child
from overnight.targets.devices.known import hung, settle
from overnight.targets.devices.presence import driver_tools
from overnight.targets.devices.reading import Answer, Gpu, Reading, decode

START_SECONDS = 60.0
"""Seconds that a new probe has for its first answer: opening eight GPUs without persistence mode takes over ten."""

LOOK_SECONDS = 60.0
"""How long the answer to "is there a driver at all?" is believed."""

FIRST_BACK_OFF = 2.0
"""Seconds before the second replacement of a failed probe; the first replacement is made at once."""

LONGEST_BACK_OFF = 120.0
"""Seconds between replacements of a probe that keeps failing: a driver that hangs needs a person, not a loop."""

NO_TOOLS = "this machine has neither NVIDIA's library (libnvidia-ml.so.1) nor nvidia-smi"


class GpuProbe:
    """Reads this machine's GPUs through a child process. Safe to share between threads; `close` it at the end.

    `env` is the whole environment of the child (None: ours); LD_LIBRARY_PATH only counts when it is in there. Intervals
    are measured on `clock.boot()`.
    """

    def __init__(
        self,
        clock: Clock,
        env: Mapping[str, str] | None = None,
        *,
        start_seconds: float = START_SECONDS,
        present: Callable[[Mapping[str, str]], bool] = driver_tools,
    ) -> None:
        self._clock = clock
        self._env = dict(os.environ if env is None else env)
        self._start_seconds = start_seconds
        self._present = present
        self._looked: tuple[float, bool] | None = None
        self._turn = threading.Lock()
        self._closed = False
        self._child: Child | None = None
        self._previous: Child | None = None
        self._started_at = 0.0
        self._answered = False
        self._number = 0
        self._waiting = False
        self._failures = 0
        self._not_before = 0.0
        self._known: Mapping[str, Gpu] = {}
        self._last = Reading("none", (), ("the GPUs were not read yet",))

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        child = self._child
        return child.pid if child else None

    def read(self, timeout: float = 10.0) -> Reading:
        """The GPUs now, within `timeout` seconds. Never raises for trouble with the driver: every GPU that was seen
        before is in the reading, with a fault if it does not answer. Until a broken probe is replaced, the last
        reading stands.
        """
        deadline = self._clock.boot() + timeout
        if not self._turn.acquire(timeout=max(0.0, timeout)):
            return hung(self._known, f"another reading has waited for the driver for {timeout:g} s")
        try:
            self._last = self._read(deadline, timeout)
            return self._last
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the child. Further readings repeat the last one."""
        self._closed = True
        if child := self._child:
            child.end()
            child.join(1.0)

    def _read(self, deadline: float, timeout: float) -> Reading:
        if self._child is None and not self._worthwhile():
            return settle(Answer("none", why=NO_TOOLS), self._known)
        crash: Reading | None = None
        # two: a probe that was killed by accident (the kernel was out of memory) says nothing about the GPUs
        for _ in range(2):
            child = self._child or self._start(deadline)
            if child is None:
                break
            try:
                return self._converse(child, deadline, timeout)
            except ChildBroken as broken:
                self._replace()
                # ended by `close`: that says nothing about the GPUs
                crash = self._last if self._closed else hung(self._known, str(broken))
        return crash or self._last

    def _converse(self, child: Child, deadline: float, timeout: float) -> Reading:
        """Ask and wait. Raises ChildBroken."""
        late = self._waiting  # for the answer to an earlier reading, which is too old for this one
        while True:
            if not self._waiting:
                self._number += 1
                child.ask(self._number)
                self._waiting = True
            try:
                answer = understood(child, self._number, deadline - self._clock.boot())
            except TimeoutError:
                return self._overdue(timeout)
            self._waiting = False
            self._answered = True
            if not late:
                return self._accept(answer)
            late = False

    def _accept(self, answer: Answer) -> Reading:
        reading = settle(answer, self._known)
        self._known = {**self._known, **{gpu.uuid: gpu for gpu in answer.gpus}}
        if answer.gpus or answer.nameless:
            self._failures = 0
        else:
            self._replace()  # nothing to watch; a new child also loads a new version of the library
        return reading

    def _overdue(self, timeout: float) -> Reading:
        """The driver let the time pass: hung, unless the probe is new and the driver may still be opening the GPUs."""
        age = self._clock.boot() - self._started_at
        if not self._answered and age < self._start_seconds:
            return hung(self._known, f"the driver has not answered yet, {age:.0f} s after the probe's start")
        self._replace()
        return hung(self._known, f"the driver did not answer within {timeout:g} s")

    def _start(self, deadline: float) -> Child | None:
        """A new child; None while it is too early for one, or the kernel holds its predecessor inside the driver."""
        now = self._clock.boot()
        if self._closed or now < self._not_before:
            return None
        if self._previous and not self._previous.join(min(1.0, deadline - now)):
            return None
        try:
            self._child = Child(self._env)
        except OSError as error:
            self._replace()
            self._last = hung(self._known, f"the probe cannot be started: {error}")
            return None
        self._started_at = now
        self._answered = self._waiting = False
        return self._child

    def _replace(self) -> None:
        """End the child, if any; the next one comes at once after a first failure, then later and later."""
        if self._child:
            self._child.end()
            self._previous = self._child
        self._child = None
        wait = FIRST_BACK_OFF * 2 ** min(self._failures - 1, 16) if self._failures else 0.0
        self._not_before = self._clock.boot() + min(wait, LONGEST_BACK_OFF)
        self._failures += 1

    def _worthwhile(self) -> bool:
        now = self._clock.boot()
        if self._looked is None or now - self._looked[0] >= LOOK_SECONDS:
            self._looked = (now, self._present(self._env))
        return self._looked[1]


class ChildBroken(Exception):
    """The child ended or talked nonsense; the message says which."""


def understood(child: Child, number: int, timeout: float) -> Answer:
    """The answer to request `number`. Raises TimeoutError, ChildBroken."""
    line = child.reply(timeout)
    if line is None:
        raise ChildBroken(f"the probe {child.how_it_ended()}")
    try:
        told, answer = decode(line)
    except ValueError as error:
        raise ChildBroken(str(error)) from error
    if told != number:
        raise ChildBroken(f"the probe answered request {told} instead of {number}")
    return answer
