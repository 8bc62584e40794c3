"""What operations that look answer: listings, the present, logs, events, alerts."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from overnight.service.answers.things import CampaignView, RunView


class CampaignList(TypedDict):
    """A page of campaigns; `runs`: with the first page the newest runs outside any campaign."""

    campaigns: list[CampaignView]
    runs: list[RunView]
    next_cursor: str | None


class RunList(TypedDict):
    """A page of runs; `next_cursor` null: there are no more."""

    runs: list[RunView]
    next_cursor: str | None


class DeviceView(TypedDict):
    """A device; `attempt`: who has it."""

    id: str
    target: str
    kind: Literal["gpu", "slot"]
    position: int
    name: str
    memory_mib: int
    state: str
    diagnosis: str | None
    busy: str | None
    used_mib: int | None
    strangers: bool
    attempt: str | None
    seen_at: float


class TargetView(TypedDict):
    """A machine that runs may go to. `state`: `reachable` or `unknown`, `why` it is not reached; `age`: seconds
    since its last word (null: never, or not known), `latency`: seconds there and back; `live`: attempts of ours."""

    name: str
    kind: str
    origin: str | None
    host: str | None
    state: str
    since: float | None
    age: float | None
    latency: float | None
    why: str | None
    code: str | None
    next: str | None
    gpus: int
    slots: int
    live: int


class Status(TypedDict):
    """What goes on now. `last_event`: the cursor after which everything is news; `targets`: empty for those who see a
    part only."""

    now: float
    home: str
    devices: list[DeviceView]
    running: list[RunView]
    campaigns: list[CampaignView]
    targets: list[TargetView]
    last_event: int


class LogPart(TypedDict):
    """Part of a log. `attempt` null: it has not started; `done`: nothing more will be written."""

    id: str
    attempt: int | None
    content: str
    next_offset: int
    done: bool


class EventView(TypedDict):
    """An event of the log."""

    seq: int
    at: float
    actor: str
    request_id: str
    kind: str
    subject: str
    token: int
    payload: dict[str, Any]
    hash: str


class EventList(TypedDict):
    """Events, oldest first; ask again with `after` = `next`."""

    events: list[EventView]
    next: int


class AlertView(TypedDict):
    """What people were told, or are still to be told."""

    seq: int
    kind: str
    subject: str
    campaign_id: str | None
    title: str
    detail: str
    at: float
    state: Literal["waiting", "sent", "unwanted", "given up"]
    tries: int
    next_at: float | None
    failure: str | None
    sent_at: float | None


class AlertList(TypedDict):
    """A page of alerts, newest first; ask again with `before` = `next`."""

    alerts: list[AlertView]
    next: int | None
