"""Cursors of listings: opaque texts that say after which row the next page starts.

They name a place in the order, not a number of rows, so that every row comes exactly once while others are added.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from overnight.domain.errors import InvalidRequest
from overnight.service.requests import LARGEST

Key = float | str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the order, what its last row is sorted by (None = nothing), and that row's `seq`."""

    order: str
    key: Key
    seq: int


def written(place: Place) -> str:
    """A place as a cursor."""
    text = json.dumps([place.order, place.key, place.seq], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def read(cursor: str, order: str) -> Place:
    """A cursor as a place; InvalidRequest when it is not one of ours, or of another order."""
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = json.loads(data)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _foreign() from error
    if not isinstance(found, list) or len(found) != 3 or not _is_place(*found):
        raise _foreign()
    place = Place(*found)
    if place.order != order:
        raise InvalidRequest(
            f"cursor: it belongs to a listing sorted by {place.order[:100]!r}, this one is sorted by {order!r}",
            place="cursor",
            next_step="Ask for the next page as for the first one, with nothing changed but the cursor.",
        )
    return place


def _is_place(order: Any, key: Any, seq: Any) -> bool:
    return (
        isinstance(order, str) and isinstance(key, int | float | str | None) and type(seq) is int and 0 <= seq < LARGEST
    )


def _foreign() -> InvalidRequest:
    return InvalidRequest(
        "cursor: this is no cursor of this listing", place="cursor", next_step="Send `next_cursor` as it came."
    )
