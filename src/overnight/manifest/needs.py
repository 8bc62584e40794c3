"""Dependencies between sweeps: as a whole, or cell by cell on parameters that both have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from overnight.domain.plan import CellPlan, SweepNeed
from overnight.manifest.document import Entry, ListNode, ScalarNode, TableNode, inside
from overnight.manifest.fields import names_of, wrong
from overnight.manifest.findings import Findings, listing, suggestion
from overnight.manifest.scalars import comparable

MAX_LINKS = 1_000_000
"""Most dependencies between single cells in one file."""

_EXPECTED = "the name of a sweep, a list of names, or {SWEEP: [parameter, ...]}"


@dataclass(frozen=True, slots=True)
class PlacedNeed:
    """A dependency and where it stands."""

    need: SweepNeed
    place: str
    line: int


def read_needs(entry: Entry | None, place: str, findings: Findings) -> tuple[PlacedNeed, ...]:
    """The dependencies that a sweep declares, unchecked against the other sweeps."""
    if entry is None:
        return ()
    node = entry.value
    if not isinstance(node, TableNode):
        names = names_of(node, place, _EXPECTED, findings) or ()
        if isinstance(node, ListNode):
            lines = [item.line for item in node.items]
            return tuple(
                PlacedNeed(SweepNeed(name), f"{place}[{index}]", line)
                for index, (name, line) in enumerate(zip(names, lines, strict=False))
            )
        return tuple(PlacedNeed(SweepNeed(name), place, entry.line) for name in names)
    needs: list[PlacedNeed] = []
    for item in node:
        here = inside(place, item.key)
        if isinstance(item.value, ScalarNode) and item.value.value == "all":
            needs.append(PlacedNeed(SweepNeed(item.key), here, item.line))
            continue
        match = _match(item, here, findings)
        if match is not None:
            needs.append(PlacedNeed(SweepNeed(item.key, match), here, item.line))
    return tuple(needs)


def _match(item: Entry, place: str, findings: Findings) -> tuple[str, ...] | None:
    if not isinstance(item.value, ListNode) or not item.value.items:
        wrong(item.value, place, "a list of parameters that both sweeps have, or `all`", findings)
        return None
    return names_of(item.value, place, "the name of a parameter", findings)


def behind_barriers(phases: Mapping[str, str], barriers: Collection[str]) -> dict[str, list[str]]:
    """What each barrier waits for: the sweeps of earlier phases. `phases`: sweep -> phase, in the order of the file."""
    earlier: list[str] = []
    found: dict[str, list[str]] = {}
    for sweep, phase in phases.items():
        if sweep in barriers:
            found[sweep] = [one for one in earlier if phases[one] != phase]
        earlier.append(sweep)
    return found


def check_graph(
    needs: Mapping[str, Sequence[PlacedNeed]],
    behind: Mapping[str, Sequence[str]],
    findings: Findings,
    *,
    noun: str = "sweep",
) -> bool:
    """Whether every needed sweep exists and none waits for itself in the end; notes what is wrong, calling each `noun`.

    `behind`: what barriers wait for, beside the needs.
    """
    before = len(findings)
    for sweep, declared in needs.items():
        for one in declared:
            if one.need.sweep not in needs:
                guess = suggestion(one.need.sweep, needs) or f"; known are {listing(needs, 20)}"
                findings.add(one.place, one.line, f"unknown {noun} `{one.need.sweep}`{guess}")
            elif one.need.sweep == sweep:
                findings.add(one.place, one.line, f"a {noun} cannot need itself: remove this")
    wanted = {sweep: [one.need.sweep for one in declared] for sweep, declared in needs.items()}
    cycles = _cycles(wanted)
    _report(cycles, needs, f"these {noun}s wait for each other: {{}}; remove one need", findings)
    if not cycles and behind:
        cycles = _cycles({sweep: [*found, *behind.get(sweep, ())] for sweep, found in wanted.items()})
        hint = f"these {noun}s wait for each other, as a barrier waits for all before it: {{}}; move what is needed up"
        _report(cycles, needs, hint, findings)
    return len(findings) == before


def _report(
    cycles: Iterable[Sequence[str]], needs: Mapping[str, Sequence[PlacedNeed]], message: str, findings: Findings
) -> None:
    """Note each cycle at the first need in it; barriers alone make none."""
    for cycle in cycles:
        steps = set(pairwise(cycle))
        first = next(one for sweep in cycle for one in needs[sweep] if (sweep, one.need.sweep) in steps)
        findings.add(first.place, first.line, message.format(" -> ".join(cycle)))


def _cycles(wanted: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """One path for each cycle that a depth-first walk meets, without recursion; self-needs are left out."""
    finished: set[str] = set()
    cycles: list[list[str]] = []
    for start in wanted:
        path: dict[str, None] = {}
        pending: list[tuple[str, bool]] = [(start, False)]
        while pending:
            sweep, leaving = pending.pop()
            if leaving:
                finished.add(path.popitem()[0])
            elif sweep in path:
                names = list(path)
                cycles.append([*names[names.index(sweep) :], sweep])
            elif sweep not in finished:
                path[sweep] = None
                pending.append((sweep, True))
                pending.extend((name, False) for name in wanted[sweep] if name in wanted and name != sweep)
    return cycles


def link_cells(
    cells: Mapping[str, Sequence[CellPlan]],
    needs: Mapping[str, Sequence[PlacedNeed]],
    single: Mapping[str, frozenset[str]],
    findings: Findings,
) -> dict[str, tuple[CellPlan, ...]]:
    """The cells with the names of those they wait for.

    A cell that has needs already named them and is left alone. `single[sweep]` are the sweeps whose run folder a
    template of `sweep` uses, so that exactly one cell must match. A sweep without cells here could not be read; what
    needs it is left as it is.
    """
    links = 0
    linked: dict[str, tuple[CellPlan, ...]] = {}
    for sweep, own in cells.items():
        open_cells = [cell for cell in own if not cell.needs]
        found: list[tuple[str, ...]] = [()] * len(open_cells)
        for one in needs[sweep]:
            others = cells.get(one.need.sweep)
            if not one.need.match or others is None:
                continue
            matches = _matches(open_cells, others, one, single[sweep], findings)
            links += sum(map(len, matches))
            if links > MAX_LINKS:
                message = f"more than {MAX_LINKS:,} dependencies between cells: match on more parameters, or need `all`"
                findings.add(one.place, one.line, message)
                return linked
            found = [(*before, *more) if before else more for before, more in zip(found, matches, strict=True)]
        names = iter(found)
        linked[sweep] = tuple(
            replace(cell, needs=more) if not cell.needs and (more := next(names)) else cell for cell in own
        )
    return linked


def _matches(
    own: Sequence[CellPlan], others: Sequence[CellPlan], one: PlacedNeed, single: frozenset[str], findings: Findings
) -> list[tuple[str, ...]]:
    """For each cell the names of the other sweep's cells that agree with it; empty when names are wrong."""
    match = one.need.match or ()
    nothing: list[tuple[str, ...]] = [()] * len(own)
    if not _have(match, own, "this sweep", one, findings) or not _have(
        match, others, f"`{one.need.sweep}`", one, findings
    ):
        return nothing
    index: dict[tuple[object, ...], list[str]] = {}
    for other in others:
        index.setdefault(_agreement(other, match), []).append(other.name)
    names = {key: tuple(value) for key, value in index.items()}
    matches = [names.get(_agreement(cell, match), ()) for cell in own]
    _check_matches(own, matches, one, one.need.sweep in single, findings)
    return matches


def _have(match: Sequence[str], cells: Sequence[CellPlan], whose: str, one: PlacedNeed, findings: Findings) -> bool:
    missing = [name for name in match if any(name not in cell.parameters for cell in cells)]
    for name in missing:
        findings.add(
            one.place,
            one.line,
            f"`{name}` is not a parameter of every cell of {whose}: match on others, or need it as a whole",
        )
    return not missing


def _check_matches(
    own: Sequence[CellPlan], matches: Sequence[tuple[str, ...]], one: PlacedNeed, single: bool, findings: Findings
) -> None:
    on, other = ", ".join(one.need.match or ()), one.need.sweep
    alone = [cell.name for cell, names in zip(own, matches, strict=True) if not names]
    if alone:
        message = f"no cell of `{other}` has the {on} of {listing(alone)}: add it there, or exclude these cells"
        findings.add(one.place, one.line, message)
    several = [cell.name for cell, names in zip(own, matches, strict=True) if len(names) > 1]
    if single and several:
        message = f"${{needs.{other}}} means one run, but several cells of `{other}` match {listing(several)} on {on}"
        findings.add(one.place, one.line, f"{message}: match on more parameters")


def _agreement(cell: CellPlan, match: Sequence[str]) -> tuple[object, ...]:
    return tuple([comparable(cell.parameters[name]) for name in match])
