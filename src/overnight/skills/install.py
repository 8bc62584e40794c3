"""Puts the texts that come with the program where agents' tools look for them.

All of these tools read one form: a folder per skill with a `SKILL.md`, whose head has a name like the folder's and a
description (Agent Skills, agentskills.io).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType

from overnight import __version__
from overnight.domain.errors import Conflict, Refused
from overnight.skills import TEXT, Skill, built_in

TOOLS: Mapping[str, str] = MappingProxyType(
    {"claude": "~/.claude/skills", "codex": "~/.agents/skills", "cursor": "~/.cursor/skills"}
)
"""Where each tool looks for the skills of a user."""

_MARK = re.compile(
    r"^<!-- Written by `overnight skills install`, [^\n]*, sha256:([0-9a-f]{64})\. [^\n]*-->\n", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Placed:
    """One text in its place."""

    skill: str
    path: Path
    did: str
    """`written`, `replaced` or `unchanged`."""


def install(folders: Sequence[Path], *, force: bool) -> list[Placed]:
    """Write every skill below each of these folders. Raises Conflict, before anything is written, when a file there is
    not ours or was changed since, unless `force`; Refused when a folder cannot be written."""
    wanted = [(it, folder / name_of(it) / TEXT, text_of(it)) for folder in folders for it in built_in().values()]
    try:
        before = [_read(path) for _, path, _ in wanted]
        pairs = zip(wanted, before, strict=True)
        foreign = [path for (_, path, _), text in pairs if text is not None and not is_ours(text)]
        if foreign and not force:
            raise Conflict(
                f"{foreign[0]} was not written by Overnight, or was changed since; nothing was written",
                place=str(foreign[0]),
                next_step="Move it away, or overwrite it with --force.",
            )
        return [_place(it, path, text, old) for (it, path, text), old in zip(wanted, before, strict=True)]
    except OSError as error:
        raise Refused(f"the skills cannot be written: {error}", next_step="Choose a folder that is yours.") from error


def name_of(it: Skill) -> str:
    """The id as the form wants names: lower case, digits and hyphens."""
    return it.id.replace("_", "-")


def text_of(it: Skill) -> str:
    """The whole file, with a line by which the next install knows it."""
    head = f"---\nname: {name_of(it)}\ndescription: {json.dumps(it.description)}\n---\n"
    mark = (
        f"<!-- Written by `overnight skills install`, version {__version__}, sha256:{_digest(head + it.template)}. "
        "The next one replaces it. -->\n"
    )
    return head + mark + it.template


def is_ours(text: str) -> bool:
    """Whether a file is as some install wrote it."""
    mark = _MARK.search(text)
    return mark is not None and mark[1] == _digest(text[: mark.start()] + text[mark.end() :])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _place(it: Skill, path: Path, text: str, before: str | None) -> Placed:
    if before == text:
        return Placed(it.id, path, "unchanged")
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".skill-", delete=False) as new:
        try:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
            os.chmod(new.name, 0o644)
            os.replace(new.name, path)
        except BaseException:
            os.unlink(new.name)
            raise
    return Placed(it.id, path, "written" if before is None else "replaced")
