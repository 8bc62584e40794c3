"""Leases of attempts: how long one may live on a host that does not hear of its server."""

from __future__ import annotations

from collections.abc import Mapping

HOLD = "hold"
"""The policy under which no lease ever ends."""


def bears_out(said: Mapping[str, float], lease: float | None) -> bool:
    """Whether the numbers of `planner.lease.evidence` prove the end of an attempt with this lease (None = it had none,
    so never). Raises KeyError and TypeError for what are no such numbers."""
    if lease is None or said["lease"] < lease or said["grace"] < 0:
        return False
    return said["now"] - said["last_beat"] >= said["lease"] + said["grace"]
