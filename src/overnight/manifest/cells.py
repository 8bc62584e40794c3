"""The cells of one sweep: names, commands, outputs and environments written from its templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.plan import CellPlan, Scalar, Smaller
from overnight.manifest.axes import Axes, ParameterSet, described
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.scalars import comparable, value_text
from overnight.manifest.template import Reference, Template, Unquotable, is_launch_name
from overnight.manifest.variables import SourceText

CELL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{0,127}")
_FOREIGN = re.compile(r"[^A-Za-z0-9_.=-]")


MAX_WRITTEN = 128 * 1024 * 1024
"""Most characters of commands, outputs and variables that one file may unfold into."""


class Room:
    """How much may still be written for the cells of one file."""

    def __init__(self, characters: int = MAX_WRITTEN) -> None:
        self._left = characters

    def take(self, texts: Iterable[str]) -> bool:
        """Whether these texts still fit."""
        self._left -= sum(map(len, texts))
        return self._left >= 0


@dataclass(frozen=True, slots=True)
class Placed:
    """A template and where it stands in the file."""

    template: Template
    source: SourceText

    def line_of(self, reference: Reference) -> int:
        """The line of a reference, exact for block texts."""
        return self.source.line + (reference.line + 1 if self.source.literal else 0)


def placed(source: SourceText, *, shell: bool = False) -> Placed:
    """The template of a text."""
    return Placed(Template.of(source.text, shell=shell), source)


@dataclass(frozen=True)
class CellTemplates:
    """What is written anew for each cell of a sweep."""

    sweep: str
    campaign: str
    name: Placed | None
    command: tuple[Placed, ...]
    in_shell: bool
    outputs: tuple[Placed, ...]
    env: Mapping[str, Placed]
    variables: Mapping[str, Placed]
    requires: tuple[Placed, ...] = ()
    smaller: tuple[Mapping[str, Scalar], ...] = ()
    """Parameters that are changed, in this order, when device memory does not suffice."""
    skip_if_done: bool = False

    def texts(self) -> Iterable[tuple[Placed, str]]:
        """Every template that is written out, with the kind of place it stands in; variables apart."""
        if self.name is not None:
            yield self.name, "name"
        yield from ((part, "shell" if self.in_shell else "argument") for part in self.command)
        yield from ((part, "output") for part in self.outputs)
        yield from ((part, "requires") for part in self.requires)
        yield from ((part, "env") for part in self.env.values())

    @property
    def built_in(self) -> dict[str, str]:
        """Names that every cell has."""
        return {"campaign": self.campaign, "sweep": self.sweep}

    def used_variables(self) -> list[str]:
        """Variables that some text of this sweep uses, directly or through another, in the order they are given."""
        used = {reference.name for part, _ in self.texts() for reference in part.template.references}
        for name, part in reversed(list(self.variables.items())):
            if name in used:
                used.update(reference.name for reference in part.template.references)
        return [name for name in self.variables if name in used]


def write_cells(
    templates: CellTemplates, axes: Axes, sets: Sequence[ParameterSet], room: Room, findings: Findings
) -> list[CellPlan]:
    """One cell for each parameter set, also where problems are noted. All names must have been checked."""
    variables = {name: templates.variables[name] for name in templates.used_variables()}
    fixed_env = all(part.template.constant for part in templates.env.values())
    shared: dict[str, str] | None = None
    cells: list[CellPlan] = []
    for one in sets:
        values = _values(templates, variables, one)
        env = shared if shared is not None else _written_env(templates, values, findings)
        command = _written_command(templates, values, findings)
        outputs = tuple([_expanded(part, values, findings) for part in templates.outputs])
        requires = _required(templates, values, findings)
        smaller = _smaller(templates, variables, one, findings)
        texts = (*_words(command), *outputs, *requires, *(word for rung in smaller for word in _words(rung.command)))
        if not room.take((*texts, *(() if shared else env.values()))):
            message = f"the texts of all cells together exceed {MAX_WRITTEN:,} characters: move them into a file"
            findings.add(f"sweeps.{templates.sweep}", axes.line, message)
            return []
        shared = env if fixed_env else None
        cells.append(
            CellPlan(
                name=_name(templates, axes, one, values, findings),
                parameters=one.parameters,
                command=command,
                outputs=outputs,
                env=env,
                line=one.line,
                requires=requires,
                skip_if_done=templates.skip_if_done,
                smaller=smaller,
            )
        )
    return cells


def written_for_all(templates: CellTemplates, findings: Findings) -> dict[str, str]:
    """The variables of a sweep without parameters. All names must have been checked."""
    variables = {name: templates.variables[name] for name in templates.used_variables()}
    return _written_env(templates, _values(templates, variables, ParameterSet({}, 0)), findings)


def legal_name(text: str) -> str:
    """A text with `_` for every character that names of cells cannot have."""
    return _FOREIGN.sub("_", text)


def _words(command: str | tuple[str, ...]) -> tuple[str, ...]:
    return (command,) if isinstance(command, str) else command


def _written_command(templates: CellTemplates, values: Mapping[str, str], findings: Findings) -> str | tuple[str, ...]:
    words = [_expanded(part, values, findings) for part in templates.command]
    return words[0] if templates.in_shell else tuple(words)


def _required(templates: CellTemplates, values: Mapping[str, str], findings: Findings) -> tuple[str, ...]:
    """The paths that a cell requires, as they are looked up: nothing replaces anything in them again."""
    paths = tuple([part.template.final(values) for part in templates.requires])
    for path, part in zip(paths, templates.requires, strict=True):
        if not path.strip():
            findings.add(part.source.place, part.source.line, "a required path is empty: name a file", topic="empty")
    return paths


def _smaller(
    templates: CellTemplates, variables: Mapping[str, Placed], one: ParameterSet, findings: Findings
) -> tuple[Smaller, ...]:
    """The smaller settings that change anything about this cell, with what they change."""
    written: list[Smaller] = []
    for rung in templates.smaller:
        own = one.parameters
        changed = {name: value for name, value in rung.items() if comparable(own[name]) != comparable(value)}
        if changed:
            values = _values(templates, variables, ParameterSet({**own, **changed}, one.line))
            command = _written_command(templates, values, findings)
            written.append(Smaller(changed, command, _written_env(templates, values, findings)))
    return tuple(written)


def _values(templates: CellTemplates, variables: Mapping[str, Placed], one: ParameterSet) -> dict[str, str]:
    """The text of every name of a cell; a parameter wins over a variable of its name."""
    values = templates.built_in
    values.update({name: value_text(value) for name, value in one.parameters.items()})
    for name, part in variables.items():
        if name not in one.parameters:
            values[name] = part.template.final(values)
    return values


def _written_env(templates: CellTemplates, values: Mapping[str, str], findings: Findings) -> dict[str, str]:
    return {name: _expanded(part, values, findings) for name, part in templates.env.items()}


def _expanded(part: Placed, values: Mapping[str, str], findings: Findings) -> str:
    try:
        return part.template.expand(values)
    except Unquotable as problem:
        reference = next(found for found in part.template.references if found.name == problem.name)
        topic = f"unquotable {problem.name}"
        findings.add(part.source.place, part.line_of(reference), _unquotable(problem), topic=topic)
        return ""


def _unquotable(problem: Unquotable) -> str:
    if is_launch_name(problem.name):
        return f"a value that ends in $ stands directly before ${{{problem.name}}}: put a character between them"
    return (
        f"${{{problem.name}}} stands {problem.context.value}, where {quoted(problem.value)} cannot be quoted safely: "
        "take it out of the quotes, or write the command as a list of arguments"
    )


def _name(
    templates: CellTemplates, axes: Axes, one: ParameterSet, values: Mapping[str, str], findings: Findings
) -> str:
    """The name of a cell; characters that names cannot have become `_`."""
    if templates.name is None:
        pairs = [f"-{name}{values[name]}" for name in one.parameters]
        raw = templates.sweep + "".join(pairs)
        place, line = f"sweeps.{templates.sweep}", axes.line
    else:
        raw = templates.name.template.final(values)
        place, line = templates.name.source.place, templates.name.source.line
    name = legal_name(raw)
    if CELL_NAME.fullmatch(name) is None:
        findings.add(
            place,
            line,
            f"the cell with {described(one.parameters)} would be called {quoted(name)}: give the sweep a `name` that "
            "begins with a letter or digit and has at most 128 characters",
            topic="cell name",
        )
    return name
