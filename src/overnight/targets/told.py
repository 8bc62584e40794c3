"""What is said to a runner and what it says, as the nouns of targets. Pure; its words are not trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from overnight.targets import believed
from overnight.targets.base import Absent, Alive, Dead, Ended, Handle, Launch, News, Refused, Seen, Unknown, Use


def wire(launch: Launch) -> dict[str, Any]:
    """A launch as the runner reads it."""
    return {
        "attempt": launch.attempt,
        "run": launch.run,
        "number": launch.number,
        "fence": launch.fence,
        "argv": launch.argv,
        "env": launch.env,
        "cwd": launch.cwd,
        "folder": launch.folder,
        "time_limit": launch.time_limit,
        "grace": launch.grace,
        "log_cap": launch.log_cap,
        "check": launch.check,
        "devices": launch.devices,
        "shared": launch.shared,
        "lease": launch.lease,
        "code": launch.code,
    }


def asked(handle: Handle) -> dict[str, Any]:
    """A handle as the runner reads it."""
    return {"attempt": handle.attempt, "fence": handle.fence, "folder": handle.folder, "boot_id": handle.boot_id}


def seen_of(state: Any, boot_id: str) -> Seen:
    """What the runner says of an attempt that it was asked about."""
    word = state.get("state") if isinstance(state, dict) else None
    if word == "ended" and isinstance(state.get("record"), dict):
        return Ended(believed.record(state["record"]))
    if word == "dead":
        return Dead(believed.text(state.get("proof")))
    if word == "alive":
        return Alive(_pid(state), None, boot_id, use_of(state.get("usage")))
    if word == "absent":
        return Absent()
    return Unknown(believed.text(state.get("proof")) if isinstance(state, dict) else "the runner did not say")


def use_of(told: Any) -> Use | None:
    """What a live attempt uses; None where that is not said, or makes no sense."""
    names = ("cpu_seconds", "rss_bytes", "peak_rss_bytes", "processes")
    values: list[Any] = [told.get(name) for name in names] if isinstance(told, dict) else []
    if not values or not all(isinstance(it, int | float) and 0 <= it < 2**62 for it in values):
        return None
    return Use(float(values[0]), *(int(it) for it in values[1:]))


def news_of(event: Mapping[str, Any], boot_id: str) -> News | None:
    """What the runner tells by itself; None for what is no news of an attempt."""
    attempt, fence = event.get("attempt"), event.get("fence")
    if not isinstance(attempt, str) or not isinstance(fence, int):
        return None
    kind = event.get("event")
    if kind == "started":
        return News(attempt, fence, Alive(_pid(event), believed.moment(event.get("at")), boot_id))
    if kind == "ended" and isinstance(event.get("record"), dict):
        return News(attempt, fence, Ended(believed.record(event["record"])))
    return News(attempt, fence, Dead(believed.text(event.get("proof")))) if kind == "dead" else None


def refusals(fences: Mapping[str, int], reply: Mapping[str, Any]) -> list[News]:
    """What was not started of the attempts with these fences; what was accepted is told by its events."""
    results = reply.get("results")
    found = results if isinstance(results, dict) else {}
    return [
        News(attempt, fences[attempt], understood(result.get("error")))
        for attempt, result in found.items()
        if attempt in fences and isinstance(result, dict) and not result.get("ok")
    ]


def understood(error: Any) -> Seen:
    """What a start that was not carried out says of its attempt.

    A stale token proves the end of an attempt that nobody knows any more: it was here once and was forgotten, or a
    newer one was. Sending it again, as an absent one, would go on for ever.
    """
    told = error if isinstance(error, dict) else {}
    code, message = believed.text(told.get("code")), believed.text(told.get("message"))
    if code == "bad_launch":
        return Refused(message)
    return Dead(message) if code == "stale_fence" else Unknown(f"{code}: {message}")


def handles_of(attempts: Any, boot_id: str) -> list[Handle]:
    """Everything that the runner says it has. Raises ValueError where that makes no sense."""
    try:
        return [
            Handle(believed.text(name), number(it["fence"]), believed.text(it["folder"]), boot_id)
            for name, it in attempts.items()
        ]
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"what the runner said it has makes no sense: {error}") from error


def number(value: Any) -> int:
    """A number as fences and sessions are, whole and exact in JSON. Raises ValueError for anything else."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise ValueError("that is no number of a session or a fence")
    return value


def _pid(told: Mapping[str, Any]) -> int | None:
    return believed.code(told.get("pid"))
