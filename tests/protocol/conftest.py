from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol.harness import Protocol, protocol


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Protocol]:
    """One server for all tests of a file."""
    with protocol(tmp_path_factory.mktemp("wild") / "home") as it:
        yield it


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Protocol]:
    """A server of its own, for what counts runs or ends it."""
    with protocol(tmp_path / "home") as it:
        yield it


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Protocol]:
    """A server that refuses runs without attribution."""
    with protocol(tmp_path_factory.mktemp("strict") / "home", "[wild_v2]\nstrict = true\n") as it:
        yield it
