"""Documents, comparisons and checks."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from overnight.service.answers.looks import TargetView
from overnight.service.answers.summaries import Swapped
from overnight.service.answers.things import Number


class TableView(TypedDict):
    """A table as values; `right`: columns set to the right; `marked`: rows that stand out."""

    title: str
    header: list[str]
    rows: list[list[str]]
    right: list[int]
    marked: list[int]
    note: str


class TablesReport(TypedDict):
    """A summary as tables."""

    id: str
    sentences: list[str]
    tables: list[TableView]


class TextReport(TypedDict):
    """A summary as one document."""

    id: str
    format: Literal["markdown", "html", "svg"]
    content: str


ReportView = TablesReport | TextReport


class ComparedRun(TypedDict):
    """One of two runs."""

    id: str
    name: str
    state: str
    attempts: int
    seconds: Number | None
    changed: dict[str, Swapped]
    packed: bool


class ComparedWords(TypedDict):
    """A stretch of the commands that differs."""

    first: list[str]
    second: list[str]


class ComparedMetric(TypedDict):
    """A metric of two runs; `difference`: second minus first."""

    first: Number | None
    second: Number | None
    difference: Number | None


class ComparisonView(TypedDict):
    """Two runs side by side; `parameters`, `environment_names` and `command` name what differs."""

    first: ComparedRun
    second: ComparedRun
    same_code: bool | None
    comparable_times: bool
    parameters: dict[str, list[Any]]
    environment_names: list[str]
    command: list[ComparedWords]
    results: dict[str, ComparedMetric]
    tables: list[TableView]


class Check(TypedDict):
    """One check of a target. `ok` null: nobody could say; `code`: why it refuses; `name` is `check`."""

    check: str
    name: str
    verdict: Literal["ok", "warn", "fail", "unknown"]
    ok: bool | None
    value: str
    limit: str
    code: str
    advice: str


class HeldUpRun(TypedDict):
    """A run that cannot start by itself."""

    campaign: str
    run: str
    name: str
    state: str
    reason: str
    detail: str | None


class Targets(TypedDict):
    """All of them."""

    targets: list[TargetView]


class Checkup(TypedDict):
    """How a target stands."""

    target: str
    ok: bool
    checks: list[Check]
    blocked: list[HeldUpRun]


class ViolationView(TypedDict):
    """A rule that the record breaks."""

    invariant: str
    subject: str
    message: str


class Verification(TypedDict):
    """Whether the record agrees with itself; `violations` are the first of the `found` ones."""

    ok: bool
    events: int
    head: str
    checked: list[str]
    violations: list[ViolationView]
    found: int
