"""One entry of `jobs`, or a `template` with its `grid`: read into a draft, its names checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from overnight.manifest.cells import Placed
from overnight.manifest.document import Entry, ScalarNode, TableNode, inside
from overnight.manifest.fields import argument_of, check_keys, is_null, text_of
from overnight.manifest.findings import Findings, listing, suggestion
from overnight.manifest.queue.grid import Axes, count
from overnight.manifest.queue.settings import JobSettings, Settings, read_job_settings
from overnight.manifest.queue.texts import GPU, queue_text
from overnight.manifest.queue.values import (
    Argument,
    Value,
    derived,
    read_arguments,
    read_variables,
    references,
)
from overnight.manifest.settings import SourceText
from overnight.manifest.template import IDENTIFIER, Reference

TEMPLATE_KEYS = (
    "id", "cmd", "args", "expected_output", "output_check", "preconditions", "gpus_per_job", "estimate", "timeout",
    "stale_after", "skip_if_done",
)  # fmt: skip
JOB_KEYS = (*TEMPLATE_KEYS, "vars")
SYNONYMS = {
    "command": "cmd",
    "run": "cmd",
    "name": "id",
    "arguments": "args",
    "params": "args",
    "output": "expected_output",
    "outputs": "expected_output",
    "time_limit": "timeout",
    "requires": "preconditions",
    "gpus": "gpus_per_job",
}


@dataclass(frozen=True)
class Around:
    """What surrounds a job: its phase, what holds there, and the command of jobs that have none."""

    phase: str
    settings: Settings
    default_command: Placed | None


@dataclass(frozen=True)
class JobDraft:
    """Jobs made from one template, or one job; not expanded."""

    place: str
    line: int
    axes: Axes
    id: Placed
    command: Placed | None
    arguments: tuple[Argument, ...]
    output: Placed | None
    variables: Mapping[str, Value]
    """Those that its texts use."""
    settings: JobSettings
    derived: frozenset[str]
    """Arguments that follow from axes or other arguments."""
    sound: bool
    """Whether it can be expanded; else problems are noted."""

    @property
    def count(self) -> int:
        """Jobs that it stands for."""
        return count(self.axes)


def read_job(
    table: TableNode, place: str, axes: Axes, around: Around, findings: Findings, *, template: bool, sound: bool = True
) -> JobDraft:
    """The draft of a template or job; `sound` says whether its axes could be read."""
    before = len(findings)
    check_keys(table, TEMPLATE_KEYS if template else JOB_KEYS, place, findings, SYNONYMS)
    draft = JobDraft(
        place=place,
        line=table.line,
        axes=axes,
        id=_id(table, place, axes, around, findings, template=template),
        command=_command(table, place, around, findings),
        arguments=read_arguments(table.get("args"), inside(place, "args"), findings),
        output=_output(table, place, findings),
        variables=read_variables(table.get("vars"), inside(place, "vars"), around.settings.variables, findings),
        settings=read_job_settings(table, place, around.settings.job, findings),
        derived=frozenset(),
        sound=sound,
    )
    return _checked(draft, before, findings)


def _id(table: TableNode, place: str, axes: Axes, around: Around, findings: Findings, *, template: bool) -> Placed:
    """The text of the ids; without one a template's are made of the phase and the axes."""
    entry, here = table.get("id"), inside(place, "id")
    if entry is None or is_null(entry.value):
        if not template:
            findings.add(here, table.line, "the id is missing: add `id`")
        made = "".join([around.phase, *(f"_{name}${{{name}}}" for name in axes if name != GPU)])
        return queue_text(SourceText(made, here, table.line))
    text = argument_of(entry.value, here, "a text such as s${seed}", findings)
    return queue_text(SourceText(text or "", here, entry.line))


def _command(table: TableNode, place: str, around: Around, findings: Findings) -> Placed | None:
    entry, here = table.get("cmd"), inside(place, "cmd")
    if entry is None or is_null(entry.value):
        if around.default_command is None:
            message = "there is no command: add `cmd` here, or `default_cmd` at the top of the file"
            findings.add(here, table.line, message)
        return around.default_command
    return read_command(entry, here, findings)


def read_command(entry: Entry, place: str, findings: Findings) -> Placed | None:
    """The template of a command, without the line end that block texts have."""
    text = text_of(entry.value, place, "text for the shell", findings)
    if text is None:
        return None
    literal = isinstance(entry.value, ScalarNode) and entry.value.literal
    return queue_text(SourceText(text.rstrip("\n"), place, entry.value.line, literal), shell=True)


def _output(table: TableNode, place: str, findings: Findings) -> Placed | None:
    """`expected_output`, which is called `output_check` too."""
    found = [
        entry for key in ("expected_output", "output_check") if (entry := table.get(key)) and not is_null(entry.value)
    ]
    if not found:
        return None
    if len(found) == 2:
        message = "`expected_output` and `output_check` mean the same: remove one"
        findings.add(inside(place, found[1].key), found[1].line, message)
    here = inside(place, found[0].key)
    text = text_of(found[0].value, here, "the path of a file, * and ? allowed", findings)
    return None if text is None else queue_text(SourceText(text, here, found[0].line))


def _checked(draft: JobDraft, before: int, findings: Findings) -> JobDraft:
    """The draft with only the variables that it uses; notes every name that it could not resolve."""
    named = {it.key for it in draft.arguments if IDENTIFIER.fullmatch(it.key) and not it.at_launch}
    known = draft.axes.keys() | draft.variables.keys() | named
    for text, launch in _texts(draft):
        _check_text(text, known, launch, findings)
    _check_arguments(draft, findings)
    variables = _used(draft, findings)
    return replace(
        draft,
        variables=variables,
        derived=frozenset(derived(variables, draft.arguments, draft.axes)),
        sound=draft.sound and len(findings) == before,
    )


def _texts(draft: JobDraft) -> Iterable[tuple[Placed, bool]]:
    """Its texts, and whether `${GPU}` may stand there; arguments and variables apart."""
    yield draft.id, False
    if draft.command is not None:
        yield draft.command, True
    if draft.output is not None:
        yield draft.output, True
    yield from ((path, False) for path in draft.settings.preconditions)


def _check_arguments(draft: JobDraft, findings: Findings) -> None:
    """An argument may use axes, variables and the arguments above it."""
    known = draft.axes.keys() | draft.variables.keys()
    for argument in draft.arguments:
        for text, _ in argument.references:
            _check_text(text, known, True, findings)
        if not argument.at_launch:
            known = known | {argument.key}


def _used(draft: JobDraft, findings: Findings) -> dict[str, Value]:
    """Variables that the texts use, directly or through others, in order; each may use axes and those above it."""
    wanted = {one.name for text, _ in _texts(draft) for one in text.template.references}
    wanted.update(one.name for argument in draft.arguments for _, one in argument.references)
    for name, value in reversed(list(draft.variables.items())):
        if name in wanted:
            wanted.update(one.name for one in references(value))
    known = set(draft.axes)
    for name, value in draft.variables.items():
        if name in wanted and isinstance(value, Placed):
            _check_text(value, known, False, findings)
        known.add(name)
    return {name: value for name, value in draft.variables.items() if name in wanted}


def _check_text(text: Placed, known: Iterable[str], launch: bool, findings: Findings) -> None:
    for reference in text.template.references:
        if reference.at_launch:
            message = f"${{{GPU}}} is known only when a job starts: use it in `cmd`, `args` or `expected_output`"
        elif reference.name not in known:
            message = _unresolved(reference, known)
        else:
            continue
        if not (reference.at_launch and launch):
            findings.add(text.source.place, text.line_of(reference), message, topic=f"unresolved {reference.name}")


def _unresolved(reference: Reference, known: Iterable[str]) -> str:
    name, names = reference.name, sorted(known)
    return (
        f"unresolved name `{name}`{suggestion(name, names)}; known here: {listing(names, 20)}. Add it to the grid, to "
        f"`args` or as `vars: {{{name}: ...}}`; for the literal text double the braces, {{{{{name}}}}}, or the $, "
        f"$${{{name}}}"
    )
