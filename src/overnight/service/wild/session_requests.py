"""What the record of an agent's loop is asked, and the shapes of its answers. Source: the protocol's section 2.6."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from overnight.service.wild.requests import Count, OneRun, WildRequest

LONGEST_ENTRY = 65_536
"""Characters of a goal, of one entry of a log, of one word to the agent."""
LONGEST_PLAN = 262_144
"""Characters of a plan."""

Chat = Annotated[str | None, Field(default=None, max_length=400, description="The conversation; absent = the newest.")]
Entry = Annotated[str, Field(max_length=LONGEST_ENTRY)]


class StartSession(WildRequest):
    """What a loop is to reach."""

    goal: Entry
    chat_session_id: Chat
    max_iterations: int = Field(default=25, ge=1, le=1_000_000, description="For the agent: nothing here ends a loop.")
    wait_seconds: float = Field(default=30.0, ge=0, le=86_400)
    evo_sweep_enabled: bool = Field(default=False, description="Kept; there is no evolutionary sweep.")


class OfChat(WildRequest):
    """The loop of a conversation."""

    chat_session_id: Chat


class Steer(OfChat):
    """A word for the agent."""

    context: Entry


class Plan(OneRun):
    """A plan."""

    plan: str = Field(max_length=LONGEST_PLAN)


class Iteration(OneRun):
    """What an agent did in one turn of its loop."""

    entry: Entry = Field(default="", description="What happened, for the log.")
    iteration: Count | None = Field(default=None, description="Its number; absent = one more than the last.")
    steer_context: Entry = Field(
        default="", description="The word that this turn has taken in: it is taken away, what came after it stays."
    )
    status: Literal["done", "failed"] | None = Field(default=None, description="Ends the loop.")


class Made(TypedDict):
    """One iteration."""

    iteration: int
    at: float
    entry: str


class Record(TypedDict, total=False):
    """A loop, whole; without keys where a conversation has none."""

    session_id: str
    goal: str
    status: Literal["running", "paused", "stopped", "done", "failed"]
    iteration: int
    max_iterations: int
    wait_seconds: float
    evo_sweep_enabled: bool
    plan: str
    history: list[Made]
    started_at: float
    finished_at: float | None
    steer_context: str
    chat_session_id: str | None


class Stopped(Record, total=False):
    """A loop, or that there is none to stop."""

    stopped: bool


class Status(Record, total=False):
    """A loop and whether it goes on; `active` alone where there is none."""

    active: bool
    iteration_log: str


class Told(TypedDict, total=False):
    """Whether somebody will read it."""

    ok: bool
    error: str


class PlanText(TypedDict):
    """A plan."""

    plan: str


class LogText(TypedDict):
    """A log, as Markdown."""

    log: str


class Evolution(TypedDict):
    """Whether an evolutionary sweep is under way."""

    active: bool


class Resolve(OneRun):
    """Events that were looked at."""

    event_ids: list[Annotated[str, Field(max_length=200)]] = Field(max_length=2_000)
    choice: str | None = Field(
        default=None,
        max_length=200,
        description="The answer to alerts among them; absent = `Ignore` where it is offered, else the first choice.",
    )


class LoopEvent(TypedDict):
    """Something that an agent should look at. `id` of an alert is the alert's own."""

    id: str
    type: Literal["alert", "run_complete"]
    title: str
    detail: str
    run_id: str
    created_at: float


class Resolved(TypedDict):
    """How many events were resolved by it."""

    resolved: int
