from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queue.harness import Queue


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """A home of the test's own, and what a user of the queue does with it."""
    made = Queue(tmp_path)
    try:
        yield made
    finally:
        made.clean()
