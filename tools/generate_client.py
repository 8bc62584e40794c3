"""Writes the typed methods of the client, or with `--check` says how they differ from the table of operations.

    python -m tools.generate_client [--check]

A method takes the fields of its operation's request and answers its shape; types of answers are those of the server.
"""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

from overnight.service.table import OPERATIONS, Operation

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "src" / "overnight" / "surfaces"
SYNC, ASYNC = FOLDER / "client_methods.py", FOLDER / "client_methods_async.py"
MADE = "Made from the table of operations by tools/generate_client.py: change that, then run it again."
LONGEST = 110
"""Characters of a docstring's line."""
OF_JSON: Mapping[str, str] = {"string": "str", "array": "Sequence[Mapping[str, Any]]"}
"""What a field is that takes anything and whose schema says what it wants."""


@dataclass
class Types:
    """How types are written, and what that needs."""

    names: dict[str, Any] = field(default_factory=dict)
    """What is imported, under what name."""
    models: dict[str, type[BaseModel]] = field(default_factory=dict)
    """Parts of requests; they become typed dictionaries."""

    def answer(self, shape: Any) -> str:
        """A shape that is answered; a list of one is a Page."""
        if typing.get_origin(shape) is list:
            return f"Page[{self.written(typing.get_args(shape)[0])}]"
        return "dict[str, Any]" if shape is None else self.written(shape)

    def asked(self, it: FieldInfo) -> str:
        """The type of a field of a request."""
        schema = next((part.json_schema for part in it.metadata if isinstance(part, WithJsonSchema)), None)
        if it.annotation is Any and schema is not None:
            return OF_JSON[schema["type"]]
        return self.written(it.annotation)

    def written(self, shape: Any) -> str:
        """Any other type, as text."""
        origin, arguments = typing.get_origin(shape), typing.get_args(shape)
        if origin is typing.Annotated:
            return self.written(arguments[0])
        if origin in (typing.Union, types.UnionType):
            return " | ".join(dict.fromkeys(self.written(it) for it in arguments))
        if origin is typing.Literal:
            return f"Literal[{', '.join(repr(it) for it in arguments)}]"
        if origin is not None:
            name = {list: "Sequence", dict: "Mapping"}.get(origin, origin.__name__)
            return f"{name}[{', '.join(self.written(it) for it in arguments)}]"
        return self._plain(shape)

    def _plain(self, shape: Any) -> str:
        if shape is None or shape is type(None):
            return "None"
        if shape is Any:
            return "Any"
        if isinstance(shape, type) and issubclass(shape, Enum):
            return f"Literal[{', '.join(repr(it.value) for it in shape)}]"
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            self.models[f"{shape.__name__}Fields"] = shape
            return f"{shape.__name__}Fields"
        if shape.__module__ == "builtins":
            return str(shape.__name__)
        return self._imported(shape)

    def _imported(self, shape: Any) -> str:
        """Two shapes of one name are told apart by their modules."""
        name = str(shape.__name__)
        if self.names.setdefault(name, shape) is not shape:
            name = f"{shape.__module__.rpartition('.')[2].title().replace('_', '')}{name}"
            self.names[name] = shape
        return name


def method(operation: Operation, kinds: Types, *, waits: bool) -> str:
    """One method, as source text."""
    asked = sorted(operation.request.model_fields.items(), key=lambda it: _order(operation, *it))
    shape = kinds.answer(operation.answer)
    named = {"{" + name + "}" for name, _ in asked} & set(operation.path.split("/"))
    first = [_parameter(name, it, kinds) for name, it in asked if "{" + name + "}" in named]
    rest = [_parameter(name, it, kinds) for name, it in asked if "{" + name + "}" not in named]
    more = operation.request.model_config.get("extra") == "allow"
    rest += ["key: str | None = None"] if operation.changes else []
    parameters = ["self", *first, *(["*", *rest] if rest else []), *(["**more: Any"] if more else [])]
    sent = [f'"{it.alias or name}": {name}' for name, it in asked] + (["**more"] if more else [])
    key = ", key" if operation.changes else ""
    called = f'{"await " if waits else ""}self._call("{operation.name}", {{{", ".join(sent)}}}{key})'
    lines = [
        f"    {'async ' if waits else ''}def {operation.name}({', '.join(parameters)}) -> {shape}:",
        f'        """{operation.summary}"""',
        f'        return cast("{shape}", {called})' if shape != "Any" else f"        return {called}",
    ]
    return "\n".join(lines)


def _order(operation: Operation, name: str, it: FieldInfo) -> tuple[bool, bool]:
    return "{" + name + "}" not in operation.path, not it.is_required()


def _parameter(name: str, it: FieldInfo, kinds: Types) -> str:
    kind = kinds.asked(it)
    return f"{name}: {kind}" if it.is_required() else f"{name}: {kind} | Unset = UNSET"


def page(*, waits: bool) -> str:
    """The whole module."""
    kinds = Types()
    methods = [method(it, kinds, waits=waits) for it in OPERATIONS]
    parts = _typed(kinds)
    name, said = ("AsyncMethods", "coroutine") if waits else ("Methods", "method")
    call = f"    {'async ' if waits else ''}def _call(self, operation: str, fields: Mapping[str, Any], key: str | None"
    return "\n\n".join(
        [
            f'"""Every operation as a {said}.\n\n{MADE}\n"""',
            "from __future__ import annotations",
            "from collections.abc import Mapping, Sequence\n"
            "from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, cast\n\n"
            "from overnight.surfaces.client_wire import UNSET, Page, Unset",
            "if TYPE_CHECKING:\n" + "\n".join(_imports(kinds)),
            *parts,
            f'class {name}:\n    """What can be asked. Fields that are not given are not sent."""',
            f"{call} = None) -> Any:\n        raise NotImplementedError",
            *methods,
        ]
    )


def _imports(kinds: Types) -> Iterator[str]:
    for name, shape in kinds.names.items():
        renamed = "" if name == shape.__name__ else f" as {name}"
        yield f"    from {shape.__module__} import {shape.__name__}{renamed}"


def _typed(kinds: Types) -> list[str]:
    """The parts of requests, as typed dictionaries; parts of parts are found on the way."""
    written: dict[str, str] = {}
    while missing := [name for name in kinds.models if name not in written]:
        for name in missing:
            model = kinds.models[name]
            lines = [f"    {key}: {_key(it, kinds)}" for key, it in model.model_fields.items()]
            said = (model.__doc__ or "").strip().splitlines()[0][:LONGEST]
            written[name] = "\n".join([f"class {name}(TypedDict):", f'    """{said}"""\n', *lines])
    return list(written.values())


def _key(it: FieldInfo, kinds: Types) -> str:
    return kinds.asked(it) if it.is_required() else f"NotRequired[{kinds.asked(it)}]"


def formatted(text: str) -> str:
    """As the project's formatter and import sorter would have it."""
    for arguments in (["check", "--select", "F401,I,UP,RUF036", "--fix", "--quiet"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(SYNC), "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=ROOT)
        if not done.stdout:
            raise SystemExit(f"ruff {arguments[0]}: {done.stderr}")
        text = done.stdout
    return text


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something differs")
    check = parser.parse_args().check
    differ = False
    for path, waits in ((SYNC, False), (ASYNC, True)):
        wanted, found = formatted(page(waits=waits)), path.read_text(encoding="utf-8") if path.exists() else ""
        if check and wanted != found:
            sys.stdout.writelines(difflib.unified_diff(found.splitlines(True), wanted.splitlines(True), str(path)))
            differ = True
        elif wanted != found:
            path.write_text(wanted, encoding="utf-8")
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
