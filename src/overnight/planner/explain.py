"""The one reason that decides what happens to a run, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.cluster import Capacity
from overnight.domain.nouns import Attempt, Device, Run, Sweep
from overnight.domain.plan import Need
from overnight.domain.reasons import Reason
from overnight.planner.fit import is_free, kind_and_number, suits
from overnight.planner.place import Lane, limit_of


@dataclass(frozen=True, slots=True)
class Explanation:
    """A stable code, a sentence, and the permitted next actions as commands."""

    code: str
    sentence: str
    next: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a run and its surroundings."""

    run: Run
    sweep: Sweep
    lane: Lane
    attempt: Attempt | None
    """The newest one."""
    unmet: Sequence[tuple[str, str]]
    """(name, state) of what the run waits for."""
    devices: Sequence[Device]
    held: Mapping[str, str]
    """device id -> attempt that holds it."""
    ahead: int
    """Queued runs that go first."""
    now: float
    paused_loop: str | None = None
    """The paused loop of its conversation, which keeps it from starting."""


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
        "running": _running,
        "cancelling": _cancelling,
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
    return _without_devices(situation)


def _no_capacity(capacity: Capacity) -> Explanation:
    sentence = f"{capacity.live} of {capacity.most} runs that the cluster has room for are live"
    return Explanation("capacity", sentence, ("overnight status",))


def _without_devices(situation: Situation) -> Explanation:
    settings = situation.sweep.settings
    need = _need(situation)
    kind, number = kind_and_number(need)
    if number == 0:
        return Explanation("start_due", "it takes no device and is started at the next pass")
    suitable = [it for it in situation.devices if it.target == settings.target and suits(it, need)]
    if len(suitable) < number:
        return _never(situation, len(suitable))
    sick = [it for it in suitable if it.state == "quarantined"]
    if len(suitable) - len(sick) < number:
        return Explanation("quarantined", f"{sick[0].name} is quarantined: {sick[0].diagnosis}", ("overnight doctor",))
    well = [it for it in suitable if it.state != "quarantined"]
    foreign = [it for it in well if it.id not in situation.held and not is_free(it, need)]
    if foreign and len(well) - len(foreign) < number:
        sentence = f"{foreign[0].name} is used by others: {_use(foreign[0], need)}"
        return Explanation("foreign_use", sentence, ("overnight doctor",))
    others = f" or used by others ({foreign[0].name}: {_use(foreign[0], need)})" if foreign else ""
    return _busy(situation, "GPU" if kind == "gpu" else "CPU slot", others)


def _never(situation: Situation, suitable: int) -> Explanation:
    need = _need(situation)
    kind, number = kind_and_number(need)
    noun = ("GPU" if kind == "gpu" else "CPU slot") + ("s" if number > 1 else "")
    allowed = f" of index {', '.join(str(it) for it in need.devices)}" if kind == "gpu" and need.devices else ""
    sentence = f"it needs {number} {noun}{allowed}, and the target has {suitable} that suit"
    return Explanation("never_fits", sentence, ("overnight doctor", f"overnight cancel {situation.run.id}"))


def _use(device: Device, need: Need) -> str:
    """What is in use of a device that is not free."""
    below = need.free_below_mib
    if below is None or device.used_mib is None or device.used_mib < below:
        return device.busy or "processes that are not ours"
    return f"{device.used_mib} MiB of its memory, free means less than {below} MiB"


def _busy(situation: Situation, noun: str, others: str) -> Explanation:
    number = situation.ahead
    ahead = f"; {number} queued run{'s' if number != 1 else ''} ahead" if number else ""
    taken = f"every {noun} that suits is taken by other runs{others}"
    if situation.sweep.settings.need.share > 1:
        taken += ", and none of them is known to have memory for one more"
    return Explanation("busy", taken + ahead, ("overnight status",))


def _delayed(situation: Situation) -> Explanation:
    run = situation.run
    seconds = max(0.0, (run.not_before or 0.0) - situation.now)
    return Explanation(
        "back_off",
        f"it failed ({run.reason}: {run.detail}) and is tried again in {seconds:.0f} s",
        (f"overnight logs {run.id}", f"overnight cancel {run.id}"),
    )


def _running(situation: Situation) -> Explanation:
    attempt = situation.attempt
    if attempt is None or attempt.state == "launching":
        return Explanation("launching", "it is being started")
    return Explanation(
        "running",
        f"attempt {attempt.number} runs on {attempt.target} ({', '.join(attempt.devices)})",
        (f"overnight logs {situation.run.id} -f", f"overnight cancel {situation.run.id}"),
    )


def _cancelling(_: Situation) -> Explanation:
    return Explanation("cancelling", "a stop was ordered; it stands until its processes are proven gone")


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
