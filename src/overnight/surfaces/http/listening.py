"""The server's socket: taken before anything else happens, on loopback unless it is insisted."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from overnight.domain.errors import Conflict, Refused
from overnight.surfaces.http.gate import hosts_at

BACKLOG = 2048
"""Connections that may wait to be accepted."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket and what it is called."""

    socket: socket.socket
    host: str
    port: int
    wildcard: bool

    @property
    def url(self) -> str:
        """Where clients on this machine reach it."""
        if self.wildcard:
            return f"http://{'[::1]' if ':' in self.host else '127.0.0.1'}:{self.port}"
        return f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The values of a Host header that mean it."""
        names = [socket.gethostname()] if self.wildcard else [_bracketed(self.host)]
        return hosts_at(self.port, names)


def listen(host: str, port: int, *, insecure_bind: bool = False) -> Listener:
    """Bind and listen; port 0 takes a free one.

    Refused when the address is not of this machine's loopback and nobody insisted, Conflict when the port is in use.
    """
    family, address = _resolve(host, port)
    if not ip_address(address).is_loopback and not insecure_bind:
        raise Refused(
            f"{host} can be reached from other machines, and this server speaks plain HTTP",
            place="--host",
            next_step="Stay on 127.0.0.1 and forward the port through SSH, or insist with --insecure-bind.",
        )
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise _refusal(host, port, error) from error
    return Listener(bound, host, int(bound.getsockname()[1]), ip_address(address).is_unspecified)


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    if not 0 <= port <= 65535:
        raise Refused(f"{port} is no port", place="--port", next_step="Give 0 to 65535; 0 takes a free one.")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise Refused(f"{host!r} is no address: {error}", place="--host", next_step="Give an IP address.") from error
    return family, str(address[0])


def _refusal(host: str, port: int, error: OSError) -> Refused:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"port {port} of {host} is in use by another program",
            place="--port",
            next_step="Choose another one with --port; 0 takes a free one.",
        )
    return Refused(
        f"cannot listen on {host}, port {port}: {error.strerror}", place="--port", next_step="Choose another one."
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
