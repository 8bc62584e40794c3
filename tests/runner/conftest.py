from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runner.harness import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A running runner; everything that it started is ended with the test."""
    made = Bench(tmp_path)
    made.up()
    try:
        yield made
    finally:
        made.clean()
