from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A machine of this test's own."""
    made = Box(tmp_path)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A machine for the tests of a module, which leave nothing behind."""
    made = Box(tmp_path_factory.mktemp("box"))
    try:
        yield made
    finally:
        made.end()
