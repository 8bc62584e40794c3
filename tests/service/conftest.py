from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A record of the test's own; after each test it must agree with itself."""
    made = Desk(tmp_path)
    yield made
    made.check()
    made.store.close()
