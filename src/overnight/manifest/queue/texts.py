"""Text of the queue's manifests: `${name}` and `{name}` are replaced; `$${name}` and `{{name}}` are literal.

Other braces stay as they are. `${GPU}` is the one name that is known only at launch, so that it is kept.
"""

from __future__ import annotations

import re

from overnight.manifest.cells import Placed
from overnight.manifest.settings import SourceText
from overnight.manifest.template import Part, Reference, Template

GPU = "GPU"
"""The name that stays until launch: the assigned devices, separated by commas."""

_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_TEXT = re.compile(rf"\$(\$\{{{_NAME}\}})|\{{(\{{{_NAME}\}})\}}|\$?\{{({_NAME})\}}")


def queue_text(source: SourceText, *, shell: bool = False) -> Placed:
    """The template of a text; with `shell` it is for `/bin/sh` and knows where values can be quoted."""
    pieces = _split(source.text)
    read_by_shell = shell and any(isinstance(piece, Reference) for piece in pieces)
    return Placed(Template.made(source.text, pieces, shell=read_by_shell), source)


def lone_name(template: Template) -> str | None:
    """The name of a text that is nothing but one placeholder, whose value keeps its type; None for any other."""
    if len(template.parts) != 1 or isinstance(template.parts[0], str):
        return None
    reference = template.parts[0]
    return None if reference.at_launch else reference.name


def _split(text: str) -> list[Part]:
    if "{" not in text:
        return [text] if text else []
    pieces: list[Part] = []
    position = 0
    for match in _TEXT.finditer(text):
        pieces.append(text[position : match.start()])
        literal = match[1] or match[2]
        if literal is not None:
            pieces.append(literal)
        else:
            pieces.append(Reference(match[3], None, text.count("\n", 0, match.start()), match[3] == GPU))
        position = match.end()
    pieces.append(text[position:])
    return [piece for piece in pieces if piece != ""]
