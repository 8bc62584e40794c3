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
    if draft.arguments and draft.command is not None and draft.command.template.ends_in_comment:
        message = "the command ends in a comment, which would swallow the `args`: take the comment out"
        findings.add(draft.command.source.place, draft.command.source.line, message, topic="comment")
    return _checked(draft, findings)


def _id(table: TableNode, place: str, axes: Axes, around: Around, findings: Findings, *, template: bool) -> Placed:
    """The text of the ids; without one a template's are made of the phase and the axes."""
    entry, here = table.get("id"), inside(place, "id")
    if entry is None or is_null(entry.value):
        if not template:
            findings.add(here, table.line, "the id is missing: add `id`")
            return queue_text(SourceText("", here, table.line))
        made = "".join([around.phase, *(f"_{name}${{{name}}}" for name in axes if name != GPU)])
        return queue_text(SourceText(made, here, table.line))
    text = argument_of(entry.value, here, "a text such as s${seed}", findings)
    if text == "":
        findings.add(here, entry.line, "the id is empty: write a text such as s${seed}")
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


def _checked(draft: JobDraft, findings: Findings) -> JobDraft:
    """The draft with the variables that it uses; texts with names that nothing resolves are noted and left out, so that
    all else can be judged."""
    named = {it.key for it in draft.arguments if IDENTIFIER.fullmatch(it.key) and not it.at_launch}
    known = draft.axes.keys() | draft.variables.keys() | named
    variables = _used(draft, findings)
    arguments = _resolved_arguments(draft, findings)
    right = {id(text) for text, launch in _texts(draft) if _resolves(text, known, launch, findings)}
    paths = tuple(path for path in draft.settings.preconditions if id(path) in right)
    return replace(
        draft,
        command=draft.command if id(draft.command) in right else None,
        output=draft.output if id(draft.output) in right else None,
        settings=replace(draft.settings, preconditions=paths),
        arguments=arguments,
        variables=variables,
        derived=frozenset(derived(variables, arguments, draft.axes)),
        sound=draft.sound and id(draft.id) in right and draft.id.source.text != "",
    )


def _texts(draft: JobDraft) -> Iterable[tuple[Placed, bool]]:
    """Its texts, and whether `${GPU}` may stand there; arguments and variables apart."""
    yield draft.id, False
    if draft.command is not None:
        yield draft.command, True
    if draft.output is not None:
        yield draft.output, True
    yield from ((path, False) for path in draft.settings.preconditions)


def _resolved_arguments(draft: JobDraft, findings: Findings) -> tuple[Argument, ...]:
    """An argument may use axes, variables and the arguments above it."""
    known = draft.axes.keys() | draft.variables.keys()
    resolved: list[Argument] = []
    for argument in draft.arguments:
        right = [_resolves(text, known, True, findings) for text, _ in argument.references]
        resolved.append(argument if all(right) else Argument.of(argument.key, None))
        if not argument.at_launch:
            known = known | {argument.key}
    return tuple(resolved)


def _used(draft: JobDraft, findings: Findings) -> dict[str, Value]:
    """Variables that the texts use, directly or through others, in order; each may use axes and those above it."""
    wanted = {one.name for text, _ in _texts(draft) for one in text.template.references}
    wanted.update(one.name for argument in draft.arguments for _, one in argument.references)
    chosen: set[str] = set()
    for name, value in reversed(list(draft.variables.items())):
        if name in wanted:
            chosen.add(name)
            wanted.update(one.name for one in references(value))
    known = set(draft.axes)
    used: dict[str, Value] = {}
    for name, value in draft.variables.items():
        if name in chosen:
            right = not isinstance(value, Placed) or _resolves(value, known, False, findings)
            used[name] = value if right else None
        known.add(name)
    return used


def _resolves(text: Placed, known: Iterable[str], launch: bool, findings: Findings) -> bool:
    """Whether every name in a text is known; notes those that are not. `launch` allows `${GPU}`."""
    before = len(findings)
    for reference in text.template.references:
        if reference.at_launch:
            message = f"${{{GPU}}} is known only when a job starts: use it in `cmd`, `args` or `expected_output`"
        elif reference.name not in known:
            message = _unresolved(reference, known)
        else:
            continue
        if not (reference.at_launch and launch):
            findings.add(text.source.place, text.line_of(reference), message, topic=f"unresolved {reference.name}")
    return len(findings) == before


def _unresolved(reference: Reference, known: Iterable[str]) -> str:
    name, names = reference.name, sorted(known)
    return (
        f"unresolved name `{name}`{suggestion(name, names)}; known here: {listing(names, 20)}. Add it to the grid, to "
        f"`args` or as `vars: {{{name}: ...}}`; for the literal text double the braces, {{{{{name}}}}}, or the $, "
        f"$${{{name}}}"
    )
