"""What operations answer that bring or change work."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from overnight.service.answers.things import Command, Named, SettingsView, Trouble

Noun = Literal["campaign", "sweep", "run"]


class PlannedSweep(SettingsView):
    """A sweep that would be submitted."""

    name: str
    phase: str
    runs: int
    priority: int


class PlannedCell(TypedDict):
    """A run that would be submitted."""

    id: str
    sweep: str
    phase: str
    command: Command
    parameters: dict[str, Any]
    gpus: int
    outputs: list[str]
    requires: list[str]
    depends_on: list[str]
    skip_if_done: bool
    time_limit: float | None
    estimate: float | None
    stale_after: float | None
    blocked: Trouble | None


class SweepTrouble(Trouble):
    """What keeps a whole sweep from starting."""

    sweep: str


class FileProblem(TypedDict):
    """One thing that is wrong with a file."""

    place: str
    line: int | None
    message: str


class _Whole(TypedDict, total=False):
    parallel: int | None
    analyze: bool


class Planned(_Whole):
    """A campaign file, expanded and checked; with `errors` it cannot be read, and there is nothing more."""

    campaign: str | None
    sweeps: list[PlannedSweep]
    cells: list[PlannedCell]
    warnings: list[Trouble]
    preflight: list[SweepTrouble]
    errors: list[FileProblem]


class Converted(TypedDict):
    """The text of a native campaign file."""

    file: str


class Submitted(TypedDict):
    """A campaign that was stored; `resumed`: it was there already."""

    campaign: Named
    runs: int
    resumed: bool
    warnings: list[Trouble]


class Updated(TypedDict):
    """What an edited file changed; `untouched`: runs that differ from it and had started before."""

    campaign: Named
    added: int
    replaced: int
    cancelled: int
    unchanged: int
    untouched: list[str]
    changed: bool
    warnings: list[Trouble]


class RunIds(TypedDict):
    """Ids of new runs, in the order in which they were asked for."""

    ids: list[str]


class Cancelled(TypedDict):
    """How many runs were cancelled at once, and how many were told to stop."""

    id: str
    kind: Noun
    cancelled: int
    stopping: int


class Retried(TypedDict):
    """How many runs are tried again."""

    id: str
    kind: Noun
    retried: int


class Begun(TypedDict):
    """How many ready runs were queued."""

    id: str
    kind: Noun
    started: int


class Gated(TypedDict):
    """Whether starts are held back; `changed`: that was not so before."""

    id: str
    kind: Literal["campaign", "sweep", "session"]
    paused: bool
    changed: bool


class Prioritised(TypedDict):
    """The priority that something has now."""

    id: str
    kind: Noun
    priority: int
    changed: bool


class Labelled(TypedDict):
    """The labels that something has of its own now."""

    id: str
    kind: Noun
    labels: dict[str, str]
    changed: bool
