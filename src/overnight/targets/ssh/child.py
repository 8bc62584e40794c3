"""The OpenSSH client as a child process. Its stdin and stdout are one end of a socket pair, as links want it."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress

from overnight.targets.ssh.command import environment

KEPT = 32 * 1024
"""Bytes of the newest words on stderr that are kept. A host that floods it fills a pipe, and then waits."""
LEAVE_SECONDS, END_SECONDS = 0.3, 2.0
"""How long it may take to leave by itself, so that it can say why; and after SIGTERM."""


class Child:
    """One running `ssh`."""

    def __init__(self, argv: Sequence[str]) -> None:
        """Raises OSError."""
        self.socket, theirs = socket.socketpair()
        self.stderr, writer = os.pipe()
        os.set_blocking(self.stderr, False)
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=theirs,
                stdout=theirs,
                stderr=writer,
                cwd="/",
                env=environment(os.environ),
                start_new_session=True,
            )
        except BaseException:
            self.socket.close()
            os.close(self.stderr)
            raise
        finally:
            theirs.close()
            os.close(writer)
        self._said = b""
        self._ended = False
        self._lock = threading.Lock()

    @property
    def said(self) -> str:
        """Its newest words on stderr, as far as they were read."""
        return self._said.decode(errors="replace")

    def drain(self) -> None:
        """Read what it says now."""
        with suppress(BlockingIOError):
            while data := os.read(self.stderr, 65536):
                self._said = (self._said + data)[-KEPT:]

    def end(self) -> int:
        """End it where it does not end by itself; its exit status, negative for a signal. Repeatable."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._leave()
                self.drain()
                os.close(self.stderr)
            return self._process.returncode

    def _leave(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        for act, seconds in ((lambda: None, LEAVE_SECONDS), (self._process.terminate, END_SECONDS)):
            act()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                return
        self._process.kill()
        self._process.wait()
