"""What the operations on sweeps take. Source: the protocol, 2.3."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator

from overnight.service.wild.requests import OneRun, ShortText, Text, WildRequest
from overnight.service.wild.run_requests import Cursor, Word

MOST_RUNS = 100_000
"""Runs that a grid may make, whoever asks."""
LARGEST_BITS = 1024
"""Of a whole number: what a float reaches, and what can still be written in decimal."""


def _numbers(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """No number, however deep, is one that JSON does not have or nobody can write."""
    rest: list[Any] = [value]
    while rest:
        it = rest.pop()
        if isinstance(it, float) and not math.isfinite(it):
            raise ValueError("has a number that is not finite")
        if isinstance(it, int) and it.bit_length() > LARGEST_BITS:
            raise ValueError("has a number that is too large")
        if isinstance(it, dict | list):
            rest += it.values() if isinstance(it, dict) else it
    return value


Object = Annotated[dict[str, Any], AfterValidator(_numbers)]
Parameters = Annotated[
    Object, Field(max_length=1_000, description="Name -> list of values, or one value; their product is run.")
]
MaxRuns = Annotated[int, Field(ge=1, le=MOST_RUNS, description="More combinations than this are cut.")]


def _axes(value: dict[str, Any] | None) -> dict[str, Any] | None:
    for name, axis in (value or {}).items():
        if not name.strip():
            raise ValueError("a parameter has no name")
        if axis == []:
            raise ValueError(f"{name[:200]} has no value: give at least one")
    return value


class NewWildSweep(WildRequest):
    """An open sweep, to which runs are added."""

    name: ShortText = "Wild Loop Sweep"
    goal: Text = ""
    chat_session_id: ShortText | None = Field(default=None, description="The conversation; null = none, on purpose.")


class NewSweep(WildRequest):
    """A grid."""

    name: ShortText = Field(description="Its runs are called NAME #1, NAME #2 …; not blank.")
    base_command: Text = Field(description="Each run adds ` --key=value` to it; not blank.")
    parameters: Parameters
    workdir: ShortText | None = None
    max_runs: MaxRuns = 10
    auto_start: bool = False
    goal: Text | None = None
    status: Word | None = Field(default=None, description="draft (no runs yet), pending, running (its runs queued).")
    ui_config: Object | None = None
    chat_session_id: ShortText | None = Field(default=None, description="The conversation; null = none, on purpose.")

    _checked = field_validator("parameters")(_axes)

    @field_validator("name", "base_command")
    @classmethod
    def _said(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be blank")
        return value


class SweepPage(WildRequest):
    """A page of sweeps, newest first."""

    limit: int = Field(default=50, ge=0, le=1_000)
    chat_session_id: ShortText | None = None
    cursor: Cursor | None = None


class SweepEdit(OneRun):
    """What is changed of a sweep; absent = as before."""

    name: ShortText | None = None
    base_command: Text | None = None
    workdir: ShortText | None = None
    parameters: Parameters | None = None
    max_runs: MaxRuns | None = None
    goal: Text | None = None
    status: Word | None = Field(default=None, description="draft, pending, running, or canceled.")
    ui_config: Object | None = None

    _checked = field_validator("parameters")(_axes)


class SweepStart(OneRun):
    """How many of a sweep's runs may be live at once, from now on."""

    parallel: int = Field(default=1, ge=1, le=1_000_000)
