"""Explanations, and a campaign as a queue."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from overnight.service.answers.things import Named


class _Reason(TypedDict):
    state: str
    code: str
    reason: str
    next: list[str]


class ExplainedRun(_Reason):
    """The one reason why a run is where it is; `next`: commands that help."""

    id: str
    kind: Literal["run"]


class GroupReason(_Reason):
    """Why runs of one state of a sweep are there, by an example."""

    runs: int
    example: str
    name: str


class _Group(TypedDict):
    id: str
    reasons: list[GroupReason]


class ExplainedCampaign(_Group):
    """Why the runs of a campaign that have not succeeded are where they are."""

    kind: Literal["campaign"]


class ExplainedSweep(_Group):
    """The same for a sweep."""

    kind: Literal["sweep"]


Explained = Annotated[ExplainedRun | ExplainedCampaign | ExplainedSweep, Field(discriminator="kind")]


class QueueCampaign(Named):
    """The campaign that a queue is of."""

    state: str
    paused: bool


class QueueMeta(TypedDict):
    """What a queue says of itself."""

    project: str
    started: float | None
    manifest_path: str
    host: str


class QueuePhase(TypedDict):
    """A phase of a queue."""

    name: str
    depends_on: list[str]
    status: str


QueueJob = TypedDict(
    "QueueJob",
    {
        "id": str,
        "run": str,
        "phase": str,
        "cmd": str,
        "expected_output": str | list[str] | None,
        "status": str,
        "gpu": int | None,
        "gpus": list[int],
        "pid": int | None,
        "attempts": int,
        "started": float | None,
        "completed": float | None,
        "exit_code": int | None,
        "signal": int | None,
        "error": str | None,
        "error_class": str | None,
        "class": str | None,
        "reason": str | None,
        "skipped": bool,
    },
)
"""A run as a job of the queue."""


class QueueBody(TypedDict):
    """Everything in a queue; `counts` by the queue's own words, and `eta_seconds`."""

    meta: QueueMeta
    phases: list[QueuePhase]
    jobs: list[QueueJob]
    counts: dict[str, float | None]


class QueueView(TypedDict):
    """A campaign as the experiment queue shows it."""

    campaign: QueueCampaign
    queue: QueueBody
