"""Hostile text made harmless for any one line: what cannot be seen, or moves the cursor, is spelled out."""

from __future__ import annotations

import re

LONGEST = 80
"""Characters of a name or value in a sentence or table."""

# Controls (ANSI sequences begin with one), separators of lines, zero-width and direction marks, lone surrogates
# (which no encoding takes), and the code points that no character will ever have.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\uffff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def visible(text: object, most: int = LONGEST) -> str:
    """`text` on one line of at most `most` characters, unseen ones as `\\x1b` or `\\u202e`, the rest as it is.

    Markup of Markdown, HTML or a terminal library is not touched: each renderer escapes its own.
    """
    shown = _UNSEEN.sub(_spelled, str(text)[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _spelled(found: re.Match[str]) -> str:
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(found[0])
    return known.get(found[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
