"""Which operation, or which stream, a method and a path mean."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from overnight.service.table import Operation
from overnight.surfaces.http.problems import Fault
from overnight.surfaces.http.wire import Answer

if TYPE_CHECKING:
    from overnight.surfaces.http.application import Application
    from overnight.surfaces.http.asking import Ask

Serve = Callable[["Application", "Ask"], Awaitable[Answer | None]]
"""Answers a request that passed the gate; None when the answer was sent already."""

REST = "{path}"
"""At the end of a path this takes all segments that are left."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation, and how HTTP serves it."""

    operation: Operation
    serve: Serve
    endless: bool = False
    """A stream: HEAD cannot ask for it."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a request means, and the fields of its path, as they were sent."""

    endpoint: Endpoint
    sent: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def operation(self) -> Operation:
        """The operation that is asked."""
        return self.endpoint.operation

    def fields(self) -> dict[str, str]:
        """The fields of the path as text; Fault when they are no UTF-8."""
        return {name: _decoded(segment) for name, segment in self.sent.items()}


@dataclass(slots=True)
class _Leaf:
    """What is at one path: an endpoint per method, and what the path's fields are called."""

    fields: tuple[str, ...]
    methods: dict[str, Endpoint] = field(default_factory=dict)


@dataclass(slots=True)
class _Node:
    """A place in the tree of segments. Segments that are written out go before those that are fields."""

    literal: dict[bytes, _Node] = field(default_factory=dict)
    any: _Node | None = None
    rest: _Leaf | None = None
    leaf: _Leaf | None = None


class Routes:
    """Finds endpoints by method and path. Fields are segments that the client percent-encodes."""

    def __init__(self) -> None:
        self._root: _Node = _Node()

    def add(self, endpoint: Endpoint) -> None:
        """Take an endpoint in; its path holds fields in braces (see `service.routes.Route`)."""
        segments = endpoint.operation.path.split("/")[1:]
        names = tuple(segment[1:-1] for segment in segments if segment.startswith("{"))
        node = self._root
        for segment in segments[:-1] if segments[-1] == REST else segments:
            node = _below(node, segment)
        if segments[-1] == REST:
            leaf = node.rest = node.rest or _Leaf(names)
        else:
            leaf = node.leaf = node.leaf or _Leaf(names)
        leaf.methods[endpoint.operation.method] = endpoint

    def find(self, method: str, path: bytes) -> Match | None:
        """What a raw path means; None when there is nothing, or not by this method (`refusal` says which)."""
        wanted = "GET" if method == "HEAD" else method
        for leaf, values in self._leaves(path):
            found = leaf.methods.get(wanted)
            if found is not None and (method == wanted or not found.endless):
                return Match(found, dict(zip(leaf.fields, values, strict=True)))
        return None

    def refusal(self, path: bytes) -> Fault:
        """Why nothing was found: 404, or 405 with the methods that there are."""
        methods = {method for leaf, _ in self._leaves(path) for method in leaf.methods}
        if not methods:
            return Fault(404, "not_found", "there is nothing at this path", next_step="See /docs for what there is.")
        allowed = ", ".join(sorted(methods))
        return Fault(
            405, "method_not_allowed", f"only {allowed} is allowed here", headers=((b"allow", allowed.encode()),)
        )

    def _leaves(self, path: bytes) -> Iterator[tuple[_Leaf, tuple[bytes, ...]]]:
        return _search(self._root, path.split(b"/")[1:], ()) if path.startswith(b"/") else iter(())


def _below(node: _Node, segment: str) -> _Node:
    if segment.startswith("{"):
        node.any = node.any or _Node()
        return node.any
    return node.literal.setdefault(segment.encode(), _Node())


def _search(node: _Node, segments: list[bytes], values: tuple[bytes, ...]) -> Iterator[tuple[_Leaf, tuple[bytes, ...]]]:
    """All leaves that fit, the most literal ones first."""
    if not segments:
        if node.leaf is not None:
            yield node.leaf, values
        return
    first, rest = segments[0], segments[1:]
    if first in node.literal:
        yield from _search(node.literal[first], rest, values)
    if node.any is not None:
        yield from _search(node.any, rest, (*values, first))
    if node.rest is not None:
        yield node.rest, (*values, b"/".join(segments))


def _decoded(segment: bytes) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise Fault(422, "invalid_request", "the path is not UTF-8", next_step="Encode it as UTF-8.") from error
