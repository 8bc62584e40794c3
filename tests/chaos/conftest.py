from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.plane import Plane


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[Plane]:
    """A home with 4 slots and a server on it; everything that it started is ended with the test."""
    made = Plane(tmp_path)
    try:
        made.up()
        yield made
    finally:
        made.clean()
