"""JSON with a line for each key of a block and each item of a list of mappings: what lists many runs is read ten times
faster than YAML would be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from overnight.manifest.write.text import Block, Value


def json_lines(values: Mapping[str, Value]) -> str:
    """The text of a file."""
    return "".join(_value(Block(values), "")) + "\n"


def _value(value: Value, indent: str) -> Iterator[str]:
    if isinstance(value, Block):
        parts = (_member(key, one, f"{indent}  ") for key, one in value.items())
        yield from _spread("{}", parts, indent)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from _spread("[]", (_value(one, f"{indent}  ") for one in value), indent)
    else:
        yield _line(value)


def _member(key: str, value: Value, indent: str) -> Iterator[str]:
    yield f"{_line(key)}: "
    yield from _value(value, indent)


def _spread(brackets: str, parts: Iterable[Iterator[str]], indent: str) -> Iterator[str]:
    """Each part on a line of its own, between brackets."""
    yield brackets[0]
    for number, part in enumerate(parts):
        yield f"{',' if number else ''}\n{indent}  "
        yield from part
    yield f"\n{indent}{brackets[1]}"


def _line(value: Value) -> str:
    """One line, with characters that nobody sees by their number."""
    written = json.dumps(value, ensure_ascii=False)
    if written.isprintable():
        return written
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in written)
