"""What the operations on runs take. Source: the protocol, 2.2."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from overnight.planner.wild import RunStatus
from overnight.service.wild.requests import OneRun, ShortText, Text, WildRequest

Word = Annotated[str, Field(max_length=200)]
Cursor = Annotated[str, Field(pattern=r"^r[0-9a-f]{1,15}$", description="X-Next-Cursor of the page before.")]


class GpuWrap(WildRequest):
    """How often a run is tried again when its GPU was busy or full."""

    enabled: bool | None = None
    retries: int | None = Field(default=None, ge=-1, le=1_000_000, description="-1 = no bound; absent = 2.")
    retry_delay_seconds: float | None = Field(default=None, gt=0, le=600, description="Absent = 5.")


class NewRun(WildRequest):
    """One configuration that should be tried."""

    name: Annotated[str, Field(max_length=4096, description="Not blank.")]
    command: Text = Field(description="Read by the shell as it is; not blank.")
    workdir: ShortText | None = Field(default=None, description="Working folder; the server's own if absent.")
    sweep_id: Word | None = None
    parent_run_id: Word | None = None
    origin_alert_id: Word | None = None
    chat_session_id: ShortText | None = Field(
        default=None, description="The conversation that this belongs to; null = none, on purpose."
    )
    auto_start: bool = Field(default=False, description="Queued at once instead of ready.")
    gpuwrap_config: GpuWrap | None = None

    @field_validator("name", "command")
    @classmethod
    def _said(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be blank")
        return value


class NewSweepRun(NewRun):
    """A run in a sweep; a `sweep_id` in the body is ignored."""

    id: str = Field(min_length=1, max_length=200, description="The sweep.")


class RunPage(WildRequest):
    """A page of runs, newest first."""

    archived: bool = Field(default=False, description="Archived runs too.")
    limit: int = Field(default=100, ge=0, le=10_000)
    status: RunStatus | None = None
    sweep_id: Word | None = None
    chat_session_id: ShortText | None = None
    cursor: Cursor | None = None


class RunEdit(OneRun):
    """What a run is called and does from now on; absent = as before."""

    name: ShortText | None = None
    command: Text | None = None
    workdir: ShortText | None = None


class Rerun(OneRun):
    """A new run of the same configuration; what is given replaces it."""

    command: Text | None = None
    auto_start: bool = False
    origin_alert_id: Word | None = None
    gpuwrap_config: GpuWrap | None = None


class Joining(OneRun):
    """A run, and the sweep that it goes to."""

    sweep_id: Word


class StatusReport(OneRun):
    """How a run stands that somebody else carries out."""

    status: RunStatus
    exit_code: int | None = Field(default=None, ge=-(2**31), le=2**31)
    error: Text | None = None
    tmux_pane: ShortText | None = None
    wandb_dir: ShortText | None = None


def plain(config: GpuWrap | None) -> dict[str, Any] | None:
    """What was said of it, as it was said."""
    return None if config is None else config.model_dump(exclude_unset=True)
