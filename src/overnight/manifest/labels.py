"""Labels of other dialects as names of our own."""

from __future__ import annotations

import re

_FOREIGN = re.compile(r"[^A-Za-z0-9 _.-]")


def legal_name(text: str, default: str, most: int = 128) -> str:
    """A text as a name: other characters become `_`, at most `most`; `default` when nothing is left."""
    return _FOREIGN.sub("_", text).lstrip(" _.-")[:most].rstrip() or default
