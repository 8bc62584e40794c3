"""What operations take: one model per operation, shared by HTTP, the client and the commands."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from overnight.domain.cluster import HERE
from overnight.domain.plan import LONGEST_TARGET, MOST_TARGETS, TARGET_NAME
from overnight.domain.states import CAMPAIGN, RUN

LARGEST = 2**62
"""Numbers above this do not fit into a column, and no cursor or counter of ours gets there."""

Reference = Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^\x00]+$")]
Id = Annotated[
    Reference,
    Field(description="An id, a unique prefix of one, a campaign's name, or CAMPAIGN/SWEEP or CAMPAIGN/RUN by names."),
]
Text = Annotated[str, Field(max_length=4 * 1024 * 1024)]


LabelName = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[^\x00=]+$", description="Any text without `=`.")
]
LabelValue = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=100, description="Words to find things by.")]
ChatId = Annotated[str, Field(min_length=1, max_length=400, pattern=r"^[^\x00]+$")]
Chat = Annotated[
    ChatId | None,
    Field(
        description="The conversation that asked for it; null: none did; left out: nothing is said, and it is flagged."
    ),
]


class Request(BaseModel):
    """Unknown fields are refused, so that a misspelt one is not silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=4 * 1024 * 1024, allow_inf_nan=False)


class Nothing(Request):
    """An operation without parameters."""


class CampaignFile(Request):
    """A campaign file, as text."""

    file: Text = Field(description="The text of the campaign file.")
    path: str = Field(default="campaign.yaml", max_length=4096, description="What the file is called, for messages.")
    directory: str = Field(max_length=4096, description="Absolute folder that relative paths in the file start from.")


class Submission(CampaignFile):
    """A campaign file to carry out."""

    chat_session_id: Chat = None


class Update(Submission):
    """A newer version of a campaign's file."""

    id: Id


class SingleRunRequest(Request):
    """A run outside any campaign."""

    name: str = Field(min_length=1, max_length=200)
    command: str | list[str] = Field(description="Text for /bin/sh -c, or an argument vector that no shell sees.")
    workdir: str = Field(max_length=4096, description="Absolute working folder.")
    env: dict[str, str] = Field(default_factory=dict, max_length=1000)
    gpus: int = Field(default=0, ge=0, le=1024)
    slots: int = Field(default=1, ge=1, le=100_000)
    attempts: int = Field(default=1, ge=1, le=1000, description="Attempts in all.")
    delay: float = Field(
        default=10.0, ge=0, le=86_400, description="Seconds before the first retry; doubles each time."
    )
    time_limit: float | None = Field(default=None, gt=0)
    grace: float = Field(default=10.0, ge=0, le=86_400)
    priority: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    targets: list[Annotated[str, Field(max_length=LONGEST_TARGET, pattern=f"^{TARGET_NAME}$")]] = Field(
        default_factory=lambda: [HERE],
        min_length=1,
        max_length=MOST_TARGETS,
        description="Where it may go, in order of preference; `workdir` is a folder of each.",
    )
    labels: Labels = Field(default_factory=dict)


class SingleRuns(Request):
    """Runs outside any campaign, submitted together: all of them or none."""

    runs: list[SingleRunRequest] = Field(min_length=1, max_length=10_000)
    labels: Labels = Field(default_factory=dict)
    chat_session_id: Chat = None


Limit = Annotated[int, Field(ge=1, le=10_000, description="Rows of a page.")]
Cursor = Annotated[
    str,
    Field(
        max_length=4096, pattern=r"^[0-9A-Za-z_-]+$", description="The `next_cursor` of the page before, as it came."
    ),
]
LabelFilter = Annotated[
    str,
    Field(min_length=1, max_length=1101, pattern=r"^[^\x00=]+(=[^\x00]*)?$", description="`NAME`, or `NAME=VALUE`."),
]
State = Annotated[str, Field(pattern=f"^({'|'.join(RUN.states)})$")]


def listed(value: Any) -> Any:
    """A query has one text where JSON has a list."""
    return value.split(",") if isinstance(value, str) and value else value


class CampaignPage(Request):
    """A page of campaigns, newest first."""

    limit: Limit = 50
    cursor: Cursor | None = None
    state: str | None = Field(default=None, pattern=f"^({'|'.join(CAMPAIGN.states)})$")
    chat: ChatId | None = Field(default=None, description="Only what this conversation asked for.")
    label: LabelFilter | None = None


class RunPage(Request):
    """A page of runs. `sort` without more is newest first; for one campaign or sweep it is the order of submission."""

    limit: Limit = 50
    cursor: Cursor | None = None
    campaign: Reference | None = None
    sweep: Reference | None = None
    alone: bool = Field(default=False, description="Only runs outside any campaign.")
    state: Annotated[list[State], BeforeValidator(listed)] = Field(
        default_factory=list, max_length=20, description="Only in these states, with commas between them."
    )
    chat: ChatId | None = Field(default=None, description="Only what this conversation asked for.")
    label: LabelFilter | None = Field(
        default=None, description="`NAME`, or `NAME=VALUE`; a run has the labels of its sweep and its campaign too."
    )
    metric: Reference | None = Field(default=None, description="Only runs that have a result of this name.")
    parent: Reference | None = Field(default=None, description="Only runs that were made from this one.")
    actor: Reference | None = Field(default=None, description="Only what this actor submitted.")
    archived: bool = Field(default=False, description="Archived runs too.")
    sort: str | None = Field(
        default=None,
        max_length=410,
        pattern=r"^-?(created|name|(param|metric):[^\x00]+)$",
        description="`created`, `name`, `param:NAME`, `metric:NAME`; with `-` before it the largest come first. All "
        "but `created` need a campaign, sweep or chat.",
    )


class Page(Request):
    """A page of a listing, newest first."""

    limit: Limit = 50
    before: int | None = Field(
        default=None, ge=0, le=LARGEST, description="The `seq` of the last row of the page before."
    )


class AlertPage(Page):
    """A page of alerts."""

    campaign: Reference | None = Field(default=None, description="Only those about this campaign.")


class One(Request):
    """One thing."""

    id: Id


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class Label(Request):
    """What is put on one thing, and what is taken off."""

    id: Id
    set: Labels = Field(default_factory=dict)
    remove: list[LabelName] = Field(default_factory=list, max_length=100)


class Retry(Request):
    """What is tried again."""

    id: Id
    ids: list[Id] = Field(default_factory=list, max_length=10_000, description="More of them.")
    names: list[Name] = Field(
        default_factory=list, max_length=10_000, description="Exactly these runs of the campaign `id`, by their names."
    )
    failed: bool = Field(default=False, description="Only failed runs and blocked ones, not cancelled ones.")
    blocked: bool = Field(default=False, description="Only blocked runs; with `failed` failed ones too.")
    again: bool = Field(default=False, description="Chosen runs also when they have succeeded.")


class Priority(Request):
    """What goes before what."""

    id: Id
    priority: int = Field(ge=-1_000_000, le=1_000_000, description="Higher goes first; 0 is usual.")


class LogRange(Request):
    """A part of a log."""

    id: Id
    attempt: int | None = Field(
        default=None, ge=1, le=LARGEST, description="Number of the attempt; the newest one if absent."
    )
    offset: int = Field(
        default=-10_000, ge=-LARGEST, le=LARGEST, description="Byte to start at; negative counts from the end."
    )
    limit: int = Field(default=65_536, ge=1, le=1_048_576)


class EventRange(Request):
    """Events after a cursor."""

    after: int | None = Field(
        default=None, ge=0, le=LARGEST, description="Only events with a larger `seq`; absent = the newest ones."
    )
    limit: int = Field(default=100, ge=1, le=10_000)
    wait: float = Field(default=0.0, ge=0, le=240, description="Seconds to wait for a first event.")
    subject: Reference | None = Field(default=None, description="Only events about this id.")


class Pair(Request):
    """Two runs."""

    first: Id
    second: Id


class TargetName(Request):
    """One target."""

    target: str = Field(default="here", max_length=200)
    python: str | None = Field(default=None, min_length=1, max_length=500)
    """Interpreter there, of the environment of the runs, in which a call to CUDA is tried."""


class ReportRequest(Request):
    """A document."""

    id: Id
    format: Literal["markdown", "html", "svg", "tables"] = "markdown"
