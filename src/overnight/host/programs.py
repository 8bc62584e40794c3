"""Running programs of this host in a bounded time, for a person who wonders whether something works here."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from overnight.targets.devices import smi

LONGEST_CHECK = 120.0
"""Seconds that a command may take, whatever was asked."""
LAST_WORDS = 2_000
"""Bytes of what it printed that are told."""


def gpus() -> dict[str, Any]:
    """Version of the NVIDIA driver, and what each GPU says of itself; `problem` where nobody can be asked."""
    try:
        code, lines = smi.run(["--query-gpu=driver_version", "--format=csv,noheader"])
        answer = smi.read()
    except smi.SmiFailed as error:
        return {"driver": None, "gpus": [], "problem": str(error)}
    found = [
        {"uuid": it.uuid, "name": it.name, "memory_mib": it.memory_total_mib, "fault": it.fault} for it in answer.gpus
    ]
    ill = [it.fault for it in answer.nameless]
    return {"driver": None if code else smi.first(lines), "gpus": found, "problem": ill[0] if ill else None}


def check(argv: Sequence[str], timeout: float) -> dict[str, Any]:
    """`code` (None = it did not end in time, or could not be started) and the last `words` of a command.

    It and all that it started are killed when the time is over.
    """
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/", start_new_session=True
            )
        except (OSError, ValueError) as error:
            return {"code": None, "words": str(error), "late": False}
        code = _awaited(process, max(0.0, min(timeout, LONGEST_CHECK)))
        size = os.fstat(said.fileno()).st_size
        words = os.pread(said.fileno(), LAST_WORDS, max(0, size - LAST_WORDS)).decode("utf-8", "replace").strip()
    return {"code": code, "words": words, "late": code is None}


def _awaited(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """Its exit code in time. One that the kernel holds inside a driver call is left alone."""
    with suppress(subprocess.TimeoutExpired):
        return process.wait(timeout)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    return None
