"""An order to stop, and how it reaches an executor that may have lost its runner.

The order is a file in the attempt's folder, followed by SIGTERM to the executor: a signal alone says nothing.
When the file cannot be written (a full disk), SIGUSR2 stands for "stop with the grace of the launch".
"""

from __future__ import annotations

import json
import math
import os
import signal
from dataclasses import dataclass

from . import kernel
from .protocol import text
from .record import write_file

FILE = "stop"
"""Name inside the attempt's folder."""


@dataclass(frozen=True)
class StopOrder:
    """End the attempt: SIGTERM to its tree, after grace seconds SIGKILL. reason is a sentence for the record."""

    grace: float
    reason: str

    def merged(self, earlier: StopOrder | None) -> StopOrder:
        """Return the order that holds when an earlier one stands: the first reason, the shorter grace."""
        if earlier is None:
            return self
        return StopOrder(min(self.grace, earlier.grace), earlier.reason)


def read(folder: str) -> StopOrder | None:
    """Return the order that lies in the folder, None when there is none."""
    try:
        with open(f"{folder}/{FILE}", "rb") as file:
            order = json.loads(file.read())
        grace = float(order["grace"])
        return StopOrder(grace if math.isfinite(grace) and grace >= 0 else 0.0, str(order["reason"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def deliver(pidfd: int, folder: str, order: StopOrder) -> None:
    """Hand the order to the executor behind pidfd. Silent when it has ended; may be repeated."""
    number = signal.SIGTERM if _write(folder, order) else signal.SIGUSR2
    try:
        kernel.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return


def _write(folder: str, order: StopOrder) -> bool:
    data = text({"grace": order.grace, "reason": order.reason}).encode("ascii")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)  # the job may have deleted it
        write_file(f"{folder}/{FILE}", data)
    except OSError:
        return False
    return True
