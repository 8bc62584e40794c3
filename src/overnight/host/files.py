"""Looking into the files of attempts for a server: `targets.base.Files` with its parameters by their names.

Bytes travel as base64, values as objects. What a request says that is none of the parameters is refused.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from overnight.targets.files import LocalFiles

LARGEST_PIECE = 512 * 1024
"""Bytes of a log or a file that one answer brings."""

_FILES = LocalFiles()


def operations() -> dict[str, Callable[..., Mapping[str, Any]]]:
    """Name -> operation."""
    return {
        "host.evidence": _evidence,
        "host.missing": lambda workdir, paths: {"missing": _FILES.missing(workdir, paths)},
        "host.done": lambda workdir, outputs: {"done": _FILES.done(workdir, outputs)},
        "host.room": lambda path: {"room": asdict(_FILES.room(path))},
        "host.progress": _progress,
        "host.log": lambda folder, offset, limit: piece(*_FILES.log(folder, offset, _bounded(limit))),
        "host.part": lambda folder, name, offset, limit: piece(*_FILES.part(folder, name, offset, _bounded(limit))),
        "host.left": _left,
        "host.put": _put,
    }


def piece(data: bytes, following: int) -> dict[str, Any]:
    """Bytes, and where the next request continues."""
    return {"data": base64.b64encode(data).decode("ascii"), "next": following}


def _bounded(limit: int) -> int:
    return max(0, min(limit, LARGEST_PIECE))


def _evidence(folder: str, workdir: str, outputs: Sequence[str], record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"evidence": asdict(_FILES.evidence(folder, workdir, outputs, record))}


def _progress(folder: str, workdir: str, outputs: Sequence[str]) -> Mapping[str, Any]:
    return {"progress": asdict(_FILES.progress(folder, workdir, outputs))}


def _left(folder: str, workdir: str, outputs: Sequence[str], during: Sequence[float]) -> Mapping[str, Any]:
    since, until = during
    return {"left": [asdict(it) for it in _FILES.left(folder, workdir, outputs, (since, until))]}


def _put(folder: str, name: str, text: str) -> Mapping[str, Any]:
    _FILES.put(folder, name, text)
    return {}
