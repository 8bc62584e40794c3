"""Logs, the record of what was done, and files."""

from __future__ import annotations

from overnight.service.wild.work import Work

WORK: dict[str, Work] = {}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
