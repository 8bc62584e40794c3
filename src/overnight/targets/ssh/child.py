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
PIECE, MOST_PIECES = 65536, 32
"""Bytes of stderr that are read at once, and how often in a row: twice what a pipe holds at most."""
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
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
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
        self._status: int | None = None
        self._lock = threading.Lock()

    @property
    def said(self) -> str:
        """Its newest words on stderr, as far as they were read."""
        return self._said.decode(errors="replace")

    def drain(self) -> None:
        """Read what it says now, and not for as long as it goes on."""
        with suppress(BlockingIOError):
            for _ in range(MOST_PIECES):
                self._said = (self._said + os.read(self.stderr, PIECE))[-KEPT:]

    def end(self) -> int | None:
        """Its exit status, or None where it did not end by itself and we ended it. Repeatable."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._status = self._leave()
                os.close(self.stderr)
            return self._status

    def _leave(self) -> int | None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        left = self._waited(LEAVE_SECONDS)
        self.drain()
        if left:
            return self._process.returncode
        self._process.terminate()
        if not self._waited(END_SECONDS):
            self._process.kill()
            self._process.wait()
        return None

    def _waited(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
