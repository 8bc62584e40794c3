"""Which devices a run of the Wild V2 protocol gets, and how many of them may be live. Pure. Source: the protocol, 2.4
and 2.5."""

from __future__ import annotations

import re

_QUIET = re.compile(r"\s++|#[^\n]*+|(?:cd|set|source|\.|module|ulimit|umask)\s[^;&|\n\"'`$()]*+(?:&&|;|\n)")
"""What may stand before the pin: nothing that starts something, and nothing quoted."""
_WORD = re.compile(r"(?:export|env)\s++")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*+)=(?:'([^'\n]*+)'|\"([^\"\n]*+)\"|([^\s;&|\"'`()]*+))(?=[\s;&|]|$)\s*+")
_END = re.compile(r"(?:&&|;)?\s*+")
LONGEST_INDEX = 6
"""Digits of an index that is believed to be one."""


def pinned(command: str) -> tuple[int, ...] | None:
    """The GPUs that a command chooses for itself, by `CUDA_VISIBLE_DEVICES=0,1 …` (also behind `export`, `env`, other
    assignments or a `cd`) at its beginning; () = none of them. None = it leaves the choice to us, or names GPUs in a
    way that only the driver understands (by UUID, through a variable)."""
    place = _after_quiet(command, 0)
    word = _WORD.match(command, place)
    while found := _ASSIGNMENT.match(command, word.end() if word else place):
        if found[1] == "CUDA_VISIBLE_DEVICES":
            return _positions(next((text for text in found.groups()[1:] if text is not None), ""))
        place = found.end()
        if word:
            place = _after_quiet(command, _END.match(command, place).end())  # type: ignore[union-attr]
            word = _WORD.match(command, place)
    return None


def _after_quiet(command: str, place: int) -> int:
    while found := _QUIET.match(command, place):
        place = found.end()
    return place


def _positions(text: str) -> tuple[int, ...] | None:
    found: list[int] = []
    for part in (part.strip() for part in text.split(",")) if text.strip() else ():
        if part.startswith("-"):
            break  # CUDA sees the devices before an invalid one, and none after it
        if not (part.isascii() and part.isdigit() and len(part) <= LONGEST_INDEX):
            return None
        found.append(int(part))
    return tuple(dict.fromkeys(found))
