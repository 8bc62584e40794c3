from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.surfaces.cli.harness import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of the test's own that does not exist yet; every process of it is ended with the test."""
    made = Home(tmp_path)
    try:
        yield made
    finally:
        made.clean()
