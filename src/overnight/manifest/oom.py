"""`oom`: smaller settings that a sweep declares for its runs that lack device memory."""

from __future__ import annotations

from collections.abc import Mapping

from overnight.domain.plan import Scalar
from overnight.manifest.axes import Axes, read_sets
from overnight.manifest.document import Entry, inside
from overnight.manifest.fields import check_keys, table_of
from overnight.manifest.findings import Findings, listing


def read_smaller(entry: Entry | None, place: str, axes: Axes, findings: Findings) -> tuple[Mapping[str, Scalar], ...]:
    """What each setting changes, in the order in which they are tried; notes names that some cell lacks."""
    table = None if entry is None else table_of(entry, place, "{smaller: [{parameter: value}, ...]}", findings)
    if table is None:
        return ()
    check_keys(table, ("smaller",), place, findings)
    here = inside(place, "smaller")
    sets = read_sets(table.get("smaller"), here, findings)
    for index, one in enumerate(sets):
        for name in sorted(one.parameters.keys() - axes.everywhere):
            known = listing(sorted(axes.everywhere), 20)
            message = f"`{name}` is not a parameter of every cell of this sweep: change one of {known}"
            findings.add(f"{here}[{index}].{name}", one.line, message)
    return tuple(one.parameters for one in sets)
