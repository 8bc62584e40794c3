"""Who a secret belongs to, from memory: no request waits for the record to learn who asks.

Secrets of tokens are looked up by their SHA-256: what a look-up betrays by its time says nothing about a secret. Tokens
of attempts are kept nowhere; they carry a proof (HMAC-SHA-256) that only this home can have made.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Mapping

from overnight.domain.access import ADMIN, VERBS, Principal, Role, Scope
from overnight.ids import run_of_attempt

ATTEMPT = b"ovn-attempt-"
"""How the token of an attempt begins; its id and the proof follow."""


def digest_of(secret: bytes) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret).hexdigest()


class Keyring:
    """The tokens of one home. Safe from any thread: the table is never changed, only replaced."""

    def __init__(self, first: str | None = None, attempt_key: bytes | None = None) -> None:
        """`first` is the home's first token; `attempt_key` signs those of attempts (None: there are none)."""
        self._holders: dict[str, Principal] = {digest_of(first.encode()): ADMIN} if first else {}
        self._tokens: frozenset[str | None] = frozenset()
        self._attempt_key = attempt_key
        self._lock = threading.Lock()

    def add(self, holders: Mapping[str, Principal]) -> None:
        """Let these count from now on: SHA-256 of the secret -> who asks by it."""
        with self._lock:
            self._keep({**self._holders, **holders})

    def drop(self, token: str) -> None:
        """Let the token of this id count no more."""
        with self._lock:
            self._keep({digest: it for digest, it in self._holders.items() if it.token != token})

    def _keep(self, holders: dict[str, Principal]) -> None:
        self._holders, self._tokens = holders, frozenset(it.token for it in holders.values())

    def stands(self, who: Principal, now: float) -> bool:
        """Whether the token by which somebody was let in still counts: streams outlive the request that opened them."""
        ended = who.expires_at is not None and who.expires_at <= now
        return who.token is None or (who.token in self._tokens and not ended)

    def find(self, secret: bytes, now: float) -> Principal | None:
        """Who asks by a secret; None when it is no token of this home, or has expired. `now`: wall seconds."""
        if secret.startswith(ATTEMPT):
            return self._attempt(secret)
        found = self._holders.get(digest_of(secret))
        expired = found is not None and found.expires_at is not None and found.expires_at <= now
        return None if expired else found

    def of_attempt(self, attempt: str) -> str:
        """The token of an attempt: it counts while the attempt is live, and reaches its run alone. "" without a key."""
        if self._attempt_key is None:
            return ""
        return f"{ATTEMPT.decode()}{attempt}-{_proof(self._attempt_key, attempt.encode())}"

    def _attempt(self, secret: bytes) -> Principal | None:
        attempt, _, proof = secret.removeprefix(ATTEMPT).rpartition(b"-")
        key = self._attempt_key
        if key is None or not hmac.compare_digest(proof, _proof(key, attempt).encode()):
            return None
        actor = f"attempt:{attempt.decode()}"
        scope = Scope(actor, run=run_of_attempt(attempt.decode()))
        return Principal(actor, Role.ATTEMPT, VERBS[Role.ATTEMPT], scope)


def _proof(key: bytes, attempt: bytes) -> str:
    return hmac.new(key, b"attempt " + attempt, hashlib.sha256).hexdigest()
