"""The template behind the cells of a sweep, found from the cells alone.

What is found here is a proposal: the writer reads its file back, and writes the runs out one by one where the plan is
not the same.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from overnight.domain.plan import CellPlan, Scalar
from overnight.manifest.cells import legal_name
from overnight.manifest.scalars import value_text
from overnight.manifest.shell import is_safe
from overnight.manifest.write.text import Value

MAX_STEPS = 20_000
"""Places of one text at which a parameter is looked for, dead ends included."""

Written = Sequence[Mapping[str, str]]
"""For each cell the characters that each of its parameters stands as."""


def axes_of(cells: Sequence[CellPlan]) -> dict[str, Value] | None:
    """`grid` where the parameters are a product in order, else `cells`; nothing for one run without parameters."""
    if not cells[0].parameters:
        return {} if len(cells) == 1 else None
    names = tuple(cells[0].parameters)
    if any(tuple(cell.parameters) != names for cell in cells):
        return None
    axes = {name: _values(name, cells) for name in names}
    rows = [tuple(map(_typed, cell.parameters.values())) for cell in cells]
    full = math.prod(map(len, axes.values())) == len(rows)
    if full and rows == list(product(*(map(_typed, axis) for axis in axes.values()))):
        return {"grid": {name: list[Value](axis) for name, axis in axes.items()}}
    return {"cells": [dict[str, Value](cell.parameters) for cell in cells]}


def _values(name: str, cells: Sequence[CellPlan]) -> list[Scalar]:
    """The values of a parameter, each once, in the order in which they come."""
    return list({_typed(cell.parameters[name]): cell.parameters[name] for cell in cells}.values())


def _typed(value: Scalar) -> tuple[type, Scalar]:
    return type(value), value


def texts_of(cells: Sequence[CellPlan], sweep: str) -> dict[str, Value] | None:
    """`name`, `command`, `outputs`, `requires`, `env` and `oom` as templates; None where some text has none."""
    plain = [{name: value_text(value) for name, value in cell.parameters.items()} for cell in cells]
    found: dict[str, Value | None] = {
        **_name(cells, sweep, plain),
        "command": _command(cells, plain),
        "outputs": _lists([cell.outputs for cell in cells], plain),
        "requires": _lists([cell.requires for cell in cells], plain),
        "env": _env(cells, plain),
    }
    if any(value is None for value in found.values()):
        return None
    smaller = max((cell.smaller for cell in cells), key=len)
    oom: dict[str, Value] = {"smaller": [dict[str, Value](rung.changed) for rung in smaller]}
    return {**{key: value for key, value in found.items() if value}, **({"oom": oom} if smaller else {})}


def _name(cells: Sequence[CellPlan], sweep: str, plain: Written) -> dict[str, Value | None]:
    usual = [legal_name(sweep + "".join(f"-{name}{text}" for name, text in one.items())) for one in plain]
    names = [cell.name for cell in cells]
    if names == usual:
        return {}
    return {"name": template_of(names, [{name: legal_name(text) for name, text in one.items()} for one in plain])}


def _command(cells: Sequence[CellPlan], plain: Written) -> Value | None:
    commands = [cell.command for cell in cells]
    texts = [command for command in commands if isinstance(command, str)]
    if len(texts) == len(commands):
        return template_of(texts, [{name: _in_shell(text) for name, text in one.items()} for one in plain])
    return None if texts else _lists([tuple(command) for command in commands], plain)


def _in_shell(text: str) -> str:
    return text if is_safe(text) else shlex.quote(text)


def _lists(lists: Sequence[tuple[str, ...]], written: Written) -> Value | None:
    """A template for each place of lists of equal length."""
    if len(set(map(len, lists))) != 1:
        return None
    templates = [template_of(texts, written) for texts in zip(*lists, strict=True)]
    return None if None in templates else list[Value](templates)


def _env(cells: Sequence[CellPlan], written: Written) -> Value | None:
    names = tuple(cells[0].env)
    if any(cell.env.keys() != cells[0].env.keys() for cell in cells):
        return None
    templates = _lists([tuple(cell.env[name] for name in names) for cell in cells], written)
    return dict(zip(names, templates, strict=True)) if isinstance(templates, list) else None


def template_of(texts: Sequence[str], written: Written) -> str | None:
    """A text with `${parameter}` that gives each cell its own; None when there is none, or finding it takes long."""
    if all(text == texts[0] for text in texts):
        return texts[0]
    chosen = _telling(written)
    names = [name for name in written[0] if any(written[index][name] != written[0][name] for index in chosen)]
    names.sort(key=lambda name: -max(len(written[index][name]) for index in chosen))
    values = {name: [written[index][name] for index in chosen] for name in names}
    return _search([texts[index] for index in chosen], values)


def _telling(written: Written) -> list[int]:
    """A few cells that tell all parameters apart: the first, the last, and for each one where it alone, or at least it,
    differs from the first."""
    chosen = {0, len(written) - 1}
    for name in written[0]:
        differing = (index for index, one in enumerate(written) if one[name] != written[0][name])
        chosen.update(index for index in [next(differing, None)] if index is not None)
    return sorted(chosen)


def _search(texts: Sequence[str], values: Mapping[str, Sequence[str]]) -> str | None:
    """Walk through all texts at once, a parameter or an equal character at a time, and back from dead ends."""
    start = (0,) * len(texts)
    end = tuple(map(len, texts))
    path: list[str] = []
    ways = [_ways(texts, values, start)]
    seen = {start}
    while ways and len(seen) < MAX_STEPS:
        part, at = next(ways[-1], (None, start))
        if part is None:
            ways.pop()
            del path[-1:]
        elif at == end:
            return "".join((*path, part))
        elif at not in seen:
            seen.add(at)
            path.append(part)
            ways.append(_ways(texts, values, at))
    return None


def _ways(
    texts: Sequence[str], values: Mapping[str, Sequence[str]], at: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """What can stand at these places, and the places behind it; parameters first."""
    for name, own in values.items():
        if all(text.startswith(value, place) for text, value, place in zip(texts, own, at, strict=True)):
            yield f"${{{name}}}", tuple(place + len(value) for value, place in zip(own, at, strict=True))
    characters = {text[place : place + 1] for text, place in zip(texts, at, strict=True)}
    if len(characters) == 1 and characters != {""}:
        yield characters.pop(), tuple(place + 1 for place in at)
