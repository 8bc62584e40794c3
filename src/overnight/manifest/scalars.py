"""Plain scalars by the YAML 1.2 core schema, and the text that a value becomes."""

from __future__ import annotations

import re

from overnight.domain.plan import Scalar

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER = re.compile(
    r"(?P<whole>[-+]?[0-9]+)"
    r"|(?P<based>0o[0-7]+|0x[0-9a-fA-F]+)"
    r"|(?P<real>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<infinite>[-+]?\.(?:inf|Inf|INF))"
    r"|(?P<undefined>\.(?:nan|NaN|NAN))"
)
LONGEST_NUMBER = 400
"""Characters of the longest number that is read; a longer one is text that happens to consist of digits."""


def plain_value(text: str) -> Scalar:
    """What an unquoted scalar means: nothing, true or false, a number, or text. May be infinite or NaN."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > LONGEST_NUMBER:
        return text
    match = _NUMBER.fullmatch(text)
    if match is None:
        return text
    if match.lastgroup == "whole":
        return int(text)
    if match.lastgroup == "based":
        return int(text, 0)
    return float(text) if match.lastgroup == "real" else float(text.replace(".", "", 1))


def joined_surrogates(text: str) -> str:
    """Text whose `\\ud83d\\ude00` escapes are one character, as JSON means them.

    Raises UnicodeError for half a pair, which no file and no process argument can hold.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def value_text(value: Scalar) -> str:
    """How a value is written into a command: `true`, `false` and `null` as in YAML, floats by repr, text as it is."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def comparable(value: Scalar) -> object:
    """A key under which values are the same parameter: 1 equals 1.0, but neither equals true or the text "1"."""
    return (value,) if isinstance(value, bool) else value
