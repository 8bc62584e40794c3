"""How HTTP serves each operation: most are carried out and answered, some wait, some go on as streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from overnight.domain.states import FINAL_RUN
from overnight.service import dispatch
from overnight.service.requests import Request
from overnight.service.table import OPERATIONS
from overnight.service.wild import stages
from overnight.store import campaigns, runs
from overnight.store.base import Session
from overnight.surfaces.http import asking, log_stream, log_tail, stream, until
from overnight.surfaces.http.asking import Ask
from overnight.surfaces.http.dialects import DIALECTS, NATIVE
from overnight.surfaces.http.encoding import encode
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.routes import Endpoint, Serve
from overnight.surfaces.http.waiting import event_or_gone, waiting
from overnight.surfaces.http.wire import Answer

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application

STOP_SECONDS = 10.0
"""How long a stop may take beyond the run's grace before who asks is told to come back."""

START_SECONDS = 0.25
"""How long the answer to a start waits for the run to be given its room."""


async def carried_out(application: Application, ask: Ask) -> Answer:
    """Carry an operation out on a worker thread, and answer."""
    dialect = DIALECTS[ask.route.dialect]
    body = await asking.body_of(ask)
    key = asking.idempotency_key(ask.head.text(b"idempotency-key")) if ask.route.changes else None

    def work() -> Answer:
        request, warnings = dialect.request(ask.match, ask.query, body)
        answered = dispatch.answer(ask.context, ask.match.operation, request, key=key)
        return dialect.answer(ask.match, answered, warnings)

    return await application.pools.run(ask.route.name, work)


async def long_poll(application: Application, ask: Ask) -> Answer:
    """Events after a cursor; between looks it holds no thread."""
    request, wait = asking.without_wait(asking.native(ask.match, ask.query, b""))
    if not wait:
        return await carried_out(application, ask)
    with waiting(application, ask.context.principal):
        return await _events_within(application, ask, request, wait)


async def _events_within(application: Application, ask: Ask, request: Request, wait: float) -> Answer:
    clock = application.context.store.clock
    deadline = clock.boot() + wait
    while True:
        seen = application.tide.head
        answered = await _looked(application, ask, request)
        left = deadline - clock.boot()
        over: Any = answered.view["events"] or left <= 0 or request.__dict__["after"] is None
        request = request.model_copy(update={"after": answered.view["next"]})
        if not over and answered.view["next"] < seen:
            continue  # within a scope the log is looked through part by part
        if over or application.tide.closed or await event_or_gone(application, ask, seen, left):
            return NATIVE.answer(ask.match, answered, [])


async def _looked(application: Application, ask: Ask, request: Request) -> dispatch.Answered:
    look = lambda: dispatch.answer(ask.context, ask.match.operation, request)  # noqa: E731
    return await application.pools.look(ask.route.name, look)


async def while_usable(application: Application, ask: Ask) -> Answer:
    """As `carried_out`, unless nothing can be written: the protocol's preflight must fail then."""
    trouble = await application.health.trouble()
    if trouble is not None:
        raise Fault(503, "store_unavailable", trouble)
    return await carried_out(application, ask)


async def until_stopped(application: Application, ask: Ask) -> Answer:
    """As `carried_out`, but answered only when the run is gone; 503 when that takes longer than its grace and some."""
    answer = await carried_out(application, ask)
    run_id = ask.match.fields()["id"]
    clock = application.context.store.clock
    with waiting(application, ask.context.principal):
        seen, grace = application.tide.head, await _grace(application, run_id)
        deadline = clock.boot() + (grace or 0.0) + STOP_SECONDS
        while grace is not None:
            left = deadline - clock.boot()
            if left <= 0 or application.tide.closed:
                raise Fault(503, "busy", f"Run is still stopping: {run_id}", headers=((b"retry-after", b"2"),))
            if await event_or_gone(application, ask, seen, left):
                break
            seen, grace = application.tide.head, await _grace(application, run_id)
    return answer


async def until_started(application: Application, ask: Ask) -> Answer:
    """As `carried_out`, answered a moment later where there is room, so that it says that the run was started."""
    answer = await carried_out(application, ask)
    run_id, clock, first = ask.match.fields()["id"], application.context.store.clock, from_json(answer.body)
    deadline = clock.boot() + START_SECONDS
    while not answer.headers:  # a replayed answer stays as it was
        seen = application.tide.head
        started, may_start = await _start(application, run_id)
        answer, left = replace(answer, body=encode({**first, **started})), deadline - clock.boot()
        if not may_start or left <= 0 or application.tide.closed or await event_or_gone(application, ask, seen, left):
            break
    return answer


async def _start(application: Application, run_id: str) -> tuple[Any, bool]:
    look = lambda: application.context.store.read(lambda session: stages.standing(session, run_id))  # noqa: E731
    return await application.pools.look("start_run", look)


async def _grace(application: Application, run_id: str) -> float | None:
    """Seconds that a run has to end after it was told to; None once it has ended."""

    def look(session: Session) -> float | None:
        run = runs.get(session, run_id)
        return None if run.state in FINAL_RUN else campaigns.get_sweep(session, run.sweep_id).settings.grace

    return await application.pools.look("stop_run", lambda: application.context.store.read(look))


SPECIAL: Mapping[str, Serve] = {
    "events": long_poll,
    "start_run": until_started,
    "stop_run": until_stopped,
    "system_health": while_usable,
    "wait": until.serve,
}
"""Operations that are not simply carried out."""

ENDPOINTS = (
    *(Endpoint(it, SPECIAL.get(it.name, carried_out)) for it in OPERATIONS),
    *stream.STREAMS,
    *log_tail.STREAMS,
    log_stream.STREAM,
)
