from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plane import HttpServer, Plane
from tests.parts.figures import Figures

FIGURES = Figures("chaos")


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

    return FIGURES.keeper(request.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    FIGURES.tell(terminalreporter, config)
