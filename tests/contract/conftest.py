"""One PostgreSQL for all contract tests; every test gets a database of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

pytest.register_assert_rewrite("overnight.testing.store_contract", "overnight.testing.store_probes")

from tests.parts.postgres import PostgresServer  # noqa: E402 - after the rewrite is registered


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """Fast, not safe: durability is tested on a server of its own."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def new_database(postgres_server: PostgresServer) -> Callable[[], str]:
    """Makes an empty database; returns its URL."""
    numbers = itertools.count()
    return lambda: postgres_server.create_database(f"test_{next(numbers)}")
