"""Records of agents' loops and the events that they look at. Source: the protocol's section 2.6."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from overnight.domain.errors import Conflict
from overnight.service.context import Context
from overnight.service.wild import events
from overnight.service.wild.requests import OneRun
from overnight.service.wild.session_requests import (
    Evolution,
    Iteration,
    LogText,
    OfChat,
    Plan,
    PlanText,
    Record,
    StartSession,
    Status,
    Steer,
    Stopped,
    Told,
)
from overnight.service.wild.work import Work
from overnight.store import sessions
from overnight.store.base import Session
from overnight.store.sessions import LIVE, Loop

SHOWN = 100
"""Iterations that a record shows."""
LOGGED = 1_000
"""Newest entries that a log shows."""
LONGEST_STEERING = 262_144
"""Characters that wait for the agent; of more the oldest are dropped."""

Answer = dict[str, Any]


def start(context: Context, request: StartSession) -> Answer:
    """Begin the record of a loop; one of the same conversation that goes on is stopped."""
    record = {
        "goal": request.goal,
        "iteration": 0,
        "max_iterations": request.max_iterations,
        "wait_seconds": request.wait_seconds,
        "evo_sweep_enabled": request.evo_sweep_enabled,
        "plan": "",
        "steer_context": "",
    }
    chat = request.chat_session_id or None
    return _changed(context, lambda s: view(s, sessions.begin(s, context.rng, chat, record)))


def stop(context: Context, request: OfChat) -> Answer:
    """End a loop; repeating it changes nothing."""
    return _moved(context, request, "stop", {"stopped": False})


def pause(context: Context, request: OfChat) -> Answer:
    """Hold back the queued runs of a loop's conversation; what runs goes on."""
    return _moved(context, request, "pause", {})


def resume(context: Context, request: OfChat) -> Answer:
    """Let them start again."""
    return _moved(context, request, "resume", {})


def steer(context: Context, request: Steer) -> Answer:
    """Leave a word for the agent, after those that it has not taken in yet."""

    def change(session: Session) -> Answer:
        it = _of_chat(session, request)
        if it is None or it.status not in LIVE:
            return {"ok": False, "error": "no session"}
        said = "\n".join(part for part in (it.record["steer_context"], request.context) if part)
        sessions.keep(session, it, "steer", steer_context=said[-LONGEST_STEERING:])
        return {"ok": True}

    return _changed(context, change)


def status(context: Context, request: OfChat) -> Answer:
    """How the loop of a conversation stands."""

    def read(session: Session) -> Answer:
        it = _of_chat(session, request)
        if it is None:
            return {"active": False}
        return {**view(session, it), "active": it.status == "running", "iteration_log": log_text(session, it)}

    return context.store.read(read)


def plan(context: Context, request: OneRun) -> Answer:
    """The plan of a loop."""
    return context.store.read(lambda session: {"plan": sessions.find(session, request.id).record["plan"]})


def put_plan(context: Context, request: Plan) -> Answer:
    """Write the plan of a loop that goes on."""

    def change(session: Session) -> Answer:
        sessions.keep(session, _going_on(session, request.id), "plan", plan=request.plan)
        return {"plan": request.plan}

    return _changed(context, change)


def log(context: Context, request: OneRun) -> Answer:
    """The log of a loop."""
    return context.store.read(lambda session: {"log": log_text(session, sessions.find(session, request.id))})


def append_log(context: Context, request: Iteration) -> Answer:
    """Append an iteration to the log of a loop that goes on, and end the loop where the agent says so."""

    def change(session: Session) -> Answer:
        it = _going_on(session, request.id)
        number = it.record["iteration"] + 1 if request.iteration is None else request.iteration
        sessions.append(session, it, request.entry, number)
        furthest = max(number, it.record["iteration"])
        it = sessions.keep(session, it, "log", iteration=furthest, steer_context=_left(it, request.steer_context))
        if request.status:
            it = sessions.change(session, it, "finish" if request.status == "done" else "fail")
        return view(session, it)

    return _changed(context, change)


def _left(it: Loop, taken: str) -> str:
    """The words to the agent without those that it has taken in."""
    waiting: str = it.record["steer_context"]
    return waiting.removeprefix(taken).removeprefix("\n") if taken else waiting


def evo_sweep(_: Context, __: OneRun) -> Answer:
    """There is none."""
    return {"active": False}


def view(session: Session, it: Loop) -> Answer:
    """The record as the protocol shows it."""
    made = sessions.entries(session, it.id, SHOWN)
    return {
        "session_id": it.id,
        "status": it.status,
        **it.record,
        "history": [{"iteration": number, "at": at, "entry": entry} for number, at, entry in made],
        "started_at": it.started_at,
        "finished_at": it.finished_at,
        "chat_session_id": it.chat,
    }


def log_text(session: Session, it: Loop) -> str:
    """The newest entries of a log, as Markdown."""
    made = sessions.entries(session, it.id, LOGGED)
    return "\n".join(f"## Iteration {number}\n\n{entry}\n" for number, _, entry in made)


def _of_chat(session: Session, request: OfChat) -> Loop | None:
    return sessions.latest(session, request.chat_session_id or None)


def _going_on(session: Session, loop_id: str) -> Loop:
    it = sessions.find(session, loop_id)
    if it.status not in LIVE:
        raise Conflict(f"This session is over (status: {it.status})", next_step="Begin another: POST /wild/v2/start")
    return it


def _moved(context: Context, request: OfChat, transition: str, none: Answer) -> Answer:
    def change(session: Session) -> Answer:
        it = _of_chat(session, request)
        return none if it is None else view(session, sessions.change(session, it, transition))

    return _changed(context, change)


def _changed(context: Context, change: Callable[[Session], Answer]) -> Answer:
    """One transaction, after which the loop looks at what may start."""
    answer = context.store.write(context.change, change)
    context.wake()
    return answer


WORK: dict[str, Work] = {
    "start_session": Work(StartSession, start, Record),
    "stop_session": Work(OfChat, stop, Stopped),
    "pause_session": Work(OfChat, pause, Record),
    "resume_session": Work(OfChat, resume, Record),
    "steer_session": Work(Steer, steer, Told),
    "session_status": Work(OfChat, status, Status),
    "session_plan": Work(OneRun, plan, PlanText),
    "put_session_plan": Work(Plan, put_plan, PlanText),
    "session_log": Work(OneRun, log, LogText),
    "append_session_log": Work(Iteration, append_log, Record),
    "evo_sweep": Work(OneRun, evo_sweep, Evolution),
    **events.WORK,
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
