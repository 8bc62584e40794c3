"""The schemas of requests and answers, from their models, under names that people can read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

REFERENCE = "#/components/schemas/{model}"
Schema = dict[str, Any]
_WHOLE_NAME = re.compile(r"^overnight__service__(\w+)__(\w+?)$")


class Shapes:
    """Schemas by key, and the named ones that they refer to."""

    def __init__(self, wanted: Mapping[str, Any]) -> None:
        """`wanted`: key -> model, TypedDict, or a list or union of them."""
        inputs = [(key, "validation", TypeAdapter(shape)) for key, shape in wanted.items()]
        found, rest = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE)  # type: ignore[arg-type]
        everything = {"places": {key: schema for (key, _), schema in found.items()}, "named": rest.get("$defs", {})}
        readable = _readable(everything)
        self.named: dict[str, Schema] = readable["named"]
        self._places: dict[str, Schema] = readable["places"]

    def of(self, key: str) -> Schema:
        """The schema of a key: mostly a reference."""
        return self._places[key]

    def resolved(self, key: str) -> Schema:
        """The same, without a reference at its top."""
        schema = self._places[key]
        return self.named[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _readable(everything: dict[str, Any]) -> dict[str, Any]:
    """Where two modules have a class of one name, Pydantic names both by their modules."""
    text = json.dumps(everything)
    for whole, name in _names(everything["named"]).items():
        text = text.replace(f'"{whole}":', f'"{name}":').replace(f'/{whole}"', f'/{name}"')
    readable: dict[str, Any] = json.loads(text)
    return readable


def _names(named: Iterable[str]) -> dict[str, str]:
    """Long name -> short one: of the Wild V2 protocol `Wild…`, and with the module in it where that is not enough."""
    known = list(named)
    taken = {name for name in known if not _WHOLE_NAME.match(name)}
    short: dict[str, str] = {}
    for whole in sorted(known):
        parts = _parts(whole)
        if parts is None:
            continue
        modules, name = parts
        prefix = "Wild" if "wild" in modules else ""
        more = "".join(word.title() for word in modules[-1].split("_"))
        short[whole] = next(it for it in (prefix + name, prefix + more + name, whole) if it not in taken)
        taken.add(short[whole])
    return short


def _parts(whole: str) -> tuple[list[str], str] | None:
    found = _WHOLE_NAME.match(whole)
    if found is None:
        return None
    *modules, name = f"{found[1]}__{found[2]}".split("__")
    return modules, name
