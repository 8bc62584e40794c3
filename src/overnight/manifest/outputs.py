"""Outputs: where they may lie, and which of them two runs would both write.

Two outputs collide when they are equal paths, when a pattern matches a path, or when two patterns can match one path.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.plan import CellPlan
from overnight.manifest.cells import Placed
from overnight.manifest.findings import Findings, listing, quoted
from overnight.manifest.patterns import Index, Pattern, meet
from overnight.manifest.variables import SourceText

MAX_COMPARISONS = 20_000
"""Most pairs of patterns that are compared character by character."""
ENOUGH = 100
"""Collisions after which no more are looked for."""
MAX_GROUPS = 5
"""So many collisions of one place are written out; the rest are counted."""

_RUN_DIR = "${run_dir}"


@dataclass(frozen=True, slots=True)
class Output:
    """One output of one cell, as an absolute path or pattern."""

    path: str
    cell: CellPlan
    source: SourceText


def check_places(outputs: Iterable[Placed], findings: Findings) -> None:
    """Note outputs that lie where they must not whatever the parameters are."""
    for part in outputs:
        if part.template.constant:
            _is_well_placed(part.source.text, part.source, findings)


def resolve_outputs(
    cells: Sequence[CellPlan], outputs: Sequence[Placed], workdir: str, findings: Findings
) -> list[Output]:
    """Every output that lies outside of the run's own folder; notes those that lie where they must not."""
    sources = [part.source for part in outputs]
    return resolve_placed(((cell, sources) for cell in cells), workdir, findings)


def resolve_placed(
    cells: Iterable[tuple[CellPlan, Sequence[SourceText]]], workdir: str, findings: Findings
) -> list[Output]:
    """The same for cells that have a place for each of their outputs."""
    resolved: list[Output] = []
    for cell, sources in cells:
        for text, source in zip(cell.outputs, sources, strict=True):
            # `$${x}` is still escaped here; two texts are equal exactly when what they stand for is equal.
            if _is_well_placed(text, source, findings) and not text.startswith(_RUN_DIR):
                resolved.append(Output(posixpath.normpath(posixpath.join(workdir, text)), cell, source))
    return resolved


def _is_well_placed(text: str, source: SourceText, findings: Findings) -> bool:
    problem = _misplaced(text)
    if problem:
        findings.add(source.place, source.line, f"the output {quoted(text)} {problem}", topic=problem)
    return not problem


def _misplaced(text: str) -> str:
    """What is wrong with the place of an output; empty text when nothing is."""
    if not text.strip():
        return "is empty: name a file"
    if "\0" in text:
        return "has a NUL character: remove it"
    own = text.startswith(_RUN_DIR)
    rest = text.removeprefix(_RUN_DIR) if own else text
    if own and rest and not rest.startswith("/"):
        return "goes on after ${run_dir} without a /: add one"
    if _RUN_DIR in rest.replace(f"${_RUN_DIR}", ""):
        return "has ${run_dir} in the middle: it is a whole path, so put it at the beginning"
    # An absolute path is meant as it stands; only relative ones and the run's own folder can be left by "..".
    relative = (
        posixpath.normpath(rest.lstrip("/") or ".") if own or not rest.startswith("/") else posixpath.normpath(rest)
    )
    if relative == ".." or relative.startswith("../"):
        return f"leaves the {'run folder' if own else 'working directory'} through ..: name a file inside"
    return "is a folder, not a file: name the file in it" if relative in (".", "/", "//") else ""


def check_collisions(outputs: Sequence[Output], findings: Findings) -> None:
    """Note every two cells that would write the same file."""
    writers: dict[str, dict[int, Output]] = {}
    for output in outputs:
        writers.setdefault(output.path, {}).setdefault(id(output.cell), output)
    groups = [list(cells.values()) for cells in writers.values() if len(cells) > 1]
    _report(groups, findings)
    first = [next(iter(cells.values())) for cells in writers.values()]
    patterns = [(Pattern.of(output.path), output) for output in first]
    if any(pattern.wild for pattern, _ in patterns):
        _check_patterns(patterns, writers, findings)


def _report(groups: Iterable[Sequence[Output]], findings: Findings) -> None:
    """One problem for each group at a place, the first few of them."""
    counts: dict[str, list[Sequence[Output]]] = {}
    for group in groups:
        counts.setdefault(group[-1].source.place, []).append(group)
    for place, found in counts.items():
        for group in found[:MAX_GROUPS]:
            cells = listing(output.cell.name for output in group)
            others = listing(dict.fromkeys(it.source.place for it in group if it.source.place != place))
            also = "" if others == "nothing" else f" (also {others})"
            paths = " and ".join(quoted(path) for path in dict.fromkeys(output.path for output in group))
            same = "the same file" if len({output.path for output in group}) == 1 else "files that can be the same:"
            message = f"{cells} write {same} {paths}{also}: name the output by what tells the cells apart"
            findings.add(place, group[-1].source.line, message)
        if len(found) > MAX_GROUPS:
            message = f"{len(found) - MAX_GROUPS:,} more outputs collide in the same way"
            findings.add(place, found[-1][-1].source.line, message)


def _check_patterns(
    patterns: Sequence[tuple[Pattern, Output]], writers: Mapping[str, Mapping[int, Output]], findings: Findings
) -> None:
    """Compare the patterns whose literal beginnings and ends allow that they match one path."""
    groups: list[Sequence[Output]] = []
    index: Index[Output] = Index()
    compared = 0
    for pattern, output in patterns:
        for other, others in index.like(pattern):
            compared += 1
            if _two_cells(writers[others.path], writers[output.path]) and meet(pattern, other):
                groups.append((others, output))
        if compared > MAX_COMPARISONS and not groups:
            message = "too many outputs with patterns to compare: begin or end each with what tells the cells apart"
            findings.add(output.source.place, output.source.line, message)
        if compared > MAX_COMPARISONS or len(groups) > ENOUGH:
            break
        index.add(pattern, output)
    _report(groups, findings)


def _two_cells(one: Mapping[int, Output], other: Mapping[int, Output]) -> bool:
    """Whether the outputs belong to two cells; those of one cell may meet."""
    return len(one.keys() | other.keys()) > 1
