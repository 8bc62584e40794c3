"""The description of the API says what is served."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from overnight.surfaces.http.docs import page
from overnight.surfaces.http.endpoints import ENDPOINTS
from overnight.surfaces.http.openapi import document
from overnight.surfaces.http.shapes import Shapes


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document()


def operations(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {it["operationId"]: it for methods in described["paths"].values() for it in methods.values()}


def test_every_endpoint_is_described_with_its_answer_its_verb_and_its_refusals(described: dict[str, Any]) -> None:
    found = operations(described)
    for endpoint in ENDPOINTS:
        it, route = found[endpoint.operation.name], endpoint.operation.route
        (content,) = it["responses"][str(route.status)]["content"].items()
        assert content == ("text/event-stream", {"schema": {"type": "string"}}) or content[1]["schema"].keys() & {
            "$ref", "items", "anyOf", "oneOf",
        }, route.name  # fmt: skip
        assert it["x-overnight-verb"] == route.verb
        assert {"401", "403", "404", "409", "422", "429", "503"} <= it["responses"].keys()
        assert (it.get("security") == []) == route.public


def test_names_of_operations_and_parameters_are_used_once(described: dict[str, Any]) -> None:
    names = [it["operationId"] for methods in described["paths"].values() for it in methods.values()]
    assert len(names) == len(set(names))
    for it in operations(described).values():
        places = Counter((parameter["in"], parameter["name"]) for parameter in it["parameters"])
        assert set(places.values()) <= {1}, it["operationId"]


def test_every_field_of_a_path_is_a_required_parameter_of_it(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        fields = {segment[1:-1] for segment in path.split("/") if segment.startswith("{")}
        for it in methods.values():
            named = {part["name"] for part in it["parameters"] if part["in"] == "path" and part["required"]}
            assert named == fields, path


def test_fields_of_the_path_and_the_query_are_not_in_the_body(described: dict[str, Any]) -> None:
    joining = described["paths"]["/runs/{id}/add-to-sweep"]["post"]
    assert [part["name"] for part in joining["parameters"] if part["in"] == "query"] == ["sweep_id"]
    assert joining["requestBody"]["content"]["application/json"]["schema"]["properties"] == {}
    start = described["paths"]["/sweeps/{id}/start"]["post"]
    assert [part["name"] for part in start["parameters"] if part["in"] == "query"] == ["parallel"]


def test_no_name_tells_of_modules(described: dict[str, Any]) -> None:
    assert [name for name in described["components"]["schemas"] if "__" in name] == []
    assert "RunView" in described["components"]["schemas"]
    assert "WildRunView" in described["components"]["schemas"]


def test_classes_of_one_name_keep_their_own_schemas() -> None:
    from overnight.service.answers.things import RunView
    from overnight.service.wild.views import RunView as WildRunView

    shapes = Shapes({"native": RunView, "wild": list[WildRunView]})
    assert shapes.of("wild")["items"] == {"$ref": "#/components/schemas/WildRunView"}
    assert "gpuwrap_config" in shapes.named["WildRunView"]["properties"]
    assert "gpuwrap_config" not in shapes.resolved("native")["properties"]


def test_the_page_lists_every_operation() -> None:
    text = page()[0].decode()
    assert [it.operation.name for it in ENDPOINTS if f"id='{it.operation.name}'" not in text] == []
