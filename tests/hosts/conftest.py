from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.hosts import Rack


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    """Two hosts, box1 and box2."""
    folder = tmp_path / "rack"
    folder.mkdir()
    with Rack(folder, "box1", "box2") as made:
        yield made
