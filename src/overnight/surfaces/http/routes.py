"""Which operation a method and a path mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from overnight.service.table import Operation
from overnight.surfaces.http.problems import Fault

ID = b"{id}"


@dataclass(frozen=True, slots=True)
class Match:
    """An operation and the `{id}` of the path, if it has one."""

    operation: Operation
    id: str | None = None


@dataclass(slots=True)
class Routes:
    """Finds operations by path. A path has at most one `{id}`, which is one segment, percent-encoded by the client."""

    _whole: dict[bytes, dict[str, Operation]] = field(default_factory=dict)
    _with_id: dict[tuple[bytes, bytes], dict[str, Operation]] = field(default_factory=dict)

    def add(self, operation: Operation) -> None:
        """Take an operation in."""
        before, found, after = operation.path.encode().partition(ID)
        methods = self._with_id.setdefault((before, after), {}) if found else self._whole.setdefault(before, {})
        methods[operation.method] = operation

    def find(self, method: str, path: bytes) -> Match:
        """The operation of a raw path; Fault 404 or 405 when there is none."""
        methods, thing = self._methods(path)
        operation = methods.get("GET" if method == "HEAD" else method)
        if operation is not None:
            return Match(operation, thing)
        if not methods:
            raise Fault(404, "not_found", "there is nothing at this path", next_step="See /docs for what there is.")
        allowed = ", ".join(sorted(methods))
        raise Fault(
            405, "method_not_allowed", f"only {allowed} is allowed here", headers=((b"allow", allowed.encode()),)
        )

    def _methods(self, path: bytes) -> tuple[dict[str, Operation], str | None]:
        whole = self._whole.get(path)
        if whole is not None:
            return whole, None
        parts = path.split(b"/", 4)
        if len(parts) < 4:
            return {}, None
        before = b"/".join(parts[:3]) + b"/"
        after = b"/" + parts[4] if len(parts) == 5 else b""
        return self._with_id.get((before, after), {}), _decoded(parts[3])


def _decoded(segment: bytes) -> str:
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise Fault(422, "invalid_request", "the path is not UTF-8", next_step="Encode it as UTF-8.") from error
