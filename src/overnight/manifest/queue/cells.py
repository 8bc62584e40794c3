"""The jobs of a draft: ids, commands, outputs and preconditions written for every combination of the axes."""

from __future__ import annotations

import re

from overnight.domain.plan import CellPlan, Scalar
from overnight.manifest.axes import described
from overnight.manifest.cells import MAX_WRITTEN, Placed, Room
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.queue.grid import combinations
from overnight.manifest.queue.jobs import JobDraft
from overnight.manifest.queue.settings import JobSettings
from overnight.manifest.queue.texts import GPU
from overnight.manifest.queue.values import Names, known_text, meaning
from overnight.manifest.template import Unquotable

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
"""What an id, and the name of a phase, may be."""
ID_RULE = "begin with a letter or digit, then letters, digits, _ . -, 128 at most"


def expand(draft: JobDraft, outer: JobSettings, room: Room, findings: Findings) -> list[CellPlan]:
    """The cells of a sound draft; `outer` is what the sweep says for all, which a cell does not repeat."""
    cells: list[CellPlan] = []
    for axes in combinations(draft.axes):
        cell = _cell(draft, axes, outer, findings)
        if not room.take((str(cell.command), *cell.outputs, *cell.requires)):
            message = f"the texts of all jobs together exceed {MAX_WRITTEN:,} characters: move them into a file"
            findings.add(draft.place, draft.line, message)
            return []
        cells.append(cell)
    return cells


def _cell(draft: JobDraft, axes: dict[str, Scalar], outer: JobSettings, findings: Findings) -> CellPlan:
    names = _names(draft, axes)
    own = draft.settings
    return CellPlan(
        name=_id(draft, names, axes, findings),
        parameters=_parameters(draft, axes, names),
        command=_command(draft, names, findings),
        outputs=() if draft.output is None else (_written(draft.output, names, findings),),
        line=draft.line,
        requires=tuple([_final(path, names, findings) for path in own.preconditions]),
        skip_if_done=own.skip_if_done,
        time_limit=_other(own.timeout, outer.timeout),
        estimate=_other(own.estimate, outer.estimate),
        stale_after=_other(own.stale_after, outer.stale_after),
    )


def _other(own: float | None, outer: float | None) -> float | None:
    """What a cell says for itself; None when that is what its sweep says."""
    return None if own == outer else own


def _names(draft: JobDraft, axes: dict[str, Scalar]) -> Names:
    """Every name of one job: an axis wins over an argument, that over a variable."""
    names = Names(axes)
    for name, value in draft.variables.items():
        if name not in axes:
            names.learn(name, meaning(value, names))
    for argument in draft.arguments:
        if argument.key not in axes and not argument.at_launch:
            names.learn(argument.key, argument.known(names))
    return names


def _parameters(draft: JobDraft, axes: dict[str, Scalar], names: Names) -> dict[str, Scalar]:
    """The axes, and the arguments that do not follow from them; a list is written out as text."""
    parameters = dict(axes)
    for argument in draft.arguments:
        if argument.key not in axes and argument.key not in draft.derived:
            value = names.known[argument.key]
            parameters[argument.key] = known_text(value) if isinstance(value, tuple) else value
    return parameters


def _id(draft: JobDraft, names: Names, axes: dict[str, Scalar], findings: Findings) -> str:
    name = draft.id.template.final(names)
    if JOB_ID.fullmatch(name) is None:
        of = f" (of {described(axes)})" if axes else ""
        message = f"{quoted(name)}{of} is no id: {ID_RULE}"
        findings.add(draft.id.source.place, draft.id.source.line, message, topic="id")
    return name


def _command(draft: JobDraft, names: Names, findings: Findings) -> str:
    command = "" if draft.command is None else _written(draft.command, names, findings)
    return command + "".join([argument.written(names) for argument in draft.arguments])


def _final(text: Placed, names: Names, findings: Findings) -> str:
    """A path in which nothing is replaced any more."""
    path = text.template.final(names)
    if not path.strip():
        findings.add(
            text.source.place, text.source.line, f"the path {quoted(path)} is empty: name a file", topic="path"
        )
    return path


def _written(text: Placed, names: Names, findings: Findings) -> str:
    try:
        return text.template.expand(names)
    except Unquotable as problem:
        lines = [text.line_of(one) for one in text.template.references if one.name == problem.name]
        findings.add(text.source.place, lines[0], _unquotable(problem), topic=f"unquotable {problem.name}")
        return ""


def _unquotable(problem: Unquotable) -> str:
    if problem.name == GPU:
        return f"a $ stands directly before ${{{GPU}}}: put a character between them"
    return (
        f"`{problem.name}` stands {problem.context.value}, where {quoted(problem.value)} cannot be quoted safely: "
        "take it out of the quotes, or pass it in `args`"
    )
