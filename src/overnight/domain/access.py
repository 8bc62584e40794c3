"""Who may do what: roles, verbs, and what a token reaches.

Deny by default: an operation names one verb, a role has a set of verbs, and a principal does what its role, its token's
own list and its scope all allow (`reliability.md` section 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Verb(StrEnum):
    """A kind of operation; every operation has exactly one."""

    READ = "read"
    """Look at campaigns, sweeps, runs, logs, results."""
    REPORT = "report"
    """Send metrics, questions and word about a run."""
    SUBMIT = "submit"
    """Create campaigns, sweeps and runs."""
    STEER = "steer"
    """Start, stop, retry, pause, edit, label, answer questions."""
    OPERATE = "operate"
    """Change what all share: skills, targets, the cluster's state."""
    TOKENS = "tokens"
    """Create, list and revoke tokens; read the audit log whole."""
    APPROVE = "approve"
    """Approve what costs money. Nothing needs it yet."""


class Role(StrEnum):
    """What a token is for."""

    VIEWER = "viewer"
    AGENT = "agent"
    OPERATOR = "operator"
    APPROVER = "approver"
    WORKER = "worker"
    ATTEMPT = "attempt"
    """A running job: its own run alone, and only while the attempt lives."""
    ADMIN = "admin"
    """Whoever holds the home's first token; no other token has this role."""


_AGENT = frozenset({Verb.READ, Verb.REPORT, Verb.SUBMIT, Verb.STEER})
_OPERATOR = _AGENT | {Verb.OPERATE, Verb.TOKENS}

VERBS: Mapping[Role, frozenset[Verb]] = MappingProxyType(
    {
        Role.VIEWER: frozenset({Verb.READ}),
        Role.AGENT: _AGENT,
        Role.OPERATOR: _OPERATOR,
        Role.APPROVER: frozenset({Verb.READ, Verb.APPROVE}),
        Role.WORKER: frozenset(),
        Role.ATTEMPT: frozenset({Verb.READ, Verb.REPORT}),
        Role.ADMIN: _OPERATOR,
    }
)
"""What each role may do. An approver is a person with a credential of their own: it submits and steers nothing."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a principal reaches: things of these campaigns, and what it made itself; for it, nothing else is there."""

    actor: str
    """What this one made is its own."""
    campaigns: tuple[str, ...] = ()
    """Ids and names."""
    run: str | None = None
    """For an attempt: the one run that it reaches, and nothing else."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks."""

    actor: str
    """What events name; unique over all tokens."""
    role: Role
    verbs: frozenset[Verb]
    scope: Scope | None = None
    """None = everything."""
    token: str | None = None
    """Id of its token; None for the home's first one, for `--trust-loopback` and for attempts."""
    expires_at: float | None = None
    """Wall seconds."""

    def may(self, verb: Verb) -> bool:
        """Whether it may do what needs `verb`."""
        return verb in self.verbs


ADMIN = Principal("admin", Role.ADMIN, VERBS[Role.ADMIN])
"""Whoever holds the home's first token, or runs commands on the home itself."""
LOOPBACK = Principal("loopback", Role.AGENT, VERBS[Role.AGENT])
"""Local callers without a token, where the server was started with `--trust-loopback`."""
NOBODY = Principal("nobody", Role.VIEWER, frozenset())
"""Who asks what needs no token."""
RESERVED_ACTORS = frozenset({"admin", "system", "loopback", "nobody"})
"""Names that no token may have."""
