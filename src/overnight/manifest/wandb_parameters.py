"""Reading the `parameters` of a W&B sweep; nested ones get names with dots."""

from __future__ import annotations

import re
from collections.abc import Mapping

from overnight.domain.plan import Scalar
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, TableNode, inside
from overnight.manifest.fields import check_keys, parameter_of, text_of, wrong
from overnight.manifest.findings import Findings, listing, quoted, suggestion
from overnight.manifest.wandb_draws import DISTRIBUTIONS, LARGEST_EXPONENT, LEAST, MOST, Parameter

WRITTEN_OUT = ("constant", "categorical", "categorical_w_probabilities")
"""Words for parameters whose values are written out."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_EXPONENTS = ("log_uniform", "inv_log_uniform", "q_log_uniform")
_ABOVE_ZERO = ("q", "a", "b")


def read_parameters(table: TableNode, place: str, prefix: str, findings: Findings) -> dict[str, Parameter]:
    """Every parameter by its full name; what is wrong is noted."""
    found: dict[str, Parameter] = {}
    if not table.entries:
        findings.add(place, table.line, "there are no parameters: add at least one")
    for entry in table:
        here = inside(place, entry.key)
        if _NAME.fullmatch(entry.key) is None:
            message = f"{quoted(entry.key)} is no name of a parameter: use letters, digits and _ . -"
            findings.add(here, entry.line, message)
        for name, parameter in _read(entry, here, f"{prefix}{entry.key}", findings).items():
            if name in found:
                findings.add(here, entry.line, f"the parameter `{name}` stands here twice: remove one")
            found[name] = parameter
    return found


def _read(entry: Entry, place: str, name: str, findings: Findings) -> Mapping[str, Parameter]:
    node = entry.value
    if not isinstance(node, TableNode):
        wrong(node, place, "{value: ...}, {values: [...]} or {min: ..., max: ...}", findings)
        return {name: Parameter()}
    nested = node.get("parameters")
    if nested is None:
        return {name: _parameter(node, place, findings)}
    check_keys(node, ("parameters",), place, findings)
    if isinstance(nested.value, TableNode):
        return read_parameters(nested.value, inside(place, "parameters"), f"{name}.", findings)
    wrong(nested.value, inside(place, "parameters"), "a mapping of parameters", findings)
    return {}


def _parameter(table: TableNode, place: str, findings: Findings) -> Parameter:
    shape = _shape(table, place, findings)
    if table.get("value") is not None or shape == "constant":
        return _constant(table, place, findings)
    if table.get("values") is not None or shape in WRITTEN_OUT:
        return _categorical(table, place, findings)
    if shape in DISTRIBUTIONS:
        return _distributed(table, shape, place, findings)
    if table.get("distribution") is None:
        findings.add(place, table.line, "nothing says which values it has: write `value`, `values`, or `min` and `max`")
    return Parameter()


def _shape(table: TableNode, place: str, findings: Findings) -> str:
    """The word for its distribution; without one whole bounds mean whole numbers."""
    entry = table.get("distribution")
    if entry is not None:
        here = inside(place, "distribution")
        word = text_of(entry.value, here, "the name of a distribution", findings) or ""
        if word and word not in DISTRIBUTIONS and word not in WRITTEN_OUT:
            known = (*WRITTEN_OUT, *DISTRIBUTIONS)
            guess = suggestion(word, known) or f"; known are {listing(known, 30)}"
            findings.add(here, entry.line, f"unknown distribution {quoted(word)}{guess}")
        return word
    bounds = [found.value for key in ("min", "max") if (found := table.get(key)) is not None]
    whole = all(isinstance(node, ScalarNode) and type(node.value) is int for node in bounds)
    return "" if not bounds else "int_uniform" if whole else "uniform"


def _constant(table: TableNode, place: str, findings: Findings) -> Parameter:
    check_keys(table, ("value", "distribution"), place, findings)
    entry = table.get("value")
    if entry is None:
        findings.add(place, table.line, "a constant needs a `value`")
        return Parameter()
    return Parameter(parameter_of(entry.value, inside(place, "value"), findings) or ())


def _categorical(table: TableNode, place: str, findings: Findings) -> Parameter:
    check_keys(table, ("values", "probabilities", "distribution"), place, findings)
    entry, here = table.get("values"), inside(place, "values")
    if entry is None or (isinstance(entry.value, ListNode) and not entry.value.items):
        findings.add(here, table.line, "there is no value: write a list of at least one")
        return Parameter()
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, here, "a list of values", findings)
        return Parameter()
    read = [parameter_of(node, f"{here}[{index}]", findings) for index, node in enumerate(entry.value.items)]
    values: tuple[Scalar, ...] = tuple(value[0] for value in read if value is not None)
    return Parameter(values, _weights(table.get("probabilities"), len(read), inside(place, "probabilities"), findings))


def _weights(entry: Entry | None, count: int, place: str, findings: Findings) -> tuple[float, ...]:
    if entry is None:
        return ()
    items = entry.value.items if isinstance(entry.value, ListNode) else ()
    weights = tuple(_number(item, f"{place}[{index}]", findings) for index, item in enumerate(items))
    if len(weights) != count or min(weights) < 0 or not 0 < sum(weights) <= MOST:
        findings.add(place, entry.line, f"write {count} probabilities, none below 0 and not all of them 0")
    return weights


def _number(node: Node, place: str, findings: Findings) -> float:
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST:
        return value
    wrong(node, place, "a finite number", findings)
    return 0


def _distributed(table: TableNode, shape: str, place: str, findings: Findings) -> Parameter:
    before = len(findings)
    keys = DISTRIBUTIONS[shape].keys
    check_keys(table, (*keys, "distribution"), place, findings)
    numbers: dict[str, float] = {}
    for key, default in keys.items():
        entry, here = table.get(key), inside(place, key)
        if entry is not None:
            numbers[key] = _number(entry.value, here, findings)
            _check(key, numbers[key], shape, entry, here, findings)
        elif default is None:
            findings.add(place, table.line, f"`{key}` is missing: `{shape}` needs {listing(keys)}")
        else:
            numbers[key] = default
    if len(findings) == before and "max" in numbers and numbers["min"] >= numbers["max"]:
        findings.add(
            place, table.line, f"`min` must be below `max`: {numbers['min']:g} is not below {numbers['max']:g}"
        )
    return Parameter(shape=shape, numbers=numbers)


def _check(key: str, value: float, shape: str, entry: Entry, place: str, findings: Findings) -> None:
    """Note a number that its distribution cannot have."""
    if key in _ABOVE_ZERO and value < LEAST:
        findings.add(place, entry.line, f"{quoted(value)} is out of range: write a number above 0")
    elif key == "sigma" and value < 0:
        findings.add(place, entry.line, f"{quoted(value)} is out of range: write a number of at least 0")
    elif DISTRIBUTIONS[shape].logarithmic and key == "min" and value < LEAST:
        findings.add(place, entry.line, f"{quoted(value)} has no logarithm: write a number above 0")
    elif shape in _EXPONENTS and key in ("min", "max") and abs(value) > LARGEST_EXPONENT:
        message = f"{quoted(value)} is an exponent of `{shape}` and out of range; `{shape}_values` takes the values"
        findings.add(place, entry.line, message)
    elif shape == "int_uniform" and not (type(value) is int and abs(value) < 2**63):
        findings.add(place, entry.line, f"{quoted(value)} is no whole number of 64 bits, which `int_uniform` needs")
