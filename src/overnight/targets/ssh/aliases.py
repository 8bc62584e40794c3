"""The machines that the user's SSH configuration names: a campaign may go to those without a table of their own."""

from __future__ import annotations

import glob
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from overnight.domain.remote import HOST, USER, by_name

CONFIG = "~/.ssh/config"
DEEPEST = 16
"""How far `Include` is followed, as OpenSSH does."""
MOST_FILES = 1000
MOST_BYTES = 1024 * 1024
"""Of one file; a larger one is no configuration."""


def aliases(path: str = CONFIG) -> frozenset[str]:
    """The literal `Host` names in a configuration file and those that it includes; patterns are none.

    What cannot be read names nothing.
    """
    return frozenset(name for name in _names(Path(path).expanduser(), DEEPEST, set()) if HOST.fullmatch(name))


def is_known(name: str, known: frozenset[str]) -> bool:
    """Whether `HOST` or `USER@HOST` goes to one of the known machines."""
    way = by_name(name)
    return way["host"] in known and USER.fullmatch(way.get("user", "x")) is not None


def _names(path: Path, depth: int, seen: set[Path]) -> Iterator[str]:
    if depth < 0 or len(seen) >= MOST_FILES:
        return
    seen.add(path)
    for line in _lines(path):
        key, values = _split(line)
        if key == "host":
            yield from (value for value in values if not set(value) & set("*?!"))
        elif key == "include":
            for included in _included(values):
                yield from _names(included, depth - 1, seen)


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace").splitlines()
    except OSError:
        return []


def _split(line: str) -> tuple[str, list[str]]:
    """Keyword (in small letters) and arguments: `Host a b`, `host=a`, `Host "a"`."""
    text = line.strip()
    end = next((place for place, letter in enumerate(text) if letter in " \t="), len(text))
    rest = text[end:].strip().removeprefix("=")
    try:
        return text[:end].lower(), shlex.split(rest, comments=True)
    except ValueError:
        return "", []


def _included(values: list[str]) -> Iterator[Path]:
    for value in values:
        pattern = os.path.join(os.path.expanduser("~/.ssh"), os.path.expanduser(value))
        yield from (Path(found) for found in sorted(glob.glob(pattern))[:MOST_FILES])
