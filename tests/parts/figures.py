"""Figures that long tests keep: for the summary at the end of the run, and as JSON in pytest's cache."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Keep = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Figures:
    """Those of one folder of tests; `NAME.json` in the cache."""

    name: str
    _key: pytest.StashKey[dict[str, Mapping[str, Any]]] = field(default_factory=pytest.StashKey)

    def keeper(self, config: pytest.Config) -> Keep:
        """Keeps the figures of one test under its name."""

        def keep(test: str, figures: Mapping[str, Any]) -> None:
            kept = config.stash.setdefault(self._key, {})
            kept[test] = figures
            if cache := getattr(config, "cache", None):
                path = Path(cache.mkdir("overnight"), f"{self.name}.json")
                path.write_text(json.dumps(kept, indent=1), encoding="utf-8")

        return keep

    def tell(self, reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Print them, if there are any."""
        figures = config.stash.get(self._key, {})
        if figures:
            reporter.section(self.name)
        for test, found in figures.items():
            reporter.line(f"{test}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
