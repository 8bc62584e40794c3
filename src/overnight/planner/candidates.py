"""What each target of a queued run has for it, and why the run does not start there now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from overnight.domain.cluster import HERE
from overnight.domain.nouns import Device
from overnight.domain.plan import Need
from overnight.planner.fit import is_free, kind_and_number, suits
from overnight.planner.watch import length

BY_HOPE = (
    "start_due", "busy", "foreign_use", "held", "unreachable", "unseen", "quarantined", "never_fits",
)  # fmt: skip
"""Codes of candidates; what says most of when the run may start comes first."""
MODELS = 3
"""Models of GPUs that a sentence names before it only counts them."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A target that is not reached: since when (wall seconds), and why."""

    since: float
    why: str | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One target that a queued run may go to: what it has, a stable code and a sentence."""

    target: str
    has: str
    code: str
    sentence: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.target} ({self.has}): {self.sentence}"


@dataclass(frozen=True, slots=True)
class Scene:
    """What all candidates of a run are seen against."""

    need: Need
    devices: Sequence[Device]
    held: Mapping[str, str]
    """Device id -> attempt that holds it."""
    now: float
    lost: Mapping[str, Lost] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    """Target -> why nothing new of the run's sweep starts there."""


def candidate(target: str, scene: Scene) -> Candidate:
    """The first thing that keeps a run from starting on a target."""
    own = [device for device in scene.devices if device.target == target]
    code, sentence = _around(target, own, scene) or _of_devices(own, scene)
    return Candidate(target, _has(own, scene.need), code, sentence)


def _around(target: str, own: Sequence[Device], scene: Scene) -> tuple[str, str] | None:
    """What keeps everything from starting there, whatever it needs."""
    if target in scene.lost:
        return "unreachable", not_reached(scene.lost[target], scene.now)
    if target in scene.stopped:
        return "held", f"nothing new of its sweep starts there: {scene.stopped[target]}"
    if kind_and_number(scene.need)[1] == 0:
        return "start_due", "it takes no device and is started at the next pass"
    if not own and target != HERE:
        return "unseen", "it is not known yet what devices it has"
    return None


def not_reached(lost: Lost, now: float) -> str:
    """`it has not been reached for 3 min (why)`."""
    why = f" ({lost.why})" if lost.why else ""
    return f"it has not been reached for {length(max(0.0, now - lost.since))}{why}"


def _of_devices(own: Sequence[Device], scene: Scene) -> tuple[str, str]:
    need = scene.need
    number = kind_and_number(need)[1]
    suitable = [device for device in own if suits(device, need)]
    if len(suitable) < number:
        return "never_fits", f"it needs {wanted(need)}, and the target has {len(suitable)} that suit"
    sick = [device for device in suitable if device.state == "quarantined"]
    if len(suitable) - len(sick) < number:
        return "quarantined", f"{sick[0].name} is quarantined: {sick[0].diagnosis}"
    well = [device for device in suitable if device.state != "quarantined"]
    foreign = [device for device in well if device.id not in scene.held and not is_free(device, need)]
    if foreign and len(well) - len(foreign) < number:
        return "foreign_use", f"{foreign[0].name} is used by others: {_use(foreign[0], need)}"
    return "busy", _taken(need, foreign)


def wanted(need: Need) -> str:
    """`2 GPUs of index 0, 1`."""
    kind, number = kind_and_number(need)
    if kind == "slot":
        return f"{number} CPU slot{'s' if number > 1 else ''}"
    memory = f" with {need.gpu_memory_mib} MiB" if need.gpu_memory_mib else ""
    named = f" named like {need.gpu_name!r}" if need.gpu_name else ""
    allowed = f" of index {', '.join(str(it) for it in need.devices)}" if need.devices else ""
    return f"{number} GPU{'s' if number > 1 else ''}{memory}{named}{allowed}"


def _use(device: Device, need: Need) -> str:
    """What is in use of a device that is not free."""
    below = need.free_below_mib
    if below is None or device.used_mib is None or device.used_mib < below:
        return device.busy or "processes that are not ours"
    return f"{device.used_mib} MiB of its memory, free means less than {below} MiB"


def _taken(need: Need, foreign: Sequence[Device]) -> str:
    noun = "GPU" if need.gpus else "CPU slot"
    others = f" or used by others ({foreign[0].name}: {_use(foreign[0], need)})" if foreign else ""
    taken = f"every {noun} that suits is taken by other runs{others}"
    return taken + (", and none of them is known to have memory for one more" if need.share > 1 else "")


def _has(own: Sequence[Device], need: Need) -> str:
    """`2 GPUs: A100 with 40960 MiB, L4 with 23034 MiB`."""
    kind = kind_and_number(need)[0]
    there = [device for device in own if device.kind == kind]
    noun = "GPU" if kind == "gpu" else "CPU slot"
    number = f"{len(there) or 'no'} {noun}{'s' if len(there) > 1 else ''}"
    models = Counter(f"{device.name} with {device.memory_mib} MiB" for device in there if kind == "gpu")
    named = [f"{count} x {model}" if len(models) > 1 else model for model, count in models.most_common(MODELS)]
    return f"{number}: {', '.join(named)}" if named else number
