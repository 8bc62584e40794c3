"""The cells of one sweep: names, commands, outputs and environments written from its templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.plan import CellPlan
from overnight.manifest.axes import Axes, ParameterSet, described
from overnight.manifest.findings import Findings, listing, quoted
from overnight.manifest.scalars import value_text
from overnight.manifest.settings import SourceText
from overnight.manifest.template import LAUNCH_NAMES, NEEDS, Reference, Template, Unquotable, is_launch_name

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

    def texts(self) -> Iterable[tuple[Placed, str]]:
        """Every template that is written out, with the kind of place it stands in; variables apart."""
        if self.name is not None:
            yield self.name, "name"
        yield from ((part, "shell" if self.in_shell else "argument") for part in self.command)
        yield from ((part, "output") for part in self.outputs)
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


_HINTS = {
    "shell": "write $NAME or $${{NAME}} to leave it to the shell",
    "argument": "no shell reads a list of arguments; write $${{NAME}} for the literal text",
    "output": "write $${{NAME}} for the literal text",
    "env": "variables of the server are not read here; write $${{NAME}} for the literal text",
    "name": "add it to the parameters or to `vars`",
    "variable": "a variable may use parameters and the variables above it",
}


def check_names(templates: CellTemplates, axes: Axes, needed: frozenset[str], findings: Findings) -> None:
    """Note every name that some cell could not resolve; `needed` are the sweeps matched cell by cell."""
    known = {*templates.variables, *templates.built_in, *axes.names}
    for part, where in templates.texts():
        _check_text(part, where, templates.sweep, axes, known, needed, findings)
    above = {*templates.built_in, *axes.names}
    used = frozenset(templates.used_variables())
    own = f"sweeps.{templates.sweep}."
    for name, part in templates.variables.items():
        if name in used or part.source.place.startswith(own):
            _check_text(part, "variable", templates.sweep, axes, above, needed, findings)
        above.add(name)


def _check_text(
    part: Placed, where: str, sweep: str, axes: Axes, known: set[str], needed: frozenset[str], findings: Findings
) -> None:
    for reference in part.template.references:
        name, line = reference.name, part.line_of(reference)
        if is_launch_name(name):
            message = _launch_problem(name, where, needed)
        elif name not in known:
            hint = _HINTS[where].replace("NAME", name).replace("{{", "{").replace("}}", "}")
            message = f"unresolved name ${{{name}}} in sweep `{sweep}`: known are {listing(sorted(known), 20)}; {hint}"
        elif name in axes.names and name not in axes.everywhere and name not in known - set(axes.names):
            message = f"${{{name}}} is not a parameter of every cell of sweep `{sweep}`: give it to each of `cells`"
        else:
            continue
        if message:
            findings.add(part.source.place, line, message)


def _launch_problem(name: str, where: str, needed: frozenset[str]) -> str:
    """What is wrong with a name of the launch here; empty text when nothing is."""
    if where in ("name", "variable"):
        return f"${{{name}}} is known only when a run starts: use it in `command`, `outputs` or `env`"
    if where == "output" and name != "run_dir":
        return f"${{{name}}} cannot be part of an output: only ${{run_dir}} can, at the beginning"
    if name in LAUNCH_NAMES or name.removeprefix(NEEDS) in needed:
        return ""
    sweep = name.removeprefix(NEEDS)
    return f"${{{name}}} means one run of `{sweep}` for each cell: add `needs: {{{sweep}: [parameter, ...]}}` here"


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
        words = [_expanded(part, values, findings) for part in templates.command]
        outputs = tuple([_expanded(part, values, findings) for part in templates.outputs])
        if not room.take((*words, *outputs, *(() if shared else env.values()))):
            message = f"the texts of all cells together exceed {MAX_WRITTEN:,} characters: move them into a file"
            findings.add(f"sweeps.{templates.sweep}", axes.line, message)
            return []
        shared = env if fixed_env else None
        cells.append(
            CellPlan(
                name=_name(templates, axes, one, values, findings),
                parameters=one.parameters,
                command=words[0] if templates.in_shell else tuple(words),
                outputs=outputs,
                env=env,
                line=one.line,
            )
        )
    return cells


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
    name = _FOREIGN.sub("_", raw)
    if CELL_NAME.fullmatch(name) is None:
        findings.add(
            place,
            line,
            f"the cell with {described(one.parameters)} would be called {quoted(name)}: give the sweep a `name` that "
            "begins with a letter or digit and has at most 128 characters",
            topic="cell name",
        )
    return name
