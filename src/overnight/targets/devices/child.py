"""The probe's process, seen from the server: a line goes in, a line comes out, and it can always be ended."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping

COMMAND = (sys.executable, "-P", "-m", "overnight.targets.devices.probe")
"""-P: a module of the same name in the working directory is not ours."""


class Child:
    """A running probe. Its replies are read by a thread, so that waiting for one is a bounded wait on a queue."""

    def __init__(self, env: Mapping[str, str]) -> None:
        # its own session: ending the group also ends an nvidia-smi that it waits for
        self._process = subprocess.Popen(
            COMMAND,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reaping = threading.Lock()
        self._replies: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="gpu-probe", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether it has ended and was reaped. The kernel may hold it inside a driver call even after SIGKILL."""
        return not self._reader.is_alive()

    def ask(self, number: int) -> None:
        """Send a request; a child that cannot take it shows that by its end. Never blocks: at most one is under way."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f'{{"id": {number}}}\n')
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return  # it has ended; the reader says so

    def reply(self, timeout: float) -> str | None:
        """The next line; None = it has ended. Raises TimeoutError after `timeout` seconds."""
        try:
            line = self._replies.get(timeout=max(0.0, timeout))
        except queue.Empty as error:
            raise TimeoutError from error
        if line is None:
            self._replies.put(None)  # ended stays ended
        return line

    def how_it_ended(self) -> str:
        """A few words on its end."""
        code = self._process.returncode
        if code is None:
            return "has not ended"
        if code >= 0:
            return f"exited with code {code}"
        return (
            f"was killed by {signal.Signals(-code).name}" if -code in set(signal.Signals) else f"died of signal {-code}"
        )

    def end(self) -> None:
        """Kill it and its group, without waiting; the reader reaps it. Silent on the second call."""
        with self._reaping:
            if self._process.returncode is not None:
                return  # its number may belong to somebody else by now
            with contextlib.suppress(ProcessLookupError):  # its group is empty: it has ended
                os.killpg(self._process.pid, signal.SIGKILL)

    def join(self, timeout: float) -> bool:
        """Wait until it is gone, at most `timeout` seconds; whether it is."""
        self._reader.join(max(0.0, timeout))
        return self.gone

    def _read(self) -> None:
        process = self._process
        assert process.stdout is not None
        assert process.stdin is not None
        with process.stdout:
            for line in process.stdout:
                self._replies.put(line)
        # reaped under the lock: until then its number cannot be anybody else's, so `end` hits nobody else
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            process.wait()
        with contextlib.suppress(OSError):  # a request that it never took goes with it
            process.stdin.close()
        self._replies.put(None)
