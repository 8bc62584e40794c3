"""Serving: in the foreground until a signal, or beside other work of this process."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import uvicorn

from overnight.clock import pause
from overnight.service.context import Context
from overnight.surfaces.http.application import Application, build
from overnight.surfaces.http.connection import Connection
from overnight.surfaces.http.listening import Listener, listen

GRACE_SECONDS = 3
"""How long requests may take to end after the server was told to."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open."""
MOST_CONNECTIONS = 800
"""Connections at once; below the 1,024 files that a process may usually have open, so that the record keeps its own. A
new one takes the place of the longest idle one."""
START_SECONDS = 30.0
"""How long a server beside other work may take until it answers."""
STEP_SECONDS = 0.02
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Lock(Protocol):
    """Tells others where this home's server answers."""

    def announce(self, url: str, /) -> None:
        """Write the address down."""


class Plane(Protocol):
    """A running control plane (`app.Plane`)."""

    @property
    def context(self) -> Context:
        """What operations work with."""

    @property
    def lock(self) -> Lock:
        """The home's lock."""

    def close(self) -> None:
        """End the loop and give everything back."""


Start = Callable[[Callable[[str], None], str], Plane]
"""Starts a plane; its first argument is called with the reason when the plane cannot go on, its second is the URL."""


class _Server(uvicorn.Server):
    """Uvicorn with our ends: signals end it quietly, waiting requests are let go at once, a breaking ends it with 1."""

    def __init__(self, application: Application, ready: Callable[[], None]) -> None:
        super().__init__(_configuration(application))
        self._application = application
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._application.tide.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.should_exit = True


class _Ending:
    """Why the server must end, from whatever thread noticed."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.server: _Server | None = None

    def broken(self, reason: str) -> None:
        self.reason = self.reason or reason
        if self.server is not None:
            self.server.should_exit = True


def serve(
    start: Start,
    host: str,
    port: int,
    *,
    insecure_bind: bool = False,
    trust_loopback: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code: 0, or 1 when the record broke. Jobs go on.

    The port is taken before `start` is called; errors of both are raised (Refused, Conflict, StoreRefused). `say` gets
    `ready http://H:P` once the server answers.
    """
    listener = listen(host, port, insecure_bind=insecure_bind)
    ending = _Ending()
    try:
        plane = start(ending.broken, listener.url)
    except BaseException:
        listener.socket.close()
        raise
    application = _application(plane, listener, trust_loopback, ending.broken)

    def ready() -> None:
        plane.lock.announce(listener.url)
        say(f"ready {listener.url}")

    server = _Server(application, ready)
    ending.server = server
    server.should_exit = ending.reason is not None
    server.run(sockets=[listener.socket])
    application.close()
    return _finish(plane, application, ending)


def _finish(plane: Plane, application: Application, ending: _Ending) -> int:
    if ending.reason is not None:
        # Nothing is closed in order: what the disk kept is unknown, and the next start recovers from the log (R17).
        print(f"error: the server ends: {ending.reason}", file=sys.stderr, flush=True)
        return 1
    if _idle(application):
        plane.close()
    return 0


def _idle(application: Application) -> bool:
    """Wait a little for jobs that nobody waits for any more; the process may end without them."""
    for _ in range(int(GRACE_SECONDS / STEP_SECONDS)):
        if not application.working:
            return True
        pause(STEP_SECONDS)
    return False


@contextmanager
def served(
    plane: Plane,
    host: str,
    port: int,
    *,
    insecure_bind: bool = False,
    trust_loopback: bool = False,
    broken: Callable[[str], None] = lambda _: None,
) -> Iterator[str]:
    """Serve a running plane on a thread of its own while the block runs; gives the URL. The plane stays open."""
    listener = listen(host, port, insecure_bind=insecure_bind)
    application = _application(plane, listener, trust_loopback, broken)
    answering = threading.Event()
    server = _Server(application, answering.set)
    thread = threading.Thread(target=server.run, args=([listener.socket],), name="http", daemon=True)
    thread.start()
    try:
        if not answering.wait(START_SECONDS):
            raise TimeoutError("the server did not start")
        plane.lock.announce(listener.url)
        yield listener.url
    finally:
        server.should_exit = True
        thread.join(GRACE_SECONDS * 2)
        application.close()
        plane.lock.announce("")


def _application(plane: Plane, listener: Listener, trust_loopback: bool, broken: Callable[[str], None]) -> Application:
    return build(
        plane.context,
        hosts=listener.hosts,
        any_address=listener.wildcard,
        trust_loopback=trust_loopback,
        broken=broken,
    )


def _configuration(application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
