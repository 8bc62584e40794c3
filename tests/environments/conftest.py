"""What the tests of environments share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.environments.harness import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Folders whose names no shell may see bare."""
    made = Site(tmp_path / "work 'dir'", tmp_path / "run $dir", tmp_path / "home")
    for folder in (made.workdir, made.folder, made.home):
        folder.mkdir()
    return made
