"""What a native file says about a sweep beside its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from overnight.domain.plan import EnvironmentPlan, Need, Retry, SweepPlan
from overnight.manifest.places import is_far
from overnight.manifest.write.text import Value

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def settings_of(sweep: SweepPlan) -> dict[str, Value]:
    """The keys that a file may give for all sweeps, each with the value of this one, `priority` and `env` apart."""
    return {
        **_where(sweep),
        "mirror": _mirror(sweep),
        "on_disconnect": sweep.on_disconnect,
        "lease": duration(sweep.lease),
        "workdir": sweep.workdir,
        "environment": _environment(sweep.environment),
        "secrets": dict(sweep.secrets),
        "resources": _resources(sweep.need),
        "retry": _retry(sweep.retry),
        "time_limit": _seconds(sweep.time_limit),
        "grace": duration(sweep.grace),
        "estimate": _seconds(sweep.estimate),
        "stale_after": _seconds(sweep.stale_after),
        "hang": _seconds(sweep.hang),
        "breaker": sweep.breaker,
        "precondition_wait": duration(sweep.precondition_wait),
        "skip_if_done": all(cell.skip_if_done for cell in sweep.cells),
        "replicates": list(sweep.replicates),
    }


def _where(sweep: SweepPlan) -> dict[str, Value]:
    """One target by its name, several as a list."""
    if len(sweep.targets) == 1:
        return {"target": sweep.targets[0]}
    return {"targets": list(sweep.targets)}


def _mirror(sweep: SweepPlan) -> Value:
    """None = as it is where nobody says."""
    if sweep.exclude:
        return {"exclude": list(sweep.exclude)}
    return None if sweep.mirror == is_far(sweep.targets) else sweep.mirror


def own_keys(sweep: SweepPlan) -> dict[str, Value]:
    """The keys that only a sweep has, those of them that say anything."""
    keys: dict[str, Value] = {
        "phase": sweep.phase or None,
        "barrier": "settle" if sweep.barrier else None,
        "parallel": sweep.parallel,
        "needs": _needs(sweep),
    }
    return {key: value for key, value in keys.items() if value is not None}


def _needs(sweep: SweepPlan) -> Value:
    """The sweeps that are needed, beside those whose runs are named one by one."""
    declared = [one for one in sweep.needs if one.match != ()]
    whole: list[Value] = [one.sweep for one in declared if one.match is None]
    if len(whole) == len(declared):
        return whole or None
    return {one.sweep: "all" if one.match is None else list[Value](one.match) for one in declared}


def duration(seconds: float) -> Value:
    """A duration as people write it, exactly."""
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return seconds


def _seconds(seconds: float | None) -> Value:
    return None if seconds is None else duration(seconds)


def _environment(environment: EnvironmentPlan) -> Value:
    hook = {"hook": environment.conda_hook} if environment.conda_hook is not None else {}
    kinds: dict[str, Value] = {
        key: value for key, value in asdict(environment).items() if value is not None and key != "conda_hook"
    }
    return {**kinds, **hook} if kinds else "plain"


def _resources(need: Need) -> Value:
    usual = Need()
    memory, free = need.gpu_memory_mib, need.free_below_mib
    keys: dict[str, tuple[Value, bool]] = {
        "gpus": (need.gpus, need.gpus != usual.gpus),
        "slots": (need.slots, need.slots != usual.slots),
        "gpu_memory": (f"{memory}MiB", memory != usual.gpu_memory_mib),
        "gpu_name": (need.gpu_name, need.gpu_name is not None),
        "devices": (list(need.devices or ()), need.devices is not None),
        "free_below": (f"{free}MiB", free is not None),
        "share": (need.share, need.share != usual.share),
        "or_cpu": (need.or_cpu, need.or_cpu),
    }
    return {key: value for key, (value, said) in keys.items() if said} or {"slots": need.slots}


def _retry(retry: Retry) -> Value:
    usual = Retry()
    pauses: dict[str, Value] = {
        "delay": duration(retry.delay) if retry.delay != usual.delay else None,
        "factor": retry.factor if retry.factor != usual.factor else None,
        "longest": duration(retry.longest) if retry.longest != usual.longest else None,
        "only": "memory" if retry.only_memory else None,
    }
    said = {key: value for key, value in pauses.items() if value is not None}
    return {"attempts": retry.attempts, **said} if said else retry.attempts


USUAL: Mapping[str, Value] = settings_of(SweepPlan("usual", (), "/")) | {
    "workdir": "",
    "skip_if_done": False,
    "targets": None,
}
"""What holds where a file says nothing; the folder is always said, since the file may lie anywhere."""
