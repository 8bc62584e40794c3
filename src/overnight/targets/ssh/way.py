"""The way to the runner of a machine reached over SSH: one `ssh` process, a handshake, and then a plain stream."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from overnight.clock import Clock
from overnight.domain.remote import SshSettings
from overnight.targets.keeper import Stream
from overnight.targets.ssh import bootstrap, command
from overnight.targets.ssh.child import Child
from overnight.targets.ssh.command import Resolved
from overnight.targets.ssh.failures import Site, last_words, shown, unreached
from overnight.targets.ssh.handshake import Handshake, NoSense
from overnight.targets.ssh.shipment import Shipment
from overnight.targets.status import Unreached, Why

OPEN_SECONDS = 30.0
"""Longest time from the start of `ssh` until the runner there can be talked to."""
CHANGED_KEY_SECONDS = 300.0
"""How long a host is left alone whose key has changed: that is a person's affair."""
RESOLVED_SECONDS = 60.0
"""How long what OpenSSH made of its configuration is taken for true."""


@dataclass(slots=True)
class SshWay:
    """How to get to the runner of one home on one host."""

    name: str
    settings: SshSettings
    home: str
    """Which of our homes this is: 12 hex digits."""
    shipment: Callable[[], Shipment]
    clock: Clock
    nonce: Callable[[], str]
    """Something new that no start file can print."""
    greeted: Callable[[str], None] = lambda _: None
    """Told what the host said of itself when it was ready."""
    _resolved: Resolved | None = None
    _resolved_at: float = 0.0

    def open(self) -> Stream:
        """See `Way.open`. Raises Unreached, which says why."""
        argv = self._argv()
        try:
            child = Child(argv)
        except OSError as error:
            raise Unreached(self._unknown("no_ssh", f"{argv[0]} cannot be started: {error}")) from error
        nonce = self.nonce()
        talk = Handshake(child, nonce, self.clock, OPEN_SECONDS)
        try:
            shipment = self.shipment()
            header = bootstrap.header(nonce=nonce, shipment=shipment, root=self.settings.folder, home=self.home)
            self.greeted(talk.shake(header, lambda: shipment.data))
        except (OSError, EOFError, NoSense) as error:
            child.end()
            raise self._failure(child, talk, error) from error
        except BaseException:
            child.end()
            raise
        return Stream(child.socket, lambda: self._ended(child))

    def forget(self) -> None:
        """Ask OpenSSH anew what it makes of its configuration."""
        self._resolved = None

    def session(self) -> list[str]:
        """`ssh` with everything but the host and a command."""
        return command.session(self.settings, self._resolve().strict)

    def _argv(self) -> list[str]:
        return [*self.session(), "--", self.settings.host, bootstrap.command(self.settings.python)]

    def _resolve(self) -> Resolved:
        now, resolved = self.clock.boot(), self._resolved
        if resolved is None or now - self._resolved_at > RESOLVED_SECONDS:
            try:
                resolved = command.resolve(self.settings)
            except ValueError as error:
                raise Unreached(unreached(self._site(), str(error), otherwise="", code="bad_config")) from error
            except OSError as error:
                raise Unreached(self._unknown("no_ssh", f"OpenSSH cannot be started: {error}")) from error
            self._resolved, self._resolved_at = resolved, now
        return resolved

    def _site(self) -> Site:
        by_hand = shlex.join([*command.way(self.settings), self.settings.host])
        resolved = self._resolved
        if resolved is None:
            return Site(self.name, by_hand, self.settings.host)
        return Site(self.name, by_hand, resolved.known_as, resolved.known_hosts)

    def _failure(self, child: Child, talk: Handshake, error: Exception) -> Unreached:
        """Why the handshake failed: the words of OpenSSH and of our start there decide, then what we saw."""
        printed = last_words(talk.junk)
        saw = f"{error}; it printed {printed!r}" if printed else str(error)
        why = unreached(self._site(), child.said, otherwise=shown(saw), code=_code(error, printed))
        return Unreached(why, pause=CHANGED_KEY_SECONDS if why.code == "host_key_changed" else None)

    def _ended(self, child: Child) -> Why | None:
        """Why an open channel ended, where OpenSSH itself said so."""
        if not child.end():
            return None
        return unreached(self._site(), child.said, otherwise="the connection ended")

    def _unknown(self, code: str, sentence: str) -> Why:
        return Why(code, f"{self.name} is not reached: {sentence}", "Is OpenSSH's client installed here? Try: ssh -V")


def _code(error: Exception, printed: str) -> str:
    """Somebody answered something else, or nobody answered, or the connection ended."""
    if isinstance(error, NoSense):
        return "protocol"
    if isinstance(error, TimeoutError):
        return "protocol" if printed else "timed_out"
    return "ended"
