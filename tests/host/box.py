"""A machine of a test's own: what a server would reach over SSH starts here in a shell, on a socket pair."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from overnight.clock import SystemClock
from overnight.targets.link import Link, Message
from overnight.targets.remote_files import RemoteFiles
from overnight.targets.ssh import bootstrap
from overnight.targets.ssh.shipment import Shipment, shipment

HOME = "0123456789ab"
NONCE = "nonce-of-a-test"
PATIENCE = 30.0
"""Seconds after which something counts as never coming."""

T = TypeVar("T")


class Start:
    """One start of our program on the box, until it is ready."""

    def __init__(self, box: Box, command: str, environment: Mapping[str, str], *, shell: str = "/bin/sh") -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(PATIENCE)
        self.process = subprocess.Popen(
            [shell, "-c", command], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=dict(environment), cwd="/"
        )
        theirs.close()
        self.box = box

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def line(self) -> str:
        """The next line, and not one byte more; empty when it has ended."""
        line = b""
        while not line.endswith(b"\n"):
            piece = self.socket.recv(1)
            if not piece:
                break
            line += piece
        return line.decode()

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it said on stderr."""
        _, words = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, words.decode()

    def end(self) -> None:
        self.socket.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()


class Box:
    """Its home folder, and the channels that were opened to it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.root = folder / "host"
        self.starts: list[Start] = []
        self.links: list[Link] = []
        self.events: list[Message] = []
        self.variables = {"HOME": str(folder), "PATH": os.environ["PATH"]}

    @property
    def folder(self) -> Path:
        """Where the things of our home lie."""
        return self.root / HOME

    def start(self, python: str | None = sys.executable, **words: Any) -> Start:
        """Start and send the header."""
        start = Start(self, bootstrap.command(python), self.variables)
        self.starts.append(start)
        sent: Shipment = words.pop("shipment", shipment())
        start.say(bootstrap.header(nonce=NONCE, shipment=sent, root=words.pop("root", "~/host"), home=HOME))
        return start

    def ready(self, python: str | None = sys.executable) -> Start:
        """A start that has come to its end: from here on it is a channel."""
        start = self.start(python)
        answer = start.line()
        if answer == f"{NONCE} need\n":
            start.say(shipment().data)
        else:
            assert answer == f"{NONCE} have\n", start.ended()
        answer = start.line()
        assert answer.startswith(f"{NONCE} ready {{"), (answer, start.ended())
        return start

    def link(self, python: str | None = sys.executable) -> Link:
        """A channel to it."""
        start = self.ready(python)
        link = Link(start.socket, lambda _, message: self.events.append(message), lambda _: None, clock=SystemClock())
        self.links.append(link)
        return link

    def files(self) -> RemoteFiles:
        """Its files, by a channel of their own."""
        link = self.link()
        return RemoteFiles(lambda op, seconds, fields: link.ask(op, seconds, **fields))

    def runner(self) -> int:
        """The process of its runner."""
        return int((self.folder / "runner" / "lock").read_text(encoding="ascii"))

    def end(self) -> None:
        for link in self.links:
            link.close()
        for start in self.starts:
            start.end()
        if (self.folder / "runner" / "lock").exists():
            with suppress(ProcessLookupError):
                os.kill(self.runner(), signal.SIGTERM)


def eventually(look: Callable[[], T], what: str) -> T:
    """The first look that finds something."""
    until = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < until, f"never happened: {what}"
        time.sleep(0.005)
    return found
