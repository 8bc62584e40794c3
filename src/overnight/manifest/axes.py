"""Which parameter sets a sweep has: `grid` and `zip` multiplied, `exclude` taken away, `cells` appended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from overnight.domain.plan import Scalar
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, TableNode, inside
from overnight.manifest.fields import is_null, parameter_of, table_of, wrong
from overnight.manifest.findings import Findings, listing, quoted
from overnight.manifest.scalars import comparable, value_text
from overnight.manifest.variables import is_template_name

MAX_CELLS = 100_000
"""Most cells that one file may stand for; checked before anything is expanded."""
AXIS_KEYS = ("grid", "zip", "cells", "exclude")

_SEVERAL = re.compile(r"\s*[^,\s]+(?:\s*,\s*[^,\s]+)+\s*")

Axis = tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """The parameters of one cell and the line that they come from."""

    parameters: Mapping[str, Scalar]
    line: int


@dataclass(frozen=True)
class Axes:
    """What a sweep says about its parameters, read but not expanded."""

    names: tuple[str, ...]
    """Every parameter that any cell has, also one whose values could not be read."""
    everywhere: frozenset[str]
    """Those that every cell has."""
    grid: Mapping[str, Axis]
    zipped: Mapping[str, Axis]
    excluded: tuple[ParameterSet, ...]
    chosen: tuple[ParameterSet, ...]
    line: int

    @property
    def count(self) -> int:
        """Cells before anything is excluded."""
        multiplied = prod(map(len, self.grid.values())) * _length(self.zipped)
        return len(self.chosen) + (multiplied if self.multiplies or not self.chosen else 0)

    @property
    def multiplies(self) -> bool:
        """Whether there is a `grid` or a `zip`."""
        return bool(self.grid or self.zipped)


def read_axes(entry: Entry, table: TableNode, place: str, findings: Findings) -> tuple[Axes, bool]:
    """The parameters of the sweep `entry`, and whether they can be expanded (else problems are noted)."""
    before = len(findings)
    grid = _axes_of(table.get("grid"), inside(place, "grid"), findings, hint=True)
    zipped = _axes_of(table.get("zip"), inside(place, "zip"), findings, hint=False)
    _check_zip(table.get("zip"), inside(place, "zip"), findings)
    for name in sorted(grid.keys() & zipped.keys()):
        findings.add(
            inside(place, f"zip.{name}"), _line(table, "zip"), f"`{name}` is an axis of `grid` too: remove one"
        )
    chosen = read_sets(table.get("cells"), inside(place, "cells"), findings)
    names = tuple(dict.fromkeys((*grid, *zipped, *(name for one in chosen for name in one.parameters))))
    excluded = read_sets(table.get("exclude"), inside(place, "exclude"), findings)
    _check_excluded(table, excluded, {*grid, *zipped}, inside(place, "exclude"), findings)
    axes = Axes(names, _everywhere(grid, zipped, chosen), grid, zipped, excluded, chosen, entry.line)
    return axes, len(findings) == before


def expand_axes(axes: Axes, place: str, findings: Findings) -> list[ParameterSet]:
    """The parameter sets in order: last grid axis faster, zipped tuples fastest, explicit cells at the end.

    None when parameter sets are equal, since all that follows would only repeat that.
    """
    sets: list[ParameterSet] = []
    if axes.multiplies or not axes.chosen:
        sets = [ParameterSet(parameters, axes.line) for parameters in _multiplied(axes)]
    if axes.excluded:
        sets = _without(sets, axes.excluded, inside(place, "exclude"), findings)
    sets.extend(axes.chosen)
    if not sets:
        findings.add(place, axes.line, "`exclude` drops every cell, so the sweep has none: exclude less")
    return sets if _all_differ(sets, place, findings) else []


def described(parameters: Mapping[str, Scalar]) -> str:
    """`width=16 seed=2`, for a sentence."""
    return " ".join(f"{name}={value_text(value)[:40]}" for name, value in parameters.items()) or "no parameters"


def _multiplied(axes: Axes) -> Iterator[Mapping[str, Scalar]]:
    names = (*axes.grid, *axes.zipped)
    rows: Sequence[tuple[Scalar, ...]] = list(zip(*axes.zipped.values(), strict=True)) if axes.zipped else [()]
    for values in product(*axes.grid.values()):
        for row in rows:
            yield dict(zip(names, values + row, strict=True))


def _length(zipped: Mapping[str, Axis]) -> int:
    return len(next(iter(zipped.values()), (None,)))


def _everywhere(grid: Mapping[str, Axis], zipped: Mapping[str, Axis], chosen: Sequence[ParameterSet]) -> frozenset[str]:
    kinds = [frozenset(one.parameters) for one in chosen]
    if grid or zipped or not chosen:
        kinds.append(frozenset((*grid, *zipped)))
    return frozenset.intersection(*kinds)


def _axes_of(entry: Entry | None, place: str, findings: Findings, *, hint: bool) -> dict[str, Axis]:
    """The axes of `grid` or `zip`; one that cannot be read is there without values, so that its name is known."""
    table = None if entry is None else table_of(entry, place, "a mapping of parameters to lists of values", findings)
    if table is None:
        return {}
    if not table.entries:
        findings.add(place, table.line, "no parameter stands here: add one, or remove the key")
    axes: dict[str, Axis] = {}
    for axis in table:
        here = inside(place, axis.key)
        if is_template_name(axis.key, axis.line, here, findings):
            axes[axis.key] = _axis(axis, here, findings, hint=hint)
    return axes


def _axis(axis: Entry, place: str, findings: Findings, *, hint: bool) -> Axis:
    node = axis.value
    if isinstance(node, ListNode):
        if not node.items:
            findings.add(place, axis.line, "this axis has no values: give it at least one")
        read = [parameter_of(item, f"{place}[{index}]", findings) for index, item in enumerate(node.items)]
        return tuple(value[0] for value in read if value is not None)
    if is_null(node):
        findings.add(place, axis.line, "this axis has no values: give it at least one ([null] for the value null)")
    elif isinstance(node, ScalarNode):
        if hint and isinstance(node.value, str) and _SEVERAL.fullmatch(node.value):
            alone, split = quoted(node.value), ", ".join(part.strip() for part in node.value.split(","))
            message = f"text ({alone}) where a list is expected: write [{split}], or [{alone}] for this one text"
            findings.add(place, axis.line, message)
        value = parameter_of(node, place, findings)
        return value or ()
    else:
        wrong(node, place, "a list of values", findings)
    return ()


def _check_zip(entry: Entry | None, place: str, findings: Findings) -> None:
    if entry is None or not isinstance(entry.value, TableNode):
        return
    lengths = {
        axis.key: len(axis.value.items) if isinstance(axis.value, ListNode) else 1 for axis in entry.value.entries
    }
    if len(set(lengths.values())) > 1:
        shown = listing([f"{name} has {length}" for name, length in lengths.items()])
        findings.add(place, entry.line, f"lists that are zipped must have the same length: {shown}")


def read_sets(entry: Entry | None, place: str, findings: Findings) -> tuple[ParameterSet, ...]:
    """The parameter sets of a list such as `cells` or `exclude`."""
    if entry is None:
        return ()
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, place, "a list of mappings, such as [{lr: 0.1, seed: 1}]", findings)
        return ()
    if not entry.value.items:
        findings.add(place, entry.line, "this list is empty: add a mapping, or remove the key")
    read = [_set_of(item, f"{place}[{index}]", findings) for index, item in enumerate(entry.value.items)]
    return tuple(one for one in read if one is not None)


def _set_of(node: Node, place: str, findings: Findings) -> ParameterSet | None:
    if not isinstance(node, TableNode) or not node.entries:
        wrong(node, place, "a mapping of parameters to single values, such as {lr: 0.1, seed: 1}", findings)
        return None
    parameters: dict[str, Scalar] = {}
    for entry in node:
        here = inside(place, entry.key)
        value = parameter_of(entry.value, here, findings)
        if is_template_name(entry.key, entry.line, here, findings):
            parameters[entry.key] = value[0] if value is not None else None
    return ParameterSet(parameters, node.line)


def _check_excluded(
    table: TableNode, excluded: Sequence[ParameterSet], axes: set[str], place: str, findings: Findings
) -> None:
    if table.get("exclude") is not None and table.get("grid") is None and table.get("zip") is None:
        findings.add(place, _line(table, "exclude"), "there is nothing to exclude from: it needs a `grid` or a `zip`")
        return
    for index, one in enumerate(excluded):
        for name in one.parameters:
            if name not in axes:
                message = f"`{name}` is no axis of `grid` or `zip` here: use one of {listing(sorted(axes), 20)}"
                findings.add(f"{place}[{index}].{name}", one.line, message)


def _without(
    sets: list[ParameterSet], excluded: Sequence[ParameterSet], place: str, findings: Findings
) -> list[ParameterSet]:
    """The sets that no entry matches; entries are grouped by their names, so that many of them stay cheap."""
    unused: dict[tuple[str, ...], dict[tuple[object, ...], int]] = {}
    for index, one in enumerate(excluded):
        names = tuple(sorted(one.parameters))
        first = unused.setdefault(names, {}).setdefault(_key(one.parameters, names), index)
        if first != index:
            findings.add(f"{place}[{index}]", one.line, f"this repeats entry [{first}]: remove one")
    used: set[int] = set()
    kept: list[ParameterSet] = []
    for candidate in sets:
        hits = [
            entries[key] for names, entries in unused.items() if (key := _key(candidate.parameters, names)) in entries
        ]
        used.update(hits)
        if not hits:
            kept.append(candidate)
    for index in sorted(set().union(*(entries.values() for entries in unused.values())) - used):
        message = f"no cell has {described(excluded[index].parameters)}: correct the values or remove the entry"
        findings.add(f"{place}[{index}]", excluded[index].line, message)
    return kept


def _all_differ(sets: Sequence[ParameterSet], place: str, findings: Findings) -> bool:
    """Whether no parameter set stands twice; notes those that do."""
    groups: dict[frozenset[tuple[str, object]], list[ParameterSet]] = {}
    for one in sets:
        groups.setdefault(frozenset([(n, comparable(v)) for n, v in one.parameters.items()]), []).append(one)
    if len(groups) == len(sets):
        return True
    repeated = [group for group in groups.values() if len(group) > 1]
    shown = listing([f"{described(group[0].parameters)} ({len(group)} times)" for group in repeated])
    findings.add(place, repeated[0][-1].line, f"cells with equal parameters: {shown}; keep one of each")
    return False


def _key(parameters: Mapping[str, Scalar], names: Sequence[str]) -> tuple[object, ...]:
    return tuple([comparable(parameters[name]) for name in names])


def _line(table: TableNode, key: str) -> int:
    entry = table.get(key)
    return table.line if entry is None else entry.line
