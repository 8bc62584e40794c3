"""Refusals of fields, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from overnight.domain.errors import InvalidRequest
from overnight.service.dispatch import parse
from overnight.service.table import BY_NAME, OPERATIONS
from overnight.service.wording import message_of


def patterns(schema: Any) -> Iterator[str]:
    """All patterns in a JSON schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        schema = list(schema.values())
    for part in schema if isinstance(schema, list) else ():
        yield from patterns(part)


ALL = sorted({it for operation in OPERATIONS for it in patterns(operation.request.model_json_schema())})


@pytest.mark.parametrize("pattern", ALL)
def test_no_refusal_shows_a_regular_expression(pattern: str) -> None:
    said = message_of({"type": "x", "loc": (), "input": "", "msg": "the usual", "ctx": {"pattern": pattern}})
    assert said.startswith("must ")
    assert "^" not in said


def test_a_refusal_of_an_order_says_which_there_are() -> None:
    with pytest.raises(InvalidRequest, match="sort: must be created, name, param:NAME or metric:NAME"):
        parse(BY_NAME["list_runs"], {"sort": "size"})
    with pytest.raises(InvalidRequest, match=r"must be one of: .*queued"):
        parse(BY_NAME["list_runs"], {"state": "dancing"})
