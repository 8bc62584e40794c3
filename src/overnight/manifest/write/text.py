"""YAML as people write it, from values: block style outside, flow style where a line suffices.

Whatever is written is read back as the same value by any reader of YAML 1.2, and by common ones of 1.1 too: text that
could be taken for anything else stands in quotes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from overnight.manifest.scalars import plain_value

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]

WIDTH = 120
"""Characters of a line up to which lists and mappings stand on one line."""

_FLOW = re.compile(r"[A-Za-z_./][A-Za-z0-9_./=@+%-]*|[0-9]+(?:[dhms]|MiB)")
"""Texts that need no quotes anywhere; among those that begin with a digit only durations and sizes."""
_BLOCK = re.compile(rf"[A-Za-z_./$][ -~]*|{_FLOW.pattern}")
"""Texts that need none where they end with the line, unless they hold what `_MARKS` finds."""
_MARKS = re.compile(r": | #|:$| $")
_LINES = re.compile(r"[!-~](?:[ -~]*[!-~])?(?:\n(?:[ -~]*[!-~])?)*\n?")
"""Texts of several lines that a block can hold; the first line must not begin with a blank."""
_OLD_WORDS = frozenset(("yes", "no", "on", "off"))
"""Words that YAML 1.1 took for true and false."""


class Block(dict[str, Value]):
    """A mapping that is always written one key a line."""


def yaml(values: Mapping[str, Value]) -> str:
    """The text of a file."""
    return "\n".join(_entries(values, "")) + "\n"


def _entries(values: Mapping[str, Value], indent: str) -> Iterator[str]:
    for key, value in values.items():
        yield from _entry(f"{indent}{_quoted_unless(_FLOW, key)}:", value, indent)


def _entry(head: str, value: Value, indent: str) -> Iterator[str]:
    """One value behind its key."""
    if isinstance(value, str):
        yield from _text(head, value, indent)
        return
    line = f"{head} {flow(value)}"
    if not isinstance(value, Block) and (len(line) <= WIDTH or not isinstance(value, list | dict)):
        yield line
    elif isinstance(value, dict):
        yield head
        yield from _entries(value, f"{indent}  ")
    elif isinstance(value, list):
        yield head
        yield from _items(value, f"{indent}  ")


def _items(values: list[Value], indent: str) -> Iterator[str]:
    for value in values:
        line = f"{indent}- {flow(value)}"
        if isinstance(value, dict) and len(line) > WIDTH:
            first, *rest = _entries(value, f"{indent}  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield line


def _text(head: str, value: str, indent: str) -> Iterator[str]:
    """A text behind its key: plain, as a block of lines, or in quotes."""
    if "\n" in value and _LINES.fullmatch(value) and not value.endswith("\n\n"):
        yield f"{head} |" if value.endswith("\n") else f"{head} |-"
        yield from (f"{indent}  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    elif _MARKS.search(value):
        yield f"{head} {_quotes(value)}"
    else:
        yield f"{head} {_quoted_unless(_BLOCK, value)}"


def flow(value: Value) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted_unless(_FLOW, key)}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return _quoted_unless(_FLOW, value)
    return repr(value) if isinstance(value, float) else json.dumps(value)


def _quoted_unless(pattern: re.Pattern[str], text: str) -> str:
    plain = pattern.fullmatch(text) is not None and text.lower() not in _OLD_WORDS
    return text if plain and plain_value(text) == text and not text.startswith("...") else _quotes(text)


def _quotes(text: str) -> str:
    """The text as JSON writes it; characters that YAML does not allow, or that nobody sees, by their number."""
    written = json.dumps(text, ensure_ascii=False)
    return written if written.isascii() and "\x7f" not in written else "".join(map(_visible, written))


def _visible(character: str) -> str:
    code = ord(character)
    if code < 0x7F or (character.isprintable() and code < 0x10000):
        return character
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
