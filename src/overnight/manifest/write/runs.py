"""The runs of a sweep, written out one by one exactly as they stand in the plan."""

from __future__ import annotations

from collections.abc import Mapping

from overnight.domain.plan import CellPlan, Smaller, SweepPlan
from overnight.manifest.write.settings import duration
from overnight.manifest.write.text import Value


def listed(sweep: SweepPlan) -> dict[str, Value]:
    """`runs` of a sweep, and the variables that all of them have."""
    skipping = all(cell.skip_if_done for cell in sweep.cells)
    env = _common_env(sweep)
    runs: list[Value] = [_run(cell, {} if env else cell.env, skipping=skipping) for cell in sweep.cells]
    return {**({"env": dict(env)} if env else {}), "runs": runs}


def _common_env(sweep: SweepPlan) -> Mapping[str, str]:
    """The variables that can be said once; there they are templates, so only texts that hold none."""
    first = sweep.cells[0].env
    alike = all(cell.env == first for cell in sweep.cells)
    return first if alike and not any("${" in text for text in first.values()) else {}


def _run(cell: CellPlan, env: Mapping[str, str], *, skipping: bool) -> dict[str, Value]:
    seconds = {key: getattr(cell, key) for key in ("time_limit", "estimate", "stale_after")}
    keys: dict[str, Value] = {
        "name": cell.name,
        "needs": list(cell.needs),
        "parameters": dict(cell.parameters),
        "command": _command(cell.command),
        "outputs": list(cell.outputs),
        "env": dict(env),
        "requires": list(cell.requires),
        "smaller": [_rung(one, cell.env) for one in cell.smaller],
        "skip_if_done": cell.skip_if_done and not skipping,
        **{key: None if value is None else duration(value) for key, value in seconds.items()},
    }
    return {key: value for key, value in keys.items() if value not in (None, False, [], {})}


def _command(command: str | tuple[str, ...]) -> Value:
    return command if isinstance(command, str) else list(command)


def _rung(one: Smaller, env: Mapping[str, str]) -> Value:
    own: dict[str, Value] = {} if one.env == env else {"env": dict(one.env)}
    return {"changed": dict(one.changed), "command": _command(one.command), **own}
