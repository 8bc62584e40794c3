from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.site import Site
from tests.parts.figures import Figures
from tests.parts.hosts import Rack

FIGURES = Figures("hosts")


@pytest.fixture
def names() -> Sequence[str]:
    """What the hosts are called."""
    return ("box1", "box2")


@pytest.fixture
def rack(tmp_path: Path, names: Sequence[str]) -> Iterator[Rack]:
    """Hosts, all of them up."""
    folder = tmp_path / "rack"
    folder.mkdir()
    with Rack(folder, *names) as made:
        yield made


@pytest.fixture
def site(tmp_path: Path, rack: Rack) -> Iterator[Site]:
    """A server that has all hosts and this machine as targets; everything that it started is ended with the test."""
    made = Site(tmp_path, rack)
    try:
        made.up()
        yield made
    finally:
        made.clean()


@pytest.fixture
def record_hosts(request: pytest.FixtureRequest) -> Callable[[str, Mapping[str, Any]], None]:
    """Keep figures for the summary at the end and for `hosts.json` in pytest's cache."""

    return FIGURES.keeper(request.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    FIGURES.tell(terminalreporter, config)
