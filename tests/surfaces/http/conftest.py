from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.surfaces.http.harness import Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of a module."""
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running
