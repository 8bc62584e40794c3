"""Parameters of a W&B sweep: which values each can have, and how one of them is drawn.

Names, defaults and formulas are those of W&B's documentation of sweep configurations.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from overnight.domain.plan import Scalar

MOST, LEAST = 1e100, 1e-100
"""Largest number of a distribution, and smallest step or value above 0: their quotients must stay finite."""
LARGEST_EXPONENT = 230.0
"""The natural logarithm of about `MOST`."""

Numbers = Mapping[str, float]
"""What a parameter says: `min`, `max`, `mu`, `sigma`, `a`, `b`, `q`."""


@dataclass(frozen=True)
class Distribution:
    """A shape that values can be drawn from: the numbers that it takes, and their defaults (None = required)."""

    keys: Mapping[str, float | None]
    draw: Callable[[random.Random, Numbers], float]
    logarithmic: bool = False
    """Whether its bounds must be above 0."""


_BOUNDS: Mapping[str, float | None] = {"min": None, "max": None}
_BELL: Mapping[str, float | None] = {"mu": 0, "sigma": 1}
_SHAPE: Mapping[str, float | None] = {"a": 1, "b": 1}


def _exp(exponent: float) -> float:
    return math.exp(min(exponent, LARGEST_EXPONENT))


def _between(rng: random.Random, it: Numbers) -> float:
    return rng.uniform(it["min"], it["max"])


def _between_logarithms(rng: random.Random, it: Numbers) -> float:
    return min(max(_exp(rng.uniform(math.log(it["min"]), math.log(it["max"]))), it["min"]), it["max"])


def _bell(rng: random.Random, it: Numbers) -> float:
    return rng.gauss(it["mu"], it["sigma"])


_SMOOTH = {
    "uniform": Distribution(_BOUNDS, _between),
    "log_uniform": Distribution(_BOUNDS, lambda rng, it: _exp(_between(rng, it))),
    "log_uniform_values": Distribution(_BOUNDS, _between_logarithms, logarithmic=True),
    "inv_log_uniform": Distribution(_BOUNDS, lambda rng, it: _exp(-_between(rng, it))),
    "inv_log_uniform_values": Distribution(_BOUNDS, _between_logarithms, logarithmic=True),
    "normal": Distribution(_BELL, _bell),
    "log_normal": Distribution(_BELL, lambda rng, it: _exp(_bell(rng, it))),
    "beta": Distribution(_SHAPE, lambda rng, it: rng.betavariate(it["a"], it["b"])),
}


def _in_steps(smooth: Distribution) -> Distribution:
    """The same, rounded to multiples of `q`; whole numbers when `q` is one."""

    def draw(rng: random.Random, it: Numbers) -> float:
        return stepped(round(smooth.draw(rng, it) / it["q"]), it["q"])

    return Distribution({**smooth.keys, "q": 1}, draw, smooth.logarithmic)


def stepped(steps: int, q: float) -> float:
    """A multiple of `q`, without the dust that binary fractions leave behind."""
    value = steps * q
    return value if isinstance(value, int) and abs(value) < 2**63 else float(f"{value:.12g}")


DISTRIBUTIONS: Mapping[str, Distribution] = {
    **_SMOOTH,
    **{f"q_{name}": _in_steps(_SMOOTH[name]) for name in ("uniform", "log_uniform", "log_uniform_values", "normal",
                                                          "log_normal", "beta")},
    "int_uniform": Distribution(_BOUNDS, lambda rng, it: rng.randint(int(it["min"]), int(it["max"]))),
}  # fmt: skip
"""Shapes by the words that W&B has for them; `constant` and `categorical` are values that are written out."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: either its values, perhaps with weights, or a distribution with its numbers."""

    values: tuple[Scalar, ...] = ()
    weights: tuple[float, ...] = ()
    shape: str = ""
    numbers: Numbers | None = None

    def draw(self, rng: random.Random) -> Scalar:
        """One value by chance."""
        if self.numbers is not None:
            return DISTRIBUTIONS[self.shape].draw(rng, self.numbers)
        return rng.choices(self.values, self.weights)[0] if self.weights else rng.choice(self.values)

    @property
    def count(self) -> int | None:
        """Values that a grid goes through; None where that is not possible."""
        if self.numbers is None:
            return None if self.weights else len(self.values)
        span = self.numbers["max"] - self.numbers["min"] if "max" in self.numbers else 0
        if self.shape == "int_uniform":
            return int(span) + 1
        return math.ceil(round(span / self.numbers["q"], 9)) if self.shape == "q_uniform" else None

    def every(self) -> tuple[Scalar, ...]:
        """The values that a grid goes through, as many as `count` says."""
        if self.numbers is None:
            return self.values
        low = self.numbers["min"]
        if self.shape == "int_uniform":
            return tuple(range(int(low), int(low) + (self.count or 0)))
        return tuple(_plus(low, step, self.numbers["q"]) for step in range(self.count or 0))


def _plus(low: float, step: int, q: float) -> float:
    value = low + step * q
    return value if isinstance(value, int) and abs(value) < 2**63 else float(f"{value:.12g}")
