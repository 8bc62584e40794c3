"""Beats of a runner whose attempts have leases: sent to the server, and counted once they are answered."""

from __future__ import annotations

from collections.abc import Callable

from . import lease, moment
from .complaint import complain
from .launch import Launch
from .lease import Renewal, Tenancy
from .ledger import Ledger
from .loop import Loop
from .protocol import Message, ProtocolError, line


class Beats:
    """Sends one every ten seconds while a live attempt has a lease. `push` reaches the server of the newest session."""

    def __init__(self, loop: Loop, ledger: Ledger, state_dir: str, boot_id: str, push: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._ledger = ledger
        self._state_dir = state_dir
        self._boot_id = boot_id
        self._push = push
        self._renewal = Renewal(state_dir, boot_id)
        self._running = False

    def begin(self) -> None:
        """An attempt with a lease may live now: beat from now on, and once at least. Repeatable."""
        if not self._running:
            self._running = True
            self._beat()

    def greet(self) -> None:
        """A server has come: let it renew at once what its predecessor could not."""
        if self._running:
            self._push(line({"event": "beat", **self.ask()}))

    def ask(self) -> Message:
        """Return a beat for a server that asks for one: its number, and the boot clock in seconds."""
        number = lease.name_of_beat()
        return {"n": number, "at": number / lease.TICKS}

    def answered(self, number: int) -> None:
        """The server has this beat: leases count from the moment at which it was sent."""
        try:
            self._renewal.answered(number)
        except OSError as error:
            complain(f"The leases cannot be renewed: {error}.")

    def admit(self, launch: Launch) -> None:
        """Raises ProtocolError for a launch whose lease is over before it starts: its server must be heard first."""
        if launch.lease is None:
            return
        tenancy = Tenancy(self._state_dir, self._boot_id, launch.lease, launch.grace)
        if tenancy.ended(moment.boot()):
            raise ProtocolError("lease_over", "No beat was answered within the lease of this launch: renew it first.")

    def _beat(self) -> None:
        if not any(entry.lease is not None and not entry.state.final for entry in self._ledger.entries.values()):
            self._running = False
            return
        self._push(line({"event": "beat", **self.ask()}))
        self._loop.call_at(moment.boot() + lease.EVERY, self._beat)
