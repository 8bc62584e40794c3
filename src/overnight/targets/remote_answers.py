"""What another machine answered, as values. Pure; raises KeyError, TypeError, ValueError … for what makes no sense."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

from overnight.domain.metrics import MOST_METRICS
from overnight.targets import believed
from overnight.targets.base import Artifact, Evidence, Offer, Progress, Room

Fields = Mapping[str, Any]

LONGEST_TEXT = 64 * 1024
"""Characters of one text that are believed."""
LARGEST_COUNT = 2**62
"""Bytes, files and the like: databases hold 63 bits."""
MOST_DEVICES = 4096
"""Devices of one machine."""
MOST_WORDS = 100
"""Texts of one kind that the evidence of an attempt may have: they become one sentence."""


class Page(NamedTuple):
    """Part of the list of what an attempt left; `working`: bytes hashed so far while there is no list yet."""

    files: list[dict[str, Any]]
    next: int | None
    working: int | None


class Begun(NamedTuple):
    """What a host lacks of a frozen copy: positions of files, where rsync may put them there (None = it has none), and
    the command that takes in a stream of them."""

    missing: tuple[int, ...]
    tree: str | None
    unpack: tuple[str, ...]


def begun(fields: Fields) -> Begun:
    """See `Begun`."""
    unpack = tuple(raw(it) for it in fields["unpack"])
    return Begun(counts(fields["missing"]), maybe(fields["tree"], raw), unpack)


def counts(values: Any) -> tuple[int, ...]:
    """A list of whole numbers."""
    return tuple(count(it) for it in values)


def raw(value: Any) -> str:
    """A text as it came: bytes of a path that are no UTF-8 stand in it as lone surrogates."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise TypeError("no text, or a very long one")
    return value


def text(value: Any) -> str:
    """A text that may go on record."""
    return believed.text(raw(value))


def texts(values: Any) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(text(it) for it in values)


def truth(value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise TypeError("neither true nor false")
    return value


def count(value: Any) -> int:
    """A whole number from 0 on."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise ValueError("no count")
    return value


def moment(value: Any) -> float:
    """A time, in seconds."""
    found = float(value)
    if not math.isfinite(found):
        raise ValueError("no time")
    return found


def maybe(value: Any, read: Any) -> Any:
    """None, or what `read` makes of it."""
    return None if value is None else read(value)


def piece(fields: Fields, offset: int, limit: int) -> tuple[bytes, int]:
    """Bytes, at most `limit`, and where the next request continues, which is never before they end."""
    data, following = base64.b64decode(fields["data"], validate=True), count(fields["next"])
    if len(data) > limit or (offset >= 0 and data and following < len(data)):
        raise ValueError("more bytes than were asked for")
    return data, following


def room(fields: Fields) -> Room:
    """See `Room`."""
    names = ("free_bytes", "free_inodes", "total_bytes", "total_inodes")
    return Room(text(fields["path"]), *(maybe(fields[name], count) for name in names))


def progress(fields: Fields) -> Progress:
    """See `Progress`."""
    log_at, files_at = (maybe(fields[name], moment) for name in ("log_at", "files_at"))
    return Progress(count(fields["log_size"]), log_at, files_at, truth(fields["whole"]))


def evidence(fields: Fields) -> Evidence:
    """See `Evidence`."""
    return Evidence(
        metrics={text(it): float(value) for it, value in islice(fields["metrics"].items(), MOST_METRICS)},
        missing=texts(fields["missing"][:MOST_WORDS]),
        clues={text(it): text(value) for it, value in islice(fields["clues"].items(), MOST_WORDS)},
        signature=maybe(fields["signature"], text),
        environment=maybe(fields["environment"], text),
        rooms=tuple(room(it) for it in fields["rooms"][:MOST_WORDS]),
        stale=texts(fields["stale"][:MOST_WORDS]),
    )


def artifact(fields: Fields) -> Artifact:
    """See `Artifact`."""
    return Artifact(raw(fields["name"]), raw(fields["path"]), text(fields["kind"]))


def offers(values: Any, target: str) -> list[Offer]:
    """The devices of a target."""
    if len(values) > MOST_DEVICES:
        raise ValueError("more devices than a machine has")
    return [offer(it, target) for it in values]


def offer(fields: Fields, target: str) -> Offer:
    """See `Offer`; it must be one of this target's."""
    name = text(fields["id"])
    if not name.startswith(f"{target}/") or fields["kind"] not in ("gpu", "slot"):
        raise ValueError("a device of something else")
    return Offer(
        id=name,
        kind=fields["kind"],
        position=count(fields["position"]),
        uuid=maybe(fields["uuid"], text),
        name=text(fields["name"]),
        memory_mib=count(fields["memory_mib"]),
        busy=maybe(fields["busy"], text),
        fault=maybe(fields["fault"], text),
        used_mib=maybe(fields["used_mib"], count),
        strangers=truth(fields["strangers"]),
        ours={text(attempt): count(mib) for attempt, mib in fields["ours"].items()},
        utilisation=maybe(fields["utilisation"], count),
    )


def page(fields: Fields) -> Page:
    """A page of an inventory."""
    if "working" in fields:
        return Page([], None, count(fields["working"]))
    return Page([row(it) for it in fields["files"]], maybe(fields["next"], count), None)


def row(fields: Fields) -> dict[str, Any]:
    """A file of an inventory: a hash, or a problem."""
    if fields["root"] not in ("run", "work", "out"):
        raise ValueError("a file of nowhere")
    found = {
        "root": fields["root"],
        "path": raw(fields["path"]),
        "bytes": count(fields["bytes"]),
        "mode": count(fields["mode"]),
        "mtime": moment(fields["mtime"]),
    }
    known = "sha256" if "sha256" in fields else "problem"
    return {**found, known: text(fields[known])}
