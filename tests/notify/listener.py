"""A service that people could have chosen: a real HTTP server here that takes Apprise's `json://` messages."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Listener:
    """Keeps what arrives; `answers` decides each status from the messages so far."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], int] = lambda _: 200
        self._arrived = threading.Condition()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                listener.take(message)
                self.send_response(listener.answer(message))
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"json://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, message: dict[str, Any]) -> None:
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()

    def wait_for(self, number: int) -> list[dict[str, Any]]:
        """The messages, once there are so many."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.messages) >= number, 30), self.messages
            return list(self.messages)

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()
    try:
        yield listener
    finally:
        listener.close()
