"""Texts that teach agents to work with Overnight: folders with a `SKILL.md`, as agents' tools know them.

The head of a file holds `name, description, category, internal`, one line each; the rest is the text. `{{word}}` in a
text stands for a value that whoever asks fills in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

TEXT = "SKILL.md"
"""The one file that every skill has."""

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_HEAD = re.compile(r"\A---\n(.*?)\n---\n(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Skill:
    """One text."""

    id: str
    name: str
    description: str
    category: str
    template: str
    built_in: bool = False
    """It comes with the program."""
    internal: bool = False
    """It is part of a protocol: what it says is what the server does."""

    @property
    def variables(self) -> tuple[str, ...]:
        """What stands in double braces, in order of first appearance."""
        return tuple(dict.fromkeys(_VARIABLE.findall(self.template)))


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder of a skill; `path` begins at the skill's folder."""

    path: str
    folder: bool
    size: int
    """Bytes; 0 for a folder."""


def render(template: str, values: Mapping[str, str]) -> str:
    """The text with its variables filled in, once: what a value brings along is left as it is. Missing = empty."""
    return _VARIABLE.sub(lambda found: values.get(found[1], ""), template)


@cache
def built_in() -> Mapping[str, Skill]:
    """Id -> every skill that comes with the program, by id."""
    folders = sorted((it for it in _root().iterdir() if it.joinpath(TEXT).is_file()), key=lambda it: it.name)
    return {it.name: parse(it.name, it.joinpath(TEXT).read_text(encoding="utf-8")) for it in folders}


def parse(skill_id: str, text: str) -> Skill:
    """A skill from the text of its file; ValueError when the file has no head."""
    parts = _HEAD.match(text)
    if parts is None:
        raise ValueError(f"{skill_id}/{TEXT} does not begin with a head between two lines of ---")
    head = dict(line.split(": ", 1) for line in parts[1].splitlines())
    internal = head["internal"] == "true"
    return Skill(skill_id, head["name"], head["description"], head["category"], parts[2].strip() + "\n", True, internal)


def entries(skill_id: str) -> list[Entry]:
    """What the folder of a skill that comes with the program holds."""
    return list(_walk(_root().joinpath(skill_id), ""))


def read(skill_id: str, path: str) -> str | None:
    """A file of a skill that comes with the program, by a path out of `entries`; None for any other path."""
    known = any(it.path == path and not it.folder for it in entries(skill_id))
    return _root().joinpath(skill_id, *path.split("/")).read_text(encoding="utf-8") if known else None


def _walk(folder: Traversable, before: str) -> Iterator[Entry]:
    for it in sorted(folder.iterdir(), key=lambda it: it.name):
        path = before + it.name
        if it.is_dir():
            yield Entry(path, True, 0)
            yield from _walk(it, path + "/")
        else:
            yield Entry(path, False, len(it.read_bytes()))


def _root() -> Traversable:
    return files("overnight").joinpath("skills")
