"""From the parameters of a sweep to the commands of its runs, and what is shown of how it was made. Pure. Source: the
protocol, 2.3."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any

from overnight.domain.plan import Scalar
from overnight.manifest.scalars import value_text

Parameters = Mapping[str, Any]
"""Name -> one value of one run, or the list of an axis."""


def combinations(parameters: Parameters) -> int:
    """How many runs the whole product has; a scalar is an axis of one value."""
    return math.prod(len(axis) for axis in _axes(parameters))


def expanded(parameters: Parameters, most: int) -> Iterator[dict[str, Any]]:
    """The first `most` combinations, in the order of the keys, the last one changing fastest."""
    return (dict(zip(parameters, values, strict=True)) for values in islice(product(*_axes(parameters)), most))


def _axes(parameters: Parameters) -> list[list[Any]]:
    return [value if isinstance(value, list) else [value] for value in parameters.values()]


def expansion_of(parameters: Parameters, most: int, *, created: bool) -> dict[str, Any]:
    """What a sweep says of its product: how many combinations there are, how many became runs."""
    number = combinations(parameters)
    return {
        "combinations": number,
        "created": min(number, most) if created else 0,
        "truncated": created and number > most,
    }


def command_of(base: str, parameters: Parameters) -> str:
    """A base command with ` --key=value` for each parameter, quoted for the shell."""
    return base + "".join(f" {_flag(name, value)}" for name, value in parameters.items())


def _flag(name: str, value: Any) -> str:
    return f"{shlex.quote(f'--{name}')}={shlex.quote(value_text(scalar(value)))}"


def scalar(value: Any) -> Scalar:
    """A value as a parameter of a run; lists and objects as JSON text."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_FROM_UI = {
    "description": "description",
    "notes": "notes",
    "parallel_runs": "parallelRuns",
    "early_stopping_enabled": "earlyStoppingEnabled",
    "early_stopping_patience": "earlyStoppingPatience",
}
"""Fields of the context that only a client's form can say."""


def creation_context(asked: Mapping[str, Any], ui: Mapping[str, Any] | None, now: float) -> dict[str, Any]:
    """How a sweep came about: from the client's form (`ui_config`) where it says so, else from what was `asked`: `name,
    goal, command, max_runs, parameters`."""
    form = ui or {}
    return {
        "name": form.get("name") or asked["name"],
        "goal": form.get("goal") or asked["goal"],
        "command": form.get("command") or asked["command"],
        "max_runs": form.get("maxRuns") or asked["max_runs"],
        **{name: form.get(key) for name, key in _FROM_UI.items()},
        "hyperparameter_count": _length(form.get("hyperparameters"), len(asked["parameters"])),
        "metric_count": _length(form.get("metrics"), None),
        "insight_count": _length(form.get("insights"), None),
        "created_at": now,
        "ui_config_snapshot": ui,
    }


def _length(value: Any, otherwise: int | None) -> int | None:
    return len(value) if isinstance(value, list | dict) else otherwise
