"""Axes of a grid: a mapping of names to lists, or a text such as `N=[64,128] x n=[50K,150K]`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from math import prod

from overnight.domain.plan import Scalar
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, TableNode, inside
from overnight.manifest.fields import is_null, parameter_of, table_of, wrong
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.queue.texts import GPU
from overnight.manifest.scalars import plain_value
from overnight.manifest.template import IDENTIFIER

Axes = Mapping[str, tuple[Scalar, ...]]
"""Names to values, in the order of the file; the last one varies fastest. An axis that could not be read has none."""

_EXPECTED = "a mapping of axes to lists, such as {N: [64, 128]}, or the text N=[64,128] x n=[50K,150K]"
_VALUE = r"(?:\"[^\"]*\"|'[^']*'|[^,\[\]\"'\s](?:[^,\[\]\"']*[^,\[\]\"'\s])?)"
_VALUES = rf"\[\s*({_VALUE}(?:\s*,\s*{_VALUE})*)?\s*\]"
_INLINE_AXIS = re.compile(rf"\s*([^\s=\[\],]+)\s*=\s*(?:{_VALUES}|([^\s,\[\]\"'×]+))\s*")
_BETWEEN = re.compile(r"×|x(?=\s)")
_SCALED = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KM])")
_SCALES = {"K": 1000, "M": 1_000_000}


def read_grid(entry: Entry, place: str, findings: Findings) -> Axes:
    """The axes of a `grid`; what is wrong is noted."""
    node = entry.value
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return _inline(node, place, findings)
    table = table_of(entry, place, _EXPECTED, findings)
    if table is None:
        return {}
    if not table.entries:
        findings.add(place, entry.line, "no axis stands here: add one, or remove `grid`")
    return {axis.key: _axis(axis, inside(place, axis.key), findings) for axis in table}


def count(axes: Axes) -> int:
    """Cells of the product."""
    return prod(map(len, axes.values()))


def combinations(axes: Axes) -> list[dict[str, Scalar]]:
    """Every combination of values, the last axis fastest."""
    names = tuple(axes)
    return [dict(zip(names, values, strict=True)) for values in product(*axes.values())]


def _check_name(name: str, line: int, place: str, findings: Findings) -> None:
    if name == GPU:
        findings.add(place, line, f"an axis cannot be called {GPU}: ${{{GPU}}} is the device that a job is given")
    elif IDENTIFIER.fullmatch(name) is None:
        findings.add(place, line, f"{quoted(name)} cannot be written as ${{name}}: use letters, digits and _ only")


def _axis(axis: Entry, place: str, findings: Findings) -> tuple[Scalar, ...]:
    """The values of one axis: a list, or one value that is no text."""
    _check_name(axis.key, axis.line, place, findings)
    node = axis.value
    if isinstance(node, TableNode):
        wrong(node, place, "a list of values", findings)
    elif is_null(node) or (isinstance(node, ListNode) and not node.items):
        findings.add(place, axis.line, "this axis is empty: give it at least one value")
    elif isinstance(node, ScalarNode) and isinstance(node.value, str):
        findings.add(
            place, node.line, f"this is text ({quoted(node.value)}) where values belong: write {_as_list(node)}"
        )
    else:
        items: tuple[Node, ...] = node.items if isinstance(node, ListNode) else (node,)
        read = [parameter_of(item, f"{place}[{index}]", findings) for index, item in enumerate(items)]
        return tuple(value[0] for value in read if value is not None)
    return ()


def _as_list(node: ScalarNode) -> str:
    text = str(node.value).strip()
    return text if text.startswith("[") and text.endswith("]") else quoted(f"[{text}]")[1:-1]


def _inline(node: ScalarNode, place: str, findings: Findings) -> Axes:
    """The axes of a text."""
    text = str(node.value)
    axes: dict[str, tuple[Scalar, ...]] = {}
    position = 0
    while match := _INLINE_AXIS.match(text, position):
        name = match[1]
        if name in axes:
            findings.add(inside(place, name), node.line, f"the axis `{name}` stands here twice: remove one")
        _check_name(name, node.line, inside(place, name), findings)
        axes[name] = _inline_values(match, node.line, inside(place, name), findings)
        between = _BETWEEN.match(text, match.end())
        if between is None:
            position = match.end()
            break
        position = between.end()
    if position < len(text) or not axes or text[-1:] == "×":
        findings.add(place, node.line, f"{quoted(text[position:] or text)} cannot be read: write {_EXPECTED}")
    return axes


def _inline_values(match: re.Match[str], line: int, place: str, findings: Findings) -> tuple[Scalar, ...]:
    if match[3] is not None:
        return (_inline_value(match[3]),)
    values = tuple(_inline_value(value) for value in re.findall(_VALUE, match[2] or ""))
    if not values:
        findings.add(place, line, "this axis is empty: give it at least one value")
    return values


def _inline_value(text: str) -> Scalar:
    """A value of a text: in quotes it is text; 50K is 50000, 1.5M is 1500000; others as in YAML."""
    if text[0] in "\"'":
        return text[1:-1]
    scaled = _SCALED.fullmatch(text)
    if scaled is None:
        return plain_value(text)
    number = float(scaled[1]) * _SCALES[scaled[2]]
    return int(number) if number.is_integer() else number
