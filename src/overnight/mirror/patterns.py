"""What is left out of a copy: a small part of the language of `.gitignore`.

`name` matches at any depth, `/name` and `a/name` only from the folder itself, `name/` only folders, `*` and `?` within
a name, `[…]` one character, `**` any number of folders; `!` in front takes back what an earlier line left out; the last
line that matches decides; `#` begins a comment. Nothing below a folder that is left out can be taken back.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from overnight.domain.errors import Refused

ALWAYS = frozenset(
    (
        *(".git", ".hg", "__pycache__", ".venv", "venv", "node_modules", "wandb", "mlruns", ".ipynb_checkpoints"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache"),
    )
)
"""Names that are left out unless a pattern says otherwise."""
COMPILED = ".pyc"
"""So are files that end like this."""
MOST_PATTERNS = 1_000
"""Patterns that one folder may have."""
LONGEST_PATTERN = 1_000
"""Characters of a pattern."""
MOST_ANY = 3
"""How often `**` may stand in one pattern: the time that it takes grows with each."""
ANY = None
"""`**` among the parts of a pattern."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line. `parts`: one for each name of a path, `ANY` for any number of them."""

    parts: tuple[re.Pattern[str] | None, ...]
    folders_only: bool
    keeps: bool

    def matches(self, names: Sequence[str], is_folder: bool) -> bool:
        """Whether it says something of this path."""
        return (is_folder or not self.folders_only) and _match(self.parts, names)


def _match(parts: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    for index, part in enumerate(parts):
        if part is ANY:
            rest = parts[index + 1 :]
            return len(names) > index if not rest else any(_match(rest, names[it:]) for it in range(index, len(names)))
        if index >= len(names) or not part.match(names[index]):
            return False
    return len(parts) == len(names)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What is left out of a copy: by pattern, and by exact path."""

    patterns: tuple[Pattern, ...] = ()
    paths: frozenset[str] = field(default=frozenset())

    def has(self, path: str, *, is_folder: bool) -> bool:
        """Whether a path (relative, parts joined by `/`) is left out."""
        if path in self.paths:
            return True
        names = path.split("/")
        for pattern in reversed(self.patterns):
            if pattern.matches(names, is_folder):
                return not pattern.keeps
        return names[-1] in ALWAYS or (names[-1].endswith(COMPILED) and not is_folder)


def left_out(lines: Iterable[str], paths: Iterable[str] = ()) -> LeftOut:
    """Read patterns, one a line. Raises Refused for one that is too long, or for too many of them."""
    patterns = tuple(found for line in lines if (found := _pattern(line)))
    if len(patterns) > MOST_PATTERNS:
        raise Refused(f"more than {MOST_PATTERNS} patterns of files to leave out", place="exclude")
    return LeftOut(patterns, frozenset(paths))


def _pattern(line: str) -> Pattern | None:
    text = line.rstrip("\n\r \t")
    if not text or text.startswith("#"):
        return None
    keeps = text.startswith("!")
    text = text[1:] if keeps or text[:2] in ("\\#", "\\!") else text
    folders_only, text = text.endswith("/"), text.rstrip("/")
    anchored, text = "/" in text, text.lstrip("/")
    if not text:
        return None
    names = text.split("/")
    if len(text) > LONGEST_PATTERN or names.count("**") > MOST_ANY:
        raise Refused(
            f"the pattern {text[:60]!r} is too long or has too many `**`",
            place="exclude",
            next_step="Write it shorter.",
        )
    parts = [ANY if name == "**" else re.compile(fnmatch.translate(name)) for name in names]
    return Pattern(tuple(parts if anchored else [ANY, *parts]), folders_only, keeps)
