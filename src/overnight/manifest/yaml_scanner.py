"""YAML's scanner with one addition: `${name}` and `text{name}` inside of braces and brackets need no quotes.

Published manifests write `args: {seed: ${seed}}`, where YAML would see a mapping begin after `$`. Only the scanner
knows for certain what is quoted, a comment or a block text, so that the addition is made here and not to the text.
"""

from __future__ import annotations

from typing import Any

from ruamel.yaml.scanner import Scanner
from ruamel.yaml.tokens import ScalarToken

_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_LATER = _FIRST | frozenset("0123456789")


class TemplateScanner(Scanner):
    """Takes `{name}` directly after a character of a plain scalar as more of it, which YAML refuses in flow context."""

    def scan_plain(self) -> Any:
        """One plain scalar token; see `Scanner.scan_plain`."""
        token = super().scan_plain()
        while self.flow_level and token.value and self.reader.index == token.end_mark.index:
            length = self._braced()
            if length == 0:
                break
            token = self._continued(token, length)
        return token

    def _braced(self) -> int:
        """Characters of the `{name}` that stands here; 0 when something else does."""
        peek = self.reader.peek
        if peek() != "{" or peek(1) not in _FIRST:
            return 0
        length = 2
        while peek(length) in _LATER:
            length += 1
        return length + 1 if peek(length) == "}" else 0

    def _continued(self, token: Any, length: int) -> Any:
        """The token with the next `length` characters and whatever of the scalar follows them."""
        text = token.value + self.reader.prefix(length)
        self.reader.forward(length)
        end = self.reader.get_mark()
        blanks = self.scan_plain_spaces(self.indent + 1, token.start_mark)
        if blanks is not None and not (blanks and self.reader.peek() == "#"):
            more = super().scan_plain()
            if more.value:
                text, end = text + "".join(blanks) + more.value, more.end_mark
        return ScalarToken(text, True, token.start_mark, end)
