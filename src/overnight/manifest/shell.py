"""Where in a shell text a value may be quoted, and how.

The scanner follows just enough of the POSIX shell to know for certain whether a place is outside of quotes, inside of
'...' or inside of "...". What it does not follow (here-documents, backquotes, `$'...'`, arithmetic) it calls OPAQUE, to
the end of the text, so that its mistakes refuse a value and never let one be executed.
"""

from __future__ import annotations

import re
import shlex
from enum import Enum

_SAFE = re.compile(r"[A-Za-z0-9_./:=@%+,-]+")
_PLAIN_EXPANSION = re.compile(r"\$\{[^'\"`\\${}]*\}")
_WORD_ENDS = frozenset(" \t\n;&|()<>")
_CASE = re.compile(r"\bcase\b")


class Context(Enum):
    """What surrounds a place in a shell text."""

    PLAIN = "outside of quotes"
    SINGLE = "inside of '...'"
    DOUBLE = 'inside of "..."'
    OPAQUE = "where quotes cannot be followed"


def is_safe(value: str) -> bool:
    """Whether a value means itself anywhere in a shell text."""
    return _SAFE.fullmatch(value) is not None


def inserted(value: str, context: Context) -> str | None:
    """The characters that stand for `value` there; None where nothing certain can be written."""
    if is_safe(value):
        return value
    if context is Context.PLAIN:
        return shlex.quote(value)
    if context is Context.SINGLE:
        return value.replace("'", "'\\''")
    return re.sub(r'([\\$"`])', r"\\\1", value) if context is Context.DOUBLE else None


class ShellScanner:
    """Reads a shell text piece by piece; between pieces stand values, and `context` says what surrounds them."""

    def __init__(self, *, nests: bool = True) -> None:
        self._stack = [Context.PLAIN]
        self._opaque = False
        self._word = False
        self._escaped = False
        self._nests = nests
        self.in_comment = False
        """Whether what comes next belongs to a comment."""

    @classmethod
    def of(cls, text: str) -> ShellScanner:
        """A scanner for a text of which all literal characters are known: `case` has parentheses without a partner."""
        return cls(nests=_CASE.search(text) is None)

    @property
    def context(self) -> Context:
        """What surrounds a value that stands after everything read so far."""
        return Context.OPAQUE if self._opaque or self._escaped or self.in_comment else self._stack[-1]

    def value(self) -> None:
        """A value stands here; it is quoted as a whole and changes no context."""
        self._word = True
        self._escaped = False

    def feed(self, text: str) -> None:
        """Read the next literal piece."""
        position = 0
        while position < len(text) and not self._opaque:
            position += self._step(text, position)

    def _step(self, text: str, position: int) -> int:
        """Read one character or one construct; answers how many characters that was."""
        if self.in_comment:
            return self._in_comment(text, position)
        here = text[position]
        if self._escaped:
            self._escaped = False
            # A backslash before a line end joins the lines: the word goes on as if neither were there.
            self._word = self._word if here == "\n" else True
            return 1
        context = self._stack[-1]
        if context is Context.SINGLE:
            if here == "'":
                self._stack.pop()
            return 1
        if here == "\\":
            self._escaped = True
            return 1
        if here == "`":
            self._opaque = True
            return 1
        if here == "$":
            return self._dollar(text, position)
        return self._in_double(here) if context is Context.DOUBLE else self._in_plain(text, position)

    def _dollar(self, text: str, position: int) -> int:
        self._word = True
        following = text[position + 1 : position + 3]
        if following.startswith("{"):
            match = _PLAIN_EXPANSION.match(text, position)
            if match is not None:
                return match.end() - position
            self._opaque = True
        elif following == "((" or (following.startswith("'") and self._stack[-1] is Context.PLAIN):
            self._opaque = True
        elif following.startswith("("):
            self._opaque = not self._nests
            self._stack.append(Context.PLAIN)
            self._word = False
            return 2
        return 1

    def _in_double(self, here: str) -> int:
        if here == '"':
            self._stack.pop()
        return 1

    def _in_comment(self, text: str, position: int) -> int:
        """A comment goes on to the end of the line, whatever values stand in it."""
        end = text.find("\n", position)
        self.in_comment = end < 0
        return (len(text) if end < 0 else end) - position

    def _in_plain(self, text: str, position: int) -> int:
        here = text[position]
        if here == "#" and not self._word:
            self.in_comment = True
            return 1
        self._opaque = text.startswith("<<", position) or (here == "(" and text.startswith("((", position))
        if here in "'\"":
            self._stack.append(Context.SINGLE if here == "'" else Context.DOUBLE)
        elif here == "(":
            self._stack.append(Context.PLAIN)
        elif here == ")" and len(self._stack) > 1:
            self._stack.pop()
        self._word = here not in _WORD_ENDS
        return 1
