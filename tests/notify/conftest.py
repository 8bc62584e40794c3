from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notify.listener import Listener, listening
from tests.surfaces.cli.harness import Home


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of the test's own; every process of it is ended with the test."""
    made = Home(tmp_path)
    made.path.mkdir()
    try:
        yield made
    finally:
        made.clean()
