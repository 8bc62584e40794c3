import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plane import HttpServer, Plane

FIGURES = pytest.StashKey[dict[str, Mapping[str, Any]]]()


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """A home with 4 slots and a server on it; everything that it started is ended with the test."""
    made = Plane(tmp_path)
    try:
        made.up()
        yield made
    finally:
        made.clean()


@pytest.fixture
def http_plane(tmp_path: Path) -> Iterator[Plane]:
    """As `plane`, with `overnight up` as its server."""
    made = Plane(tmp_path, kind=HttpServer)
    try:
        made.up()
        yield made
    finally:
        made.clean()


@pytest.fixture
def record_chaos(request: pytest.FixtureRequest) -> Callable[[str, Mapping[str, Any]], None]:
    """Keep figures for the summary at the end and for `chaos.json` in pytest's cache."""

    def keep(name: str, figures: Mapping[str, Any]) -> None:
        kept = request.config.stash.setdefault(FIGURES, {})
        kept[name] = figures
        if cache := getattr(request.config, "cache", None):
            Path(cache.mkdir("overnight"), "chaos.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash.get(FIGURES, {})
    if figures:
        terminalreporter.section("chaos")
    for name, found in figures.items():
        terminalreporter.line(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
