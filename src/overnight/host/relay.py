"""The channel of a server: its lines go to the runner and the runner's to it; those for the host are taken out."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import Any

from overnight.host.operations import PREFIX
from overnight.runner import moment
from overnight.runner.protocol import PIECE

LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of a line from the server; with more there is no sense in what comes."""
SILENCE_SECONDS = 60.0
"""A server of which nothing came for this long is gone: it says something every few seconds."""
SERVER_GONE, RUNNER_GONE = "the server has gone", "the runner has gone"
"""Why a channel ends."""
_OURS = f'"{PREFIX}'.encode()
"""In every line that may be for us: a quote in a text is never without a backslash before it."""


class Output:
    """Whole lines to the server, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Write all of it; waits for a slow line. Raises OSError when it is gone."""
        rest = memoryview(data)
        with self._lock:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


class Ended(Exception):
    """One side is there no more; the message says which."""


class Relay:
    """Both directions, until one of them ends. What is for the host is handed on and answered whenever it is done."""

    def __init__(
        self, source: int, output: Output, runner: socket.socket, answer: Callable[[dict[str, Any]], None]
    ) -> None:
        self._source = source
        self._output = output
        self._runner = runner
        self._answer = answer
        self._rest: list[bytes] = []
        self._from_runner: list[bytes] = []
        self.heard_at = moment.boot()
        """When the server last said something, on the boot clock."""

    def run(self) -> str:
        """Relay until the server's stream or the runner's ends; which of them. Raises ValueError for nonsense."""
        waiting = select.poll()
        for descriptor in (self._source, self._runner.fileno()):
            waiting.register(descriptor, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in waiting.poll()}
                if self._source in ready:
                    self._take()
                if self._runner.fileno() in ready:
                    self._bring()
        except Ended as end:
            return str(end)

    def _bring(self) -> None:
        """From the runner, whole lines only: answers of our own go between them."""
        data = _some(lambda: self._runner.recv(PIECE), RUNNER_GONE)
        end = data.rfind(b"\n") + 1
        if end:
            self._write(b"".join([*self._from_runner, data[:end]]))
            self._from_runner = []
        if end < len(data):
            self._from_runner.append(data[end:])

    def _write(self, data: bytes) -> None:
        try:
            self._output.write(data)
        except OSError as error:
            raise Ended(SERVER_GONE) from error

    def _take(self) -> None:
        """From the server: lines for the runner go on in one piece."""
        data = _some(lambda: os.read(self._source, PIECE), SERVER_GONE)
        self.heard_at = moment.boot()
        end = data.rfind(b"\n") + 1
        if end:
            lines = b"".join([*self._rest, data[:end]])
            self._rest = []
            self._forward(lines)
        if end < len(data):
            self._rest.append(data[end:])
            if sum(map(len, self._rest)) > LONGEST_LINE:
                raise ValueError(f"a line of more than {LONGEST_LINE} bytes came")

    def _forward(self, lines: bytes) -> None:
        if _OURS in lines:
            kept = [line for line in lines.split(b"\n") if not self._handed_on(line)]
            lines = b"\n".join(kept)
        try:
            self._runner.sendall(lines)
        except OSError as error:
            raise Ended(RUNNER_GONE) from error

    def _handed_on(self, line: bytes) -> bool:
        """Whether a line is for us; then it is on its way."""
        if _OURS not in line:
            return False
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return False  # the runner says what is wrong with it
        if not isinstance(request, dict) or not str(request.get("op")).startswith(PREFIX):
            return False
        self._answer(request)
        return True


def _some(read: Callable[[], bytes], otherwise: str) -> bytes:
    """What is there to be read. Raises Ended where nothing more will come."""
    try:
        data = read()
    except OSError as error:
        raise Ended(otherwise) from error
    if not data:
        raise Ended(otherwise)
    return data
