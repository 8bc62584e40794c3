"""How much one request may ask for, by the token with which it comes."""

from __future__ import annotations

from overnight.domain.access import Role
from overnight.domain.errors import LimitExceeded
from overnight.service.context import Context


def refuse_many(context: Context, runs: int, next_step: str = "Ask for fewer at once.") -> None:
    """LimitExceeded for more runs than a token may create with one request; the home's first token may any number."""
    most = context.configuration.limits.cells
    if runs > most and context.principal.role is not Role.ADMIN:
        raise LimitExceeded(f"{runs} runs at once; {most} are allowed", next_step=next_step)
