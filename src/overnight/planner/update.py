"""What a newer version of a campaign's file changes of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from overnight.domain.states import PENDING_RUN

PENDING = PENDING_RUN
"""States in which a run may still be changed: nothing of it runs, and it has not ended."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a file says of a run."""

    sweep: str
    config: str
    """Canonical JSON."""
    workdir: str
    needs: frozenset[str]
    """Names of the runs that it needs."""
    whole: frozenset[str]
    """Names of the sweeps that its sweep needs as a whole."""


@dataclass(frozen=True, slots=True)
class Known:
    """A run that the campaign has, and what was said of it so far."""

    id: str
    state: str
    said: Said


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of runs."""

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: tuple[str, ...]
    untouched: tuple[str, ...]
    """Running or ended; the file says them differently, or has them no more."""


def changes_of(known: Mapping[str, Known], wanted: Mapping[str, Said]) -> Changes:
    """Compare what the campaign has with what its file says now, both by name."""
    pending = {name for name, run in known.items() if run.state in PENDING}
    added = wanted.keys() - known.keys()
    removed = pending - wanted.keys()
    stays = known.keys() & wanted.keys()
    same = {name for name in stays if _is_same(known[name], wanted[name], name in pending)}
    replaced = (stays & pending) - same
    told = removed | same | replaced
    return Changes(
        added=tuple(name for name in wanted if name in added),
        replaced=tuple(name for name in wanted if name in replaced),
        removed=tuple(name for name in known if name in removed),
        unchanged=tuple(name for name in wanted if name in same),
        untouched=tuple(name for name in known if name not in told),
    )


def _is_same(run: Known, said: Said, pending: bool) -> bool:
    """For a run that runs or has ended, only what it executes counts: what it had to wait for is past."""
    if pending:
        return run.said == said
    return (run.said.config, run.said.workdir) == (said.config, said.workdir)
