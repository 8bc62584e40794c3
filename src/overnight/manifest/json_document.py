"""The nodes of a JSON text, ten times faster than YAML's scanner would read it: agents write thousands of cells."""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder

from overnight.manifest.document import (
    Entry,
    ListNode,
    Node,
    ScalarNode,
    Size,
    TableNode,
    Unreadable,
    inside,
    repeated_key,
)
from overnight.manifest.findings import Findings
from overnight.manifest.scalars import joined_surrogates, plain_value

_BLANK = re.compile(r"[ \t\r\n]*")
_LITERAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null|NaN|-?Infinity")
_UNBOUNDED = {"NaN": ".nan", "Infinity": ".inf", "-Infinity": "-.inf"}
"""Python's own additions to JSON, in the words of YAML."""


class NotJson(Exception):
    """The text is something else; YAML may read it."""


def read_json(text: str, findings: Findings) -> Node:
    """The root node; raises NotJson for a text that is not JSON throughout, Unreadable for one beyond the bounds."""
    reader = _Reader(text, findings)
    node = reader.node("", 0)
    if reader.next_character() != "":
        raise NotJson
    return node


class _Reader:
    """Goes through the text once; `position` stands before the next thing to read."""

    def __init__(self, text: str, findings: Findings) -> None:
        self._text = text
        self._findings = findings
        self._position = 0
        self._line = 1
        self._size = Size()
        self._strings = JSONDecoder()

    def next_character(self) -> str:
        """The next character that is not blank, still unread; empty text at the end."""
        start = self._position
        if (character := self._text[start : start + 1]) > " ":
            return character
        match = _BLANK.match(self._text, start)
        self._position = match.end() if match else start
        self._line += self._text.count("\n", start, self._position)
        return self._text[self._position : self._position + 1]

    def node(self, place: str, depth: int) -> Node:
        """The value that comes next."""
        first = self.next_character()
        self._size.count(self._line, depth)
        if first == "{":
            return self._table(place, depth)
        if first == "[":
            return self._list(place, depth)
        line = self._line
        if first == '"':
            text = self._string()
            return ScalarNode(line, text, text)
        match = _LITERAL.match(self._text, self._position)
        if match is None:
            raise NotJson
        self._position = match.end()
        return ScalarNode(line, plain_value(_UNBOUNDED.get(match[0], match[0])), match[0])

    def _string(self) -> str:
        text: str
        try:
            text, self._position = self._strings.raw_decode(self._text, self._position)
        except JSONDecodeError as error:
            raise NotJson from error
        try:
            return text if text.isascii() else joined_surrogates(text)
        except UnicodeError as error:
            raise Unreadable(self._line, "half a character (a lone surrogate) stands here: write it whole") from error

    def _goes_on(self, end: str, *, first: bool) -> bool:
        """Whether another item follows in a list or mapping; reads the comma, or the end."""
        character = self.next_character()
        if character == end:
            self._position += 1
            return False
        if first:
            return True
        if character != ",":
            raise NotJson
        self._position += 1
        return True

    def _list(self, place: str, depth: int) -> ListNode:
        line = self._line
        self._position += 1
        items: list[Node] = []
        while self._goes_on("]", first=not items):
            items.append(self.node(f"{place}[{len(items)}]", depth + 1))
        return ListNode(line, tuple(items), 1 + sum(item.size for item in items))

    def _table(self, place: str, depth: int) -> TableNode:
        line = self._line
        self._position += 1
        entries: dict[str, Entry] = {}
        first = True
        while self._goes_on("}", first=first):
            first = False
            if self.next_character() != '"':
                raise NotJson
            key_line, key = self._line, self._string()
            if self.next_character() != ":":
                raise NotJson
            self._position += 1
            value = self.node(inside(place, key), depth + 1)
            if key in entries:
                self._findings.add(inside(place, key), key_line, repeated_key(entries[key]))
            else:
                entries[key] = Entry(key, key_line, value)
        return TableNode(line, tuple(entries.values()), 1 + sum(entry.value.size for entry in entries.values()))
