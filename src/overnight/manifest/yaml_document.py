"""The nodes of a YAML text, built from the events of ruamel's scanner.

Events instead of ruamel's own trees: they carry lines, no tag can make anything run, and an alias is ours to bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from overnight.manifest.document import (
    MAX_NODES,
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
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.scalars import joined_surrogates, plain_value
from overnight.manifest.yaml_scanner import TemplateScanner

_CORE = "tag:yaml.org,2002:"
_MERGE = "<<"
_LITERAL = "|"


def read_yaml(text: str, findings: Findings) -> Node | None:
    """The root node; None for a file without content. Key problems are noted, anything worse raises Unreadable."""
    builder = _Builder(_events(text), findings)
    return builder.document()


def _events(text: str) -> Iterator[Any]:
    """Events of the text; everything that the scanner can raise becomes Unreadable with a line."""
    reader = YAML(typ="safe", pure=True)
    reader.Scanner = TemplateScanner
    events = reader.parse(text)
    try:
        yield from events
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise Unreadable(mark.line + 1 if mark else None, f"this is no valid YAML: {said}") from error
    except Exception as error:
        # ruamel answers some malformed escapes, directives and characters with bare ValueError, IndexError and others.
        line = text.count("\n", 0, max(0, getattr(error, "position", 0) or 0)) + 1
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise Unreadable(line, f"this is no valid YAML: {' '.join(str(reason).split())}") from error


class _Builder:
    """Turns events into nodes, bounded in depth and size."""

    def __init__(self, events: Iterator[Any], findings: Findings) -> None:
        self._events = events
        self._findings = findings
        self._anchors: dict[str, Node | None] = {}
        self._read = Size()

    def document(self) -> Node | None:
        root: Node | None = None
        for event in self._events:
            name = type(event).__name__
            if name in ("StreamStartEvent", "StreamEndEvent", "DocumentEndEvent", "CommentEvent"):
                continue
            if name == "DocumentStartEvent":
                if root is not None:
                    raise Unreadable(_line(event), "a second document starts here: put one campaign into one file")
                continue
            root = self._node(event, "", 0)
        return root

    def _node(self, event: Any, place: str, depth: int) -> Node:
        self._read.count(_line(event), depth)
        name = type(event).__name__
        if name == "AliasEvent":
            return self._alias(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        node = self._built(name, event, place, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _built(self, name: str, event: Any, place: str, depth: int) -> Node:
        if name == "ScalarEvent":
            return self._scalar(event)
        if name == "SequenceStartEvent":
            _check_tag(event, "seq")
            return self._list(event, place, depth)
        _check_tag(event, "map")
        return self._table(event, place, depth)

    def _alias(self, event: Any) -> Node:
        node = self._anchors.get(event.anchor)
        if node is None:
            known = event.anchor in self._anchors
            wrong = "stands inside its own anchor" if known else "has no anchor before it"
            raise Unreadable(_line(event), f"the alias `*{event.anchor}` {wrong}: write the value out")
        return node

    def _scalar(self, event: Any) -> ScalarNode:
        line = _line(event)
        try:
            text = event.value if event.value.isascii() else joined_surrogates(event.value)
        except UnicodeError as error:
            raise Unreadable(
                line, "half a character (a lone surrogate) stands here: write the whole character"
            ) from error
        tag = _tag(event)
        plain = not event.style and tag != "!"
        if tag in (None, "!"):
            value = plain_value(text) if plain else text
        elif tag == f"{_CORE}str":
            value = text
        else:
            raise Unreadable(line, f"the tag {quoted(tag)} is not read here: write the plain value")
        return ScalarNode(line, value, text, literal=event.style == _LITERAL)

    def _list(self, event: Any, place: str, depth: int) -> ListNode:
        items: list[Node] = []
        for item in self._events:
            if type(item).__name__ == "SequenceEndEvent":
                break
            items.append(self._node(item, f"{place}[{len(items)}]", depth + 1))
        return ListNode(_line(event), tuple(items), self._size(event, items))

    def _table(self, event: Any, place: str, depth: int) -> TableNode:
        entries: dict[str, Entry] = {}
        merged: list[Entry] = []
        for item in self._events:
            if type(item).__name__ == "MappingEndEvent":
                break
            key = self._key(item, place, depth)
            here = place if key is None else inside(place, key)
            value = self._node(next(self._events), here, depth + 1)
            if isinstance(value, ScalarNode) and value.source == "":
                # The scanner places a value that is not there at the next thing that is.
                value = replace(value, line=_line(item))
            if key == _MERGE:
                merged.extend(_merged(value))
            elif key is not None and key in entries:
                self._findings.add(here, _line(item), repeated_key(entries[key]))
            elif key is not None:
                entries[key] = Entry(key, _line(item), value)
        for entry in merged:
            entries.setdefault(entry.key, entry)
        size = self._size(event, [entry.value for entry in entries.values()])
        return TableNode(_line(event), tuple(entries.values()), size)

    def _key(self, event: Any, place: str, depth: int) -> str | None:
        """The text of a key; None, with a problem noted, when it is no text."""
        node = self._node(event, place, depth + 1)
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            return node.value
        shown = quoted(node.source) if isinstance(node, ScalarNode) else "this"
        self._findings.add(
            place or "(file)", _line(event), f"{shown} is a key but no text: put it into quotes or give it a name"
        )
        return None

    def _size(self, event: Any, children: list[Node]) -> int:
        size = 1 + sum(child.size for child in children)
        if size > MAX_NODES:
            raise Unreadable(
                _line(event), f"with its aliases this stands for more than {MAX_NODES:,} values: write less"
            )
        return size


def _merged(node: Node) -> list[Entry]:
    """Entries of `<<: *one` or `<<: [*one, *two]`; the first that has a key wins."""
    tables = node.items if isinstance(node, ListNode) else (node,)
    entries: list[Entry] = []
    for table in tables:
        if not isinstance(table, TableNode):
            raise Unreadable(node.line, "`<<` takes in a mapping or a list of mappings: give it an alias of one")
        entries.extend(table.entries)
    return entries


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _tag(event: Any) -> str | None:
    """The tag that was written, or None; ruamel 0.18 and later hand out a Tag object beside the older text."""
    tag = getattr(event, "tag", None)
    return None if tag is None else str(tag)


def _check_tag(event: Any, core: str) -> None:
    if _tag(event) not in (None, "!", f"{_CORE}{core}"):
        raise Unreadable(_line(event), f"the tag {quoted(_tag(event))} is not read here: write a plain list or mapping")
