"""The one reason that decides what happens to a run, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.nouns import Attempt, Device, Run, Sweep
from overnight.planner.place import Lane, kind_and_number, limit_of, suits


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


_LIMITS = {
    "sweep_paused": ("its sweep is paused", "overnight resume {sweep}"),
    "campaign_paused": ("its campaign is paused", "overnight resume {campaign}"),
    "sweep_parallel": ("its sweep already runs as many at once as it may", None),
    "campaign_parallel": ("its campaign already runs as many at once as it may", None),
    "budget_attempts": ("its campaign has used up its attempts", None),
    "budget_wall": ("its campaign has used up its wall time", None),
}


def explain(situation: Situation) -> Explanation:
    """Why the run is where it is."""
    run = situation.run
    by_state = {
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


def _waiting(situation: Situation) -> Explanation:
    unmet = situation.unmet
    if not unmet:
        return Explanation("release_due", "everything it needs has succeeded; it is queued at the next pass")
    names = ", ".join(f"{name} ({state})" for name, state in unmet[:3])
    more = f" and {len(unmet) - 3} more" if len(unmet) > 3 else ""
    return Explanation("needs", f"it waits for {names}{more}")


def _queued(situation: Situation) -> Explanation:
    limit = limit_of(situation.lane, {}, {})
    if limit:
        if limit == "held":
            return Explanation("held", f"nothing new of its sweep starts: {situation.lane.hold}", ("overnight doctor",))
        sentence, command = _LIMITS[limit]
        campaign = situation.run.campaign_id or ""
        return Explanation(
            limit, sentence, (command.format(sweep=situation.sweep.id, campaign=campaign),) if command else ()
        )
    return _without_devices(situation)


def _without_devices(situation: Situation) -> Explanation:
    need = situation.sweep.settings.need
    kind, number = kind_and_number(need)
    suitable = _of_the_largest([d for d in situation.devices if suits(d.kind, d.memory_mib, need)])
    noun = "GPU" if kind == "gpu" else "CPU slot"
    if len(suitable) < number:
        return Explanation(
            "never_fits",
            f"it needs {number} {noun}{'s' if number > 1 else ''}, and the target has {len(suitable)} that suit",
            ("overnight doctor", f"overnight cancel {situation.run.id}"),
        )
    sick = [d for d in suitable if d.state == "quarantined"]
    if len(suitable) - len(sick) < number:
        return Explanation("quarantined", f"{sick[0].name} is quarantined: {sick[0].diagnosis}", ("overnight doctor",))
    foreign = [d for d in suitable if d.busy and d.id not in situation.held]
    if foreign and len(suitable) - len(sick) - len(foreign) < number:
        return Explanation(
            "foreign_use", f"{foreign[0].name} is used by others: {foreign[0].busy}", ("overnight doctor",)
        )
    ahead = f"; {situation.ahead} queued run{'s' if situation.ahead != 1 else ''} ahead" if situation.ahead else ""
    return Explanation("busy", f"every {noun} that suits is taken by other runs{ahead}", ("overnight status",))


def _of_the_largest(devices: Sequence[Device]) -> list[Device]:
    """Those of the target that has the most: a run never spreads over several."""
    found: dict[str, list[Device]] = {}
    for device in devices:
        found.setdefault(device.target, []).append(device)
    return max(found.values(), key=len, default=[])


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
    return Explanation(
        run.reason or "blocked",
        f"it cannot start: {run.detail or 'what it needs did not succeed'}",
        (f"overnight retry {run.campaign_id or run.id} --failed",),
    )


def _succeeded(situation: Situation) -> Explanation:
    return Explanation("succeeded", "it succeeded", (f"overnight show {situation.run.id}",))


def _cancelled(situation: Situation) -> Explanation:
    return Explanation("cancelled", "it was cancelled", (f"overnight retry {situation.run.id}",))


def _failed(situation: Situation) -> Explanation:
    run = situation.run
    return Explanation(
        run.reason or "failed",
        f"attempt {run.attempts} ended it: {run.detail or run.reason}",
        (f"overnight logs {run.id}", f"overnight retry {run.id}"),
    )
