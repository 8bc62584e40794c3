"""What the machines are, how much may run, and the public counts."""

from __future__ import annotations

from overnight.service.wild.work import Work

WORK: dict[str, Work] = {}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
