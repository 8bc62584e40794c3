from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.site import Site
from tests.parts.hosts import Rack

FIGURES = pytest.StashKey[dict[str, Mapping[str, Any]]]()


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

    def keep(name: str, figures: Mapping[str, Any]) -> None:
        kept = request.config.stash.setdefault(FIGURES, {})
        kept[name] = figures
        if cache := getattr(request.config, "cache", None):
            Path(cache.mkdir("overnight"), "hosts.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash.get(FIGURES, {})
    if figures:
        terminalreporter.section("hosts")
    for name, found in figures.items():
        terminalreporter.line(f"{name}: " + ", ".join(f"{key} {value}" for key, value in found.items()))
