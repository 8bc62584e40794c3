"""Commands and paths of a file, with where they stand."""

from __future__ import annotations

from overnight.manifest.document import Entry, ListNode, Node, ScalarNode
from overnight.manifest.fields import argument_of, is_passable, text_of, wrong
from overnight.manifest.findings import Findings
from overnight.manifest.variables import SourceText


def read_command(entry: Entry | None, place: str, line: int, findings: Findings) -> SourceText | tuple[SourceText, ...]:
    """A text for the shell, or arguments; no arguments with a problem noted."""
    if entry is None:
        findings.add(place, line, "the command is missing: add `command`")
        return ()
    node = entry.value
    if isinstance(node, ListNode):
        return _arguments(node, entry.line, place, findings)
    text = text_of(node, place, "text for the shell, or a list of arguments", findings)
    return () if text is None else source_text(text, node, place)


def _arguments(node: ListNode, line: int, place: str, findings: Findings) -> tuple[SourceText, ...]:
    if not node.items:
        findings.add(place, line, "the list of arguments is empty: name a program")
    arguments: list[SourceText] = []
    for index, item in enumerate(node.items):
        here = f"{place}[{index}]"
        text = argument_of(item, here, 'a single value ("" for an empty argument)', findings)
        if text == "" and index == 0:
            findings.add(here, item.line, "the first argument is empty: name a program")
        elif text is not None:
            arguments.append(source_text(text, item, here))
    return tuple(arguments)


def read_paths(entry: Entry | None, place: str, findings: Findings) -> list[SourceText]:
    """Paths of files, one or a list; whether they are well placed is known only after expansion."""
    if entry is None:
        return []
    items = entry.value.items if isinstance(entry.value, ListNode) else (entry.value,)
    paths: list[SourceText] = []
    for index, item in enumerate(items):
        here = f"{place}[{index}]" if isinstance(entry.value, ListNode) else place
        if not isinstance(item, ScalarNode) or not isinstance(item.value, str):
            wrong(item, here, "the path of a file", findings)
        elif is_passable(item.value, item.line, here, findings):
            paths.append(source_text(item.value, item, here))
    return paths


def source_text(text: str, node: Node, place: str) -> SourceText:
    """A text with its place and line."""
    return SourceText(text, place, node.line, isinstance(node, ScalarNode) and node.literal)
