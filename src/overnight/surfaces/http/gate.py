"""Who may ask: requests addressed to this server (Host), from no foreign page (Origin), with its token.

The Host check is what stops a foreign name that was pointed at 127.0.0.1 (DNS rebinding); the Origin check what stops a
foreign page that a browser of this machine shows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address

from overnight.clock import Clock
from overnight.domain.access import LOOPBACK, NOBODY, Principal
from overnight.service.keyring import Keyring
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.wire import Head, Scope

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
LOOPBACK_PEERS = ("127.", "::1", "::ffff:127.")
PUBLIC = frozenset({b"/health", b"/docs", b"/openapi.json"})
"""Answered without a token: they say nothing about anybody's work."""
FORWARDED = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"})
"""Headers of proxies: who sent such a request is somebody else, maybe on another machine."""
ELSEWHERE = ("cross-site", "same-site")
"""What browsers say (`Sec-Fetch-Site`) of requests by pages of other servers; some come without an Origin."""
CHALLENGE = ((b"www-authenticate", b'Bearer realm="overnight"'),)


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of one server. `hosts` are the exact values of a Host header that mean this server, in lower case."""

    keyring: Keyring
    clock: Clock
    hosts: frozenset[str]
    any_address: bool = False
    """Whether any literal IP address means this server: it listens on all of them. Rebinding needs a name."""
    trust_loopback: bool = False
    """Whether requests from this machine pass without a token; not those of proxies and of foreign pages."""

    def check(self, scope: Scope, head: Head, *, public: bool = False) -> Principal:
        """Who asks; NOBODY where that does not matter (`public`). Raises Fault unless the request may pass."""
        self._check_host(head)
        self._check_origin(head)
        if public or scope["raw_path"] in PUBLIC:
            return NOBODY
        return self._principal(scope, head)

    def _check_host(self, head: Head) -> None:
        host = head.text(b"host")
        if host is None or not self._is_ours(host.lower()):
            raise Fault(
                403,
                "foreign_host",
                "the Host header names no address of this server",
                next_step="Ask it by the address that it printed when it started.",
            )

    def _is_ours(self, host: str) -> bool:
        return host in self.hosts or (self.any_address and _is_address(host))

    def _check_origin(self, head: Head) -> None:
        origin = head.text(b"origin")
        if origin is None:
            return
        scheme, found, host = origin.lower().partition("://")
        # Of literal addresses, which all may be ours, only the one that was asked is the page's own.
        ours = host in self.hosts or host == (head.text(b"host") or "").lower()
        if not found or scheme not in ("http", "https") or not ours:
            raise Fault(403, "foreign_origin", "pages of other origins may not ask this server")

    def _principal(self, scope: Scope, head: Head) -> Principal:
        given = [token for token in (_bearer(head), head.values.get(b"x-auth-token")) if token is not None]
        if not given and self.trust_loopback and _from_loopback(scope, head):
            return LOOPBACK
        now = self.clock.wall()
        found = [self.keyring.find(token.strip(), now) for token in given]
        # Every token that came must be right, and the same one: a wrong one is never hidden behind a right one.
        if not found or found[0] is None or any(it != found[0] for it in found):
            raise Fault(
                401,
                "unauthenticated",
                "a valid token is required" if not given else "the token is not valid",
                next_step="Send an access token, or the text of the file `token` in the server's home: "
                "Authorization: Bearer …",
                headers=CHALLENGE,
            )
        return found[0]


def _bearer(head: Head) -> bytes | None:
    value = head.values.get(b"authorization")
    if value is None:
        return None
    scheme, _, token = value.strip().partition(b" ")
    return token if scheme.lower() == b"bearer" else b""


def _is_address(host: str) -> bool:
    bare = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    try:
        ip_address(bare)
    except ValueError:
        return False
    return True


def _from_loopback(scope: Scope, head: Head) -> bool:
    client = scope.get("client")
    if FORWARDED & head.values.keys() or head.text(b"sec-fetch-site") in ELSEWHERE:
        return False
    return client is not None and str(client[0]).startswith(LOOPBACK_PEERS)


def hosts_at(port: int, extra: Iterable[str] = ()) -> frozenset[str]:
    """The Host values of a server at `port`: the loopback names and `extra`, with the port (without it for 80)."""
    names = {*LOOPBACK_NAMES, *(name.lower() for name in extra)}
    bare = names if port == 80 else set()
    return frozenset({f"{name}:{port}" for name in names} | bare)
