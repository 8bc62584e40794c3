"""Values that a template may name: axes first, then the arguments of the job, then `vars`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from overnight.domain.plan import Scalar
from overnight.manifest.cells import Placed
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, inside
from overnight.manifest.fields import parameter_of, table_of
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.queue.texts import GPU, lone_name, queue_text
from overnight.manifest.scalars import value_text
from overnight.manifest.settings import SourceText
from overnight.manifest.template import IDENTIFIER, Reference, escaped

Value = Placed | Scalar
"""A text with names in it, or what it means already."""
Known = Scalar | tuple[Scalar, ...]
"""What a name stands for in one job; several values for an argument that is a list."""


class Names(dict[str, str]):
    """The text of every name of one job; `known` has their values with their types."""

    def __init__(self, values: Mapping[str, Scalar]) -> None:
        super().__init__({name: value_text(value) for name, value in values.items()})
        self.known: dict[str, Known] = dict(values)

    def learn(self, name: str, value: Known) -> None:
        """One more name."""
        self.known[name] = value
        self[name] = known_text(value)


def known_text(value: Known) -> str:
    """The text of a value; those of a list with blanks between them."""
    return " ".join(map(value_text, value)) if isinstance(value, tuple) else value_text(value)


def read_value(node: Node, place: str, findings: Findings) -> Value:
    """One value; None, with a problem noted, for what is none."""
    read = parameter_of(node, place, findings)
    if read is None:
        return None
    value = read[0]
    if not isinstance(value, str) or "{" not in value:
        return value
    literal = isinstance(node, ScalarNode) and node.literal
    return queue_text(SourceText(value, place, node.line, literal))


def meaning(value: Value, names: Names) -> Known:
    """What a value is in one job; a placeholder alone keeps its type."""
    if not isinstance(value, Placed):
        return value
    name = lone_name(value.template)
    return value.template.final(names) if name is None else names.known[name]


def references(value: Value) -> tuple[Reference, ...]:
    """The names in a value."""
    return value.template.references if isinstance(value, Placed) else ()


def read_variables(
    entry: Entry | None, place: str, outer: Mapping[str, Value], findings: Findings
) -> Mapping[str, Value]:
    """`outer` with the `vars` of a level, which win."""
    if entry is None or (isinstance(entry.value, ScalarNode) and entry.value.value is None):
        return outer
    table = table_of(entry, place, "a mapping of names to values", findings)
    read: dict[str, Value] = {}
    for variable in table or ():
        here = inside(place, variable.key)
        if variable.key == GPU or IDENTIFIER.fullmatch(variable.key) is None:
            message = f"{quoted(variable.key)} cannot be a name: use letters, digits and _, and not {GPU}"
            findings.add(here, variable.line, message)
        read[variable.key] = read_value(variable.value, here, findings)
    return {**{name: value for name, value in outer.items() if name not in read}, **read}


@dataclass(frozen=True, slots=True)
class Argument:
    """One of a job's `args`: ` --key value` after its command."""

    key: str
    value: Value | tuple[Value, ...]
    references: tuple[tuple[Placed, Reference], ...]
    """The names in it, and the texts that they stand in."""
    at_launch: bool
    """Whether its value is known only when the job starts, so that nothing else can name it."""

    @classmethod
    def of(cls, key: str, value: Value | tuple[Value, ...]) -> Argument:
        """The argument of a value, or of several."""
        parts = value if isinstance(value, tuple) else (value,)
        found = tuple([(it, one) for it in parts if isinstance(it, Placed) for one in it.template.references])
        return cls(key, value, found, any(one.at_launch for _, one in found))

    @property
    def parts(self) -> tuple[Value, ...]:
        """Its values; one that is no list has one."""
        return self.value if isinstance(self.value, tuple) else (self.value,)

    def known(self, names: Names) -> Known:
        """What it is in one job, unless that is known at launch only."""
        if not isinstance(self.value, tuple):
            return meaning(self.value, names)
        found: list[Scalar] = []
        for part in self.value:
            value = meaning(part, names)
            found.extend(value if isinstance(value, tuple) else (value,))
        return tuple(found)

    def written(self, names: Names) -> str:
        """What is appended to the command, in a form that `launch_text` reads."""
        flag = escaped(f" {shlex.quote(f'--{self.key}')}")
        if self.at_launch:
            return flag + "".join(f" {_quoted(part, names)}" for part in self.parts)
        value = self.known(names)
        if value is True:
            return flag
        if value is False or value is None:
            return ""
        words = value if isinstance(value, tuple) else (value,)
        return flag + "".join(f" {escaped(shlex.quote(value_text(word)))}" for word in words)


def _quoted(value: Value, names: Names) -> str:
    """A value as one word of the shell in which `${GPU}` stays, outside of quotes."""
    if not isinstance(value, Placed):
        return escaped(shlex.quote(value_text(value)))
    return "".join(
        f"${{{part.name}}}"
        if isinstance(part, Reference) and part.at_launch
        else escaped(shlex.quote(names[part.name] if isinstance(part, Reference) else part))
        for part in value.template.parts
    )


def read_arguments(entry: Entry | None, place: str, findings: Findings) -> tuple[Argument, ...]:
    """The `args` of a template or job, in the order of the file."""
    if entry is None or (isinstance(entry.value, ScalarNode) and entry.value.value is None):
        return ()
    table = table_of(entry, place, "a mapping of argument names to values", findings)
    arguments: list[Argument] = []
    for item in table or ():
        here = inside(place, item.key)
        if not item.key or "\0" in item.key:
            findings.add(here, item.line, f"{quoted(item.key)} is no name of an argument: write a name")
        elif item.key.startswith("-"):
            name = item.key.lstrip("-") or "name"
            message = f"arguments are passed as --NAME: write {quoted(name)} here, or put {quoted(item.key)} into `cmd`"
            findings.add(here, item.line, message)
        arguments.append(Argument.of(item.key, _argument_value(item.value, here, findings)))
    return tuple(arguments)


def _argument_value(node: Node, place: str, findings: Findings) -> Value | tuple[Value, ...]:
    if not isinstance(node, ListNode):
        return read_value(node, place, findings)
    return tuple([read_value(item, f"{place}[{index}]", findings) for index, item in enumerate(node.items)])


def derived(variables: Mapping[str, Value], arguments: Iterable[Argument], axes: Iterable[str]) -> Iterator[str]:
    """Arguments that follow from axes or other arguments, so that they are no parameters of their own."""
    varying = set(axes)
    varying.update(name for name, value in variables.items() if any(it.name in varying for it in references(value)))
    for argument in arguments:
        if any(it.at_launch or it.name in varying for _, it in argument.references):
            yield argument.key
        varying.add(argument.key)
