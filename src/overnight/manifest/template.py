"""Text with `${name}` in it: what is replaced when a file is expanded, and what when a run is launched.

`${identifier}` and `${needs.SWEEP}` are the only templates; all else that a shell, JSON or awk would write passes
through untouched. `$${identifier}` is the literal `${identifier}`. Expansion replaces the names of a cell and keeps
launch names and escapes as they were written; values that look like templates are escaped. `launch_text` is the one
place where escapes end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from overnight.domain.errors import Refused
from overnight.manifest.shell import Context, ShellScanner, inserted, is_safe

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LAUNCH_NAMES = frozenset({"run_dir", "GPU"})
"""Names that are known only when a run is launched, beside `needs.SWEEP`."""
NEEDS = "needs."

_NAME = r"\{(?:[A-Za-z_][A-Za-z0-9_]*|needs\.[A-Za-z0-9][A-Za-z0-9_.-]*)\}"
_TEMPLATE = re.compile(rf"\$\$({_NAME})|\$({_NAME})")
_MEANT = re.compile(rf"\${_NAME}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A name to be replaced; `context` says what surrounds it in a shell text (None: no shell reads the text)."""

    name: str
    context: Context | None
    line: int = 0
    """Line ends before the reference within its text."""
    at_launch: bool = False
    """Whether the name is known only at launch."""


Part = str | Reference


class Unquotable(Exception):
    """A value cannot be written for certain where the template has it."""

    def __init__(self, name: str, value: str, context: Context) -> None:
        super().__init__(name)
        self.name = name
        self.value = value
        self.context = context


def is_launch_name(name: str) -> bool:
    """Whether `${name}` stays until launch."""
    return name in LAUNCH_NAMES or name.startswith(NEEDS)


@dataclass(frozen=True, slots=True)
class Template:
    """A text, split once into literal pieces (escapes resolved) and references."""

    source: str
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, source: str, *, shell: bool) -> Template:
        """Split a text; with `shell` every reference learns its context."""
        return cls.made(source, _split(source), shell=shell)

    @classmethod
    def made(cls, source: str, pieces: Sequence[Part], *, shell: bool) -> Template:
        """The template of a text that another dialect has split into literal pieces and references."""
        scanner = ShellScanner.of("".join(piece for piece in pieces if isinstance(piece, str))) if shell else None
        return cls(source, tuple(_located(pieces, scanner)))

    @property
    def references(self) -> tuple[Reference, ...]:
        """All references, in the order of the text."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    @property
    def constant(self) -> bool:
        """Whether every cell gets the same text."""
        return all(reference.at_launch for reference in self.references)

    @property
    def ends_in_comment(self) -> bool:
        """Whether the shell would take what is appended to the text for a part of a comment."""
        if "#" not in self.source:
            return False
        scanner = ShellScanner.of("".join(part for part in self.parts if isinstance(part, str)))
        _located(self.parts, scanner)
        return scanner.in_comment

    def expand(self, values: Mapping[str, str]) -> str:
        """The text for one cell, launch names and escapes kept; raises KeyError for a name that `values` lacks.

        Raises Unquotable where a value needs quoting that its place does not allow, or where a literal `$` would stand
        directly before a launch name, which the escape could not tell apart.
        """
        done: list[str] = []
        literal: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                literal.append(part)
            elif part.at_launch:
                done.append(_before_launch_name(literal, part))
                literal = []
            else:
                literal.append(_written(part, values[part.name]))
        done.append(escaped("".join(literal)))
        return "".join(done)

    def final(self, values: Mapping[str, str]) -> str:
        """The text with every name replaced and every escape ended, for what nothing replaces again."""
        return "".join(part if isinstance(part, str) else values[part.name] for part in self.parts)


def launch_text(text: str, names: Mapping[str, str], *, shell: bool) -> str:
    """An expanded text as it is run: launch names replaced, `$${x}` become `${x}`. To be called once.

    Keys of `names` are "run_dir", "GPU" and "needs.SWEEP". With `shell` the text is for `/bin/sh -c` and values are
    quoted to suit their place. Other `${...}` stay for the shell. Raises Refused for a launch name that `names` lacks
    or a value that cannot be quoted where it stands.
    """
    if "${" not in text:
        return text
    return "".join(
        part if isinstance(part, str) else _launched(part, names) for part in Template.of(text, shell=shell).parts
    )


def _launched(reference: Reference, names: Mapping[str, str]) -> str:
    if reference.name not in names:
        if not reference.at_launch:
            return f"${{{reference.name}}}"
        raise Refused(
            f"${{{reference.name}}} has no value for this run",
            next_step="Remove it from the command, the outputs and the environment of the sweep, and submit again",
        )
    value = names[reference.name]
    if reference.context is None:
        return value
    written = inserted(value, reference.context)
    if written is None:
        raise Refused(
            f"the value of ${{{reference.name}}} holds characters that cannot be quoted {reference.context.value}",
            next_step="Write the command as a list of arguments, or use the name outside of quotes",
        )
    return written


def _split(source: str) -> list[Part]:
    """Literal pieces and references without context."""
    pieces: list[Part] = []
    position = 0
    for match in _TEMPLATE.finditer(source):
        pieces.append(source[position : match.start()])
        escaped, name = match.groups()
        if escaped is not None:
            pieces.append(f"${escaped}")
        else:
            known_later = is_launch_name(name[1:-1])
            pieces.append(Reference(name[1:-1], None, source.count("\n", 0, match.start()), known_later))
        position = match.end()
    pieces.append(source[position:])
    return [piece for piece in pieces if piece != ""]


def _located(pieces: Sequence[Part], scanner: ShellScanner | None) -> list[Part]:
    """The pieces, neighbouring literals joined, references with their context."""
    located: list[Part] = []
    for piece in pieces:
        if isinstance(piece, Reference):
            located.append(replace(piece, context=scanner.context if scanner else None))
            if scanner:
                scanner.value()
            continue
        if scanner:
            scanner.feed(piece)
        if located and isinstance(located[-1], str):
            located[-1] += piece
        else:
            located.append(piece)
    return located


def _written(reference: Reference, value: str) -> str:
    """A parameter's characters: quoted outside of quotes; inside of them a second reader may follow, so refused."""
    if reference.context is None or is_safe(value):
        return value
    if reference.context is Context.PLAIN:
        return inserted(value, Context.PLAIN) or ""
    if value == "" and reference.context is not Context.OPAQUE:
        return ""
    raise Unquotable(reference.name, value, reference.context)


def _before_launch_name(literal: list[str], reference: Reference) -> str:
    text = escaped("".join(literal))
    if text.endswith("$"):
        raise Unquotable(reference.name, "$", Context.OPAQUE)
    return f"{text}${{{reference.name}}}"


def escaped(text: str) -> str:
    """A literal text in which nothing is a template any more."""
    return _MEANT.sub(lambda match: f"${match.group()}", text) if "${" in text else text
