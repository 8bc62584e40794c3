"""Answers as bytes of JSON."""

from __future__ import annotations

import json

from pydantic_core import PydanticSerializationError, to_json

from overnight.service.views import View


def encode(answer: View) -> bytes:
    """JSON in UTF-8; a number that JSON does not have becomes null, half a surrogate pair becomes `?`."""
    try:
        return to_json(answer, inf_nan_mode="null")
    except (PydanticSerializationError, UnicodeEncodeError):
        # A file name that is no UTF-8, for example.
        return json.dumps(answer, ensure_ascii=False).encode("utf-8", errors="replace")
