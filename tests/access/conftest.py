from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.access.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A record of the test's own; after each test it must agree with itself."""
    made = Bench(tmp_path)
    yield made
    made.check()
    made.store.close()
