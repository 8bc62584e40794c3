"""A TCP proxy that cuts a connection at the moment when a client asks for something, before or after it is done."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from enum import Enum


class Cut(Enum):
    """What is lost: the request, so that the server never hears of it, or its answer, so that only the server knows."""

    REQUEST = "request"
    ANSWER = "answer"


class CuttingProxy:
    """Forwards to a port of this machine. `arm` makes it cut the next connection that sends `trigger`, once."""

    def __init__(self, port: int, trigger: bytes) -> None:
        self._target = port
        self._trigger = trigger
        self._armed: Cut | None = None
        self._lock = threading.Lock()
        self.cuts = 0
        """Connections that were cut so far."""
        self.refusing = False
        """While true, new connections are closed at once."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, cut: Cut) -> None:
        """Cut at the next trigger."""
        with self._lock:
            self._armed = cut

    def close(self) -> None:
        """Take no more connections; those that are open go on."""
        # Closing alone would leave the thread in accept.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            losing = threading.Event()
            threading.Thread(target=self._requests, args=(client, server, losing), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, server, losing), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                cut = self._take(data)
                if cut is Cut.REQUEST:
                    break
                if cut is Cut.ANSWER:
                    losing.set()
                server.sendall(self._forwarded(data))
        _hang_up(client, server)

    def _answers(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                if losing.is_set():
                    break
                client.sendall(data)
        _hang_up(client, server)

    def _forwarded(self, data: bytes) -> bytes:
        return data

    def _take(self, data: bytes) -> Cut | None:
        with self._lock:
            if self._armed is None or self._trigger not in data:
                return None
            cut, self._armed = self._armed, None
            self.cuts += 1
            return cut


def _hang_up(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class LosingProxy(CuttingProxy):
    """Loses the answers of a share of all HTTP requests, after the server has got them."""

    def __init__(self, port: int, share: float, rng: random.Random) -> None:
        self._share, self._rng = share, rng
        super().__init__(port, b" HTTP/1.1\r\n")

    def _forwarded(self, data: bytes) -> bytes:
        """The server is asked by its own name, as through a forwarded port of the same number."""
        return data.replace(b":%d\r\n" % self.port, b":%d\r\n" % self._target, 1)

    def _take(self, data: bytes) -> Cut | None:
        with self._lock:
            if self._trigger not in data or self._rng.random() >= self._share:
                return None
            self.cuts += 1
            return Cut.ANSWER
