"""The operation `wait` on the event loop: between two looks at the record it holds no thread and costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from overnight.domain.access import Principal
from overnight.service import dispatch
from overnight.service.waiting import WaitFor
from overnight.surfaces.http import asking
from overnight.surfaces.http.asking import Ask
from overnight.surfaces.http.dialects import NATIVE
from overnight.surfaces.http.supervisors import Wait
from overnight.surfaces.http.waiting import event, waiting
from overnight.surfaces.http.wire import Answer, gone

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application

LOOK_SECONDS = 0.2
"""Shortest time between two looks of one wait, however much happens."""
Look = Callable[[Any], Awaitable[dict[str, Any]]]
"""Answers a request at once."""


async def serve(application: Application, ask: Ask) -> Answer:
    """Answer `wait`; see `outcome`."""
    request: Any = asking.native(ask.match, ask.query, b"")

    async def look(request: Any) -> dict[str, Any]:
        job = lambda: dispatch.answer(ask.context, ask.match.operation, request)  # noqa: E731
        answered = await application.pools.look(ask.route.name, job)
        return dict(answered.view)

    leaving = asyncio.ensure_future(gone(ask.receive))
    try:
        view = await outcome(application, ask.context.principal, request, look, leaving)
    finally:
        leaving.cancel()
    return NATIVE.answer(ask.match, dispatch.Answered(view), [])


async def outcome(
    application: Application, who: Principal, request: WaitFor, look: Look, leaving: asyncio.Future[Any] | None = None
) -> dict[str, Any]:
    """What became of a wait: at the latest when its time is over, when its client goes away (`leaving`), when another
    supervisor of the same token waits for the same thing, or when the server ends."""
    clock = application.context.store.clock
    deadline, seen = clock.boot() + request.wait, application.tide.head
    request = request.model_copy(update={"wait": 0.0})
    looked_at, view = clock.boot(), await look(request)
    if view["why"] != "timeout" or deadline <= clock.boot():
        return view
    with waiting(application, who), application.supervisors.waiting(who, view["id"], request.subscriber) as mine:
        while not _is_over(application, mine, leaving) and (left := deadline - clock.boot()) > 0:
            if view["next"] >= seen:  # else the log is looked through part by part
                await _news(application, who, seen, left, mine, leaving)
                await _ends(mine, leaving, looked_at + LOOK_SECONDS - clock.boot())
            looked_at = clock.boot()
            request = request.model_copy(update={"after": view["next"]})
            seen, view = application.tide.head, await look(request)
            if view["why"] != "timeout":
                return view
        return {**view, "why": "superseded"} if mine.over.is_set() else view


def _is_over(application: Application, mine: Wait, leaving: asyncio.Future[Any] | None) -> bool:
    return application.tide.closed or mine.over.is_set() or (leaving is not None and leaving.done())


async def _news(
    application: Application,
    who: Principal,
    seen: int,
    seconds: float,
    mine: Wait,
    leaving: asyncio.Future[Any] | None,
) -> None:
    """Wait for an event after `seen`, or for a reason to end."""
    happens = asyncio.ensure_future(event(application, who, seen, seconds))
    try:
        await _ends(mine, leaving, seconds, happens)
    finally:
        happens.cancel()


async def _ends(mine: Wait, leaving: asyncio.Future[Any] | None, seconds: float, *more: asyncio.Future[Any]) -> None:
    """Wait for a reason to end, or for `more`, at most `seconds`."""
    over = asyncio.ensure_future(mine.over.wait())
    ends = {over, *more, *([leaving] if leaving is not None else [])}
    try:
        await asyncio.wait(ends, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        over.cancel()
