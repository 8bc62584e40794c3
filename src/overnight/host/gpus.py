"""This host's GPUs for a server: `nvidia-smi` in a bounded time, whatever the driver does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from overnight.runner import locks
from overnight.targets.devices import smi
from overnight.targets.devices.known import hung, settle
from overnight.targets.devices.offers import locked, offers
from overnight.targets.devices.owners import owners
from overnight.targets.devices.reading import Answer, Gpu, Reading

PATIENCE = 8.0
"""Seconds that a request waits for the driver. Opening many GPUs without persistence mode takes longer: then the next
request finds the answer."""


class Gpus:
    """The GPUs as they were seen, and one reading at a time: a driver that hangs gets no second caller."""

    def __init__(
        self,
        runner: str,
        *,
        look: Callable[[], Answer] = smi.read,
        patience: float = PATIENCE,
        folder: str = locks.FOLDER,
    ) -> None:
        self._runner = runner
        self._look = look
        self._patience = patience
        self._locks = folder
        self._known: Mapping[str, Gpu] = {}
        self._lock = threading.Lock()
        self._under_way: _Look | None = None

    def offers(self, target: str, slots: int, threshold_mib: int) -> Mapping[str, Any]:
        """`offers`: the devices under the names of a target; `diagnosis`: sentences on what the driver does not say."""
        reading = self.read()
        uuids = [gpu.uuid for gpu in reading.gpus]
        found = offers(
            reading,
            target=target,
            slots=slots,
            threshold_mib=threshold_mib,
            owners=owners(reading.pids, self._runner),
            locked=locked(locks.holders(self._locks, uuids), self._runner),
        )
        return {"offers": [asdict(it) for it in found], "diagnosis": list(reading.diagnosis)}

    def read(self) -> Reading:
        """The GPUs now; those that were seen before are in it with a fault when the driver does not answer in time."""
        look = self._joined()
        if not look.done.wait(self._patience):
            return hung(self._known, f"nvidia-smi did not answer within {self._patience:g} s")
        with self._lock:
            if self._under_way is look:
                self._under_way = None
            self._known = {**self._known, **{gpu.uuid: gpu for gpu in look.answer.gpus}}
            return settle(look.answer, self._known)

    def _joined(self) -> _Look:
        with self._lock:
            if self._under_way is None:
                self._under_way = _Look(self._look)
            return self._under_way


class _Look:
    """One call of the driver, on a thread of its own."""

    def __init__(self, look: Callable[[], Answer]) -> None:
        self.answer = Answer("none", why="the driver was not asked")
        self.done = threading.Event()
        self._look = look
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        try:
            self.answer = self._look()
        except smi.SmiFailed as error:
            self.answer = Answer("none", why=str(error))
        except Exception as error:  # foreign text that nobody foresaw must not leave anybody waiting
            self.answer = Answer("none", why=f"what nvidia-smi says makes no sense: {error!r}")
        finally:
            self.done.set()
