"""The one reason that decides what happens to a run, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote

from overnight.domain.cluster import Capacity
from overnight.domain.plan import Need
from overnight.domain.reasons import Reason
from overnight.planner.candidates import BY_HOPE, Candidate, Scene, candidate
from overnight.planner.place import limit_of
from overnight.planner.situation import Explanation, Situation
from overnight.planner.under_way import cancelling, collecting, running

__all__ = ["Explanation", "Situation", "explain"]


def _need(situation: Situation) -> Need:
    """What the run takes: where the machines decide on it, the lane knows."""
    settings = situation.sweep.settings
    return situation.lane.need if settings.capacity else settings.need


_LIMITS = {
    "sweep_paused": ("its sweep is paused", "overnight resume {sweep}"),
    "campaign_paused": ("its campaign is paused", "overnight resume {campaign}"),
    "sweep_parallel": ("its sweep already runs as many at once as it may", None),
    "campaign_parallel": ("its campaign already runs as many at once as it may", None),
    "budget_attempts": ("its campaign has used up its attempts", None),
    "budget_wall": ("its campaign has used up its wall time", None),
}


_AROUND: Mapping[str, tuple[str, ...]] = dict.fromkeys(
    (Reason.ENV_ERROR, Reason.NO_GPU, Reason.HARDWARE, Reason.DISK_FULL, Reason.SHM), ("overnight doctor",)
)
"""What else to look at when a run failed for a reason that lies in its surroundings."""


def explain(situation: Situation) -> Explanation:
    """Why the run is where it is."""
    run = situation.run
    by_state = {
        "ready": _ready,
        "external": _external,
        "waiting": _waiting,
        "queued": _queued,
        "delayed": _delayed,
        "running": running,
        "cancelling": cancelling,
        "collecting": collecting,
        "blocked": _blocked,
        "succeeded": _succeeded,
        "failed": _failed,
        "cancelled": _cancelled,
    }
    return by_state[run.state](situation)


def _ready(situation: Situation) -> Explanation:
    return Explanation("ready", "nobody has asked for its start yet", (f"overnight start {situation.run.id}",))


def _external(situation: Situation) -> Explanation:
    sentence = "somebody else carries it out and reports how it stands"
    return Explanation("external", sentence, (f"overnight cancel {situation.run.id}",))


def _waiting(situation: Situation) -> Explanation:
    unmet, run = situation.unmet, situation.run
    if not unmet and run.reason == Reason.PRECONDITION_MISSING:
        return Explanation(run.reason, f"it waits for files: {run.detail}", (f"overnight show {run.id}",))
    if not unmet:
        return Explanation("release_due", "everything it needs has succeeded; it is queued at the next pass")
    names = ", ".join(f"{name} ({state})" for name, state in unmet[:3])
    more = f" and {len(unmet) - 3} more" if len(unmet) > 3 else ""
    return Explanation("needs", f"it waits for {names}{more}")


def _queued(situation: Situation) -> Explanation:
    if situation.paused_loop:
        sentence = f"the agent's loop {situation.paused_loop} is paused: nothing of its conversation starts"
        return Explanation("loop_paused", sentence, (f"overnight resume {situation.paused_loop}",))
    limit = limit_of(situation.lane, {}, {})
    if limit:
        if limit == "held":
            return Explanation("held", f"nothing new of its sweep starts: {situation.lane.hold}", ("overnight doctor",))
        if limit == "capacity" and situation.lane.capacity is not None:
            return _no_capacity(situation.lane.capacity)
        sentence, command = _LIMITS[limit]
        campaign = situation.run.campaign_id or ""
        return Explanation(
            limit, sentence, (command.format(sweep=situation.sweep.id, campaign=campaign),) if command else ()
        )
    return _on_targets(situation)


def _no_capacity(capacity: Capacity) -> Explanation:
    sentence = f"{capacity.live} of {capacity.most} runs that the cluster has room for are live"
    return Explanation("capacity", sentence, ("overnight status",))


_OF_CANDIDATE: Mapping[str, tuple[str, ...]] = {
    "busy": ("overnight status",),
    "foreign_use": ("overnight doctor",),
    "held": ("overnight doctor",),
    "unreachable": ("overnight doctor {target}",),
    "unseen": ("overnight doctor {target}",),
    "quarantined": ("overnight doctor",),
    "never_fits": ("overnight doctor", "overnight cancel {run}"),
}


def _on_targets(situation: Situation) -> Explanation:
    """Why none of its targets takes it now, in their order."""
    scene = Scene(_need(situation), situation.devices, situation.held, situation.now, situation.lost, situation.stopped)
    found = tuple(candidate(target, scene) for target in situation.sweep.settings.targets)
    best = min(found, key=lambda it: BY_HOPE.index(it.code))
    number = situation.ahead
    ahead = f"; {number} queued run{'s' if number != 1 else ''} ahead" if number and best.code == "busy" else ""
    sentence = found[0].sentence if len(found) == 1 else "; ".join(it.line for it in found)
    actions = [action for it in found if it.code == best.code for action in _actions(it, situation)]
    return Explanation(best.code, sentence + ahead, tuple(dict.fromkeys(actions)), found)


def _actions(it: Candidate, situation: Situation) -> list[str]:
    ways = _OF_CANDIDATE.get(it.code, ())
    return [way.format(target=quote(it.target), run=situation.run.id) for way in ways]


def _delayed(situation: Situation) -> Explanation:
    run = situation.run
    seconds = max(0.0, (run.not_before or 0.0) - situation.now)
    return Explanation(
        "back_off",
        f"it failed ({run.reason}: {run.detail}) and is tried again in {seconds:.0f} s",
        (f"overnight logs {run.id}", f"overnight cancel {run.id}"),
    )


def _blocked(situation: Situation) -> Explanation:
    run = situation.run
    campaign = run.campaign_id or run.id
    ways: dict[str, tuple[str, ...]] = {
        Reason.BREAKER: (f"overnight explain {run.sweep_id}", f"overnight retry {run.sweep_id} --failed"),
        Reason.BUDGET: (f"overnight submit FILE --update {campaign}", f"overnight retry {campaign} --blocked"),
        Reason.PRECONDITION_MISSING: (f"overnight show {run.id}", f"overnight retry {run.id}"),
    }
    return Explanation(
        run.reason or "blocked",
        f"it cannot start: {run.detail or 'what it needs did not succeed'}",
        ways.get(run.reason or "", (f"overnight retry {campaign} --failed",)),
    )


def _succeeded(situation: Situation) -> Explanation:
    return Explanation("succeeded", "it succeeded", (f"overnight show {situation.run.id}",))


def _cancelled(situation: Situation) -> Explanation:
    run = situation.run
    why = ", for the file of its campaign has it no more" if run.reason == Reason.REMOVED else ""
    return Explanation("cancelled", f"it was cancelled{why}", (f"overnight retry {run.id}",))


def _failed(situation: Situation) -> Explanation:
    run = situation.run
    who = f"attempt {run.attempts} ended it" if run.attempts else "it ended before any attempt of ours"
    return Explanation(
        run.reason or "failed",
        f"{who}: {run.detail or run.reason}",
        (f"overnight logs {run.id}", *_AROUND.get(run.reason or "", ()), f"overnight retry {run.id}"),
    )
