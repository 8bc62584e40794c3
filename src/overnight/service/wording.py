"""What is wrong with a field, in words: a regular expression tells nobody what to send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from pydantic_core import ErrorDetails

from overnight.domain.plan import TARGET_NAME

WORDS: Mapping[str, str] = MappingProxyType(
    {
        r"^[^\x00]+$": "must not be empty or have a NUL character",
        r"^[^\x00]*$": "must not have a NUL character",
        r"^[^\x00=]+$": "must be a text without `=`",
        r"^[^\x00=]+(=[^\x00]*)?$": "must be NAME, or NAME=VALUE",
        r"^[0-9A-Za-z_-]+$": "must be the next_cursor of the page before, as it came",
        r"^r[0-9a-f]{1,15}$": "must be the X-Next-Cursor of the page before, as it came",
        r"^-?(created|name|(param|metric):[^\x00]+)$": (
            "must be created, name, param:NAME or metric:NAME; with - before it the largest come first"
        ),
        r"^[A-Za-z0-9][A-Za-z0-9._@-]*$": "must begin with a letter or digit, and have only those and . _ @ -",
        r"^[a-z_]+(\.([a-z_]+|\*))?$": "must be a word such as settled, or a kind of event, as run.fail or run.*",
        r"^[\x21-\x7e]+$": "must be printable ASCII without blanks",
        rf"^{TARGET_NAME}$": "must begin with a letter, digit or _, and have only those and . @ : % -",
    }
)
"""Pattern of a request's field -> what it asks for. The tests know when one is missing."""
_ONE_OF = re.compile(r"\^\(([a-z_|]+)\)\$")


def message_of(error: ErrorDetails) -> str:
    """What is wrong; of an error of Pydantic with its context."""
    pattern = str(error.get("ctx", {}).get("pattern", ""))
    words = _ONE_OF.fullmatch(pattern)
    if words:
        return f"must be one of: {words[1].replace('|', ', ')}"
    return WORDS.get(pattern, error["msg"])
