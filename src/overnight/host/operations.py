"""What a server may ask of this host, by name: `host.…`. Each answers with values for JSON, or with one error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from overnight.domain.errors import Rejected, Unavailable
from overnight.host import files
from overnight.host.code import Code
from overnight.host.copies import Busy
from overnight.host.facts import gather
from overnight.host.gpus import Gpus
from overnight.host.inventory import Inventories
from overnight.host.listing import CopyError
from overnight.host.place import Place, archive_of
from overnight.host.reading import read
from overnight.runner.complaint import complain_of_exception
from overnight.targets.doing import doing

PREFIX = "host."
"""How the names of all of them begin."""

Operation = Callable[..., Mapping[str, Any]]


class Operations:
    """The table, for one home."""

    def __init__(self, place: Place) -> None:
        gpus, inventories = Gpus(place.runner), Inventories()
        code = Code(place.code, archive_of(__file__))
        self._table: dict[str, Operation] = {
            **files.operations(),
            "host.offers": gpus.offers,
            "host.doing": lambda pid: {"doing": doing(pid)},
            "host.facts": lambda paths=(), check=None: {"facts": gather(place, paths, check)},
            "host.inventory": inventories.ask,
            "host.read": read,
            "host.code_have": code.have,
            "host.code_begin": code.begin,
            "host.code_commit": code.commit,
        }

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to a request. Never raises: one that fails is answered with an error, and nothing else ends."""
        fields = {name: value for name, value in request.items() if name not in ("id", "op")}
        try:
            return {"id": request.get("id"), "ok": True, **self._operation(request)(**fields)}
        except Exception as error:
            return {"id": request.get("id"), "ok": False, "error": {"code": _code(error), "message": str(error)}}

    def _operation(self, request: Mapping[str, Any]) -> Operation:
        try:
            return self._table[str(request.get("op"))]
        except KeyError:
            raise Rejected(f"this host knows no operation {request.get('op')!r}") from None


def _code(error: Exception) -> str:
    """What an error means to who asked: `rejected` never works, `unavailable` may work later."""
    if isinstance(error, (Rejected, CopyError)):
        return "rejected"
    if isinstance(error, Busy):
        return "busy"
    if isinstance(error, (OSError, Unavailable)):
        return "unavailable"
    if isinstance(error, (TypeError, ValueError, KeyError)):
        return "bad_request"
    complain_of_exception()
    return "internal"
