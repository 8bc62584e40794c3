"""Destructive calls in two steps: codes that are good for one call, of one caller, for a while."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from overnight.clock import Clock
from overnight.domain.errors import Conflict
from overnight.ids import new_token

VALID_SECONDS = 300.0
"""How long a code is good: long enough to think or to ask a person, too short to be forgotten."""
MOST_CODES = 1_000
"""Codes that are kept at once; the oldest go first."""


class _Promise(NamedTuple):
    binding: str
    until: float
    """Boot seconds."""


class Confirmations:
    """Codes that were given out and not used yet; safe from any thread. A new process knows none: ask again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._promises: OrderedDict[str, _Promise] = OrderedDict()

    def give(self, identity: str, operation: str, arguments: Mapping[str, Any]) -> str:
        """A code for exactly this call."""
        code = new_token()
        promise = _Promise(_binding(identity, operation, arguments), self._clock.boot() + VALID_SECONDS)
        with self._lock:
            self._promises[code] = promise
            while len(self._promises) > MOST_CODES:
                self._promises.popitem(last=False)
        return code

    def take(self, code: str, identity: str, operation: str, arguments: Mapping[str, Any]) -> None:
        """Use a code up; Conflict unless it was given for exactly this call and is still good."""
        with self._lock:
            promise = self._promises.pop(code, None)
        if promise is None:
            raise _refused("is not known: it was used, or given by an earlier server")
        if self._clock.boot() > promise.until:
            raise _refused(f"is older than {VALID_SECONDS:.0f} seconds")
        if promise.binding != _binding(identity, operation, arguments):
            raise _refused("was given for another call; it is used up now")


def _binding(identity: str, operation: str, arguments: Mapping[str, Any]) -> str:
    text = json.dumps([identity, operation, arguments], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _refused(why: str) -> Conflict:
    return Conflict(
        f"the confirmation code {why}; nothing was changed",
        place="confirm",
        next_step="Call again without `confirm`, read what would happen, and confirm with the new code.",
    )
