"""A sweep of a native file that was read but not expanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from overnight.domain.plan import CellPlan, SweepPlan
from overnight.manifest.axes import Axes, described
from overnight.manifest.cells import CellTemplates, Placed, placed
from overnight.manifest.needs import PlacedNeed
from overnight.manifest.runs import WrittenRun
from overnight.manifest.settings import Settings
from overnight.manifest.variables import SourceText


@dataclass(frozen=True)
class SweepDraft:
    """A sweep that was read but not expanded."""

    name: str
    line: int
    settings: Settings
    axes: Axes
    templates: CellTemplates
    needs: tuple[PlacedNeed, ...]
    parallel: int | None
    phase: str
    barrier: bool
    runs: tuple[WrittenRun, ...] | None
    """The runs as they are written out; None for a sweep with a template."""
    sound: bool
    """Whether it can be expanded; else problems are noted."""

    @property
    def count(self) -> int:
        """Cells before anything is excluded."""
        return self.axes.count if self.runs is None else len(self.runs)

    @property
    def place(self) -> str:
        """Where the sweep stands in the file."""
        return f"sweeps.{self.name}"

    @property
    def name_source(self) -> SourceText:
        """Where the names of its cells come from."""
        named = self.templates.name
        return named.source if named else SourceText("", self.place, self.line)

    @staticmethod
    def variables_of(settings: Settings) -> dict[str, Placed]:
        """The variables of settings as templates."""
        return {name: placed(source) for name, source in settings.variables.items()}

    def describe(self, cell: CellPlan) -> str:
        """A cell by its sweep and parameters, for a sentence."""
        if self.runs is not None:
            return f"{self.name}: line {cell.line}"
        return f"{self.name}: {described(cell.parameters)}"

    def plan(self, cells: Sequence[CellPlan], needs: Sequence[PlacedNeed]) -> SweepPlan:
        """The sweep with its cells, which are some, and all that it needs."""
        return SweepPlan(
            name=self.name,
            cells=tuple(cells),
            workdir=self.settings.workdir,
            needs=tuple(one.need for one in needs),
            need=self.settings.need,
            retry=replace(self.settings.retry, smaller=max(len(cell.smaller) for cell in cells)),
            environment=self.settings.environment,
            time_limit=self.settings.time_limit,
            grace=self.settings.grace,
            parallel=self.parallel,
            priority=self.settings.priority,
            replicates=self.settings.replicates,
            phase=self.phase,
            barrier=self.barrier,
            targets=self.settings.targets,
            mirror=self.settings.mirrors,
            exclude=self.settings.exclude,
            on_disconnect=self.settings.on_disconnect,
            lease=self.settings.lease,
            secrets=tuple(self.settings.secrets.items()),
            estimate=self.settings.estimate,
            stale_after=self.settings.stale_after,
            hang=self.settings.hang,
            precondition_wait=self.settings.precondition_wait,
            breaker=self.settings.breaker,
        )
