"""Runs in the order of a name, a parameter or a metric. Numbers come before texts; runs without the value come last, in
either direction."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from overnight.service.cursors import Key, Place
from overnight.store.listing import SortRow

CREATED = "created"


@dataclass(frozen=True, slots=True)
class Order:
    """A `sort` of a request: `created`, `name`, `param:NAME` or `metric:NAME`, maybe with `-` before it."""

    text: str

    @property
    def descending(self) -> bool:
        """Whether the largest come first."""
        return self.text.startswith("-")

    @property
    def kind(self) -> str:
        """`created`, `name`, `param` or `metric`."""
        return self.text.removeprefix("-").partition(":")[0]

    @property
    def name(self) -> str:
        """Of the parameter or metric."""
        return self.text.partition(":")[2]

    def key(self, row: SortRow) -> Key:
        """What a run is sorted by; None = it has no such value."""
        if self.kind == "name":
            return row.name
        if self.kind == "param":
            return _plain(json.loads(row.config or "{}").get("parameters", {}).get(self.name))
        return _plain(None if row.number is None else float(row.number))


def _plain(value: Any) -> Key:
    """A value as something that can be compared; NaN is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    return value if isinstance(value, int | float | str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def after(order: Order, found: Sequence[SortRow], place: Place | None) -> list[tuple[Key, SortRow]]:
    """The rows behind a place, sorted; equal ones in the order of their submission."""
    keyed = [(order.key(row), row) for row in found]
    if place is not None:
        keyed = [(key, row) for key, row in keyed if _lies_after(order, (key, row.seq), (place.key, place.seq))]
    keyed.sort(key=lambda pair: pair[1].seq)
    missing = [pair for pair in keyed if pair[0] is None]
    there = [pair for pair in keyed if pair[0] is not None]
    there.sort(key=lambda pair: _comparable(pair[0]), reverse=order.descending)
    return there + missing


def _comparable(key: Key) -> tuple[bool, Any]:
    return isinstance(key, str), key


def _lies_after(order: Order, one: tuple[Key, int], other: tuple[Key, int]) -> bool:
    if one[0] is None or other[0] is None:
        return one[1] > other[1] if one[0] is other[0] else one[0] is None
    mine, its = _comparable(one[0]), _comparable(other[0])
    if mine == its:
        return one[1] > other[1]
    return (mine > its) != order.descending
