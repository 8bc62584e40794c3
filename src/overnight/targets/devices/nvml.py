"""Reads the GPUs through NVIDIA's library; only the probe imports this, since any call here may hang.

A field that the driver does not offer ([N/A] on MIG or unified memory, no permission, an older library) is None with a
note. Any other error of a GPU is its fault: it is reported, and the other GPUs are read all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pynvml

from overnight.targets.devices.reading import MIB, Answer, Gpu, Nameless, Process

T = TypeVar("T")

UNSAID = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_NO_DATA,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
        pynvml.NVML_ERROR_DEPRECATED,
    }
)
"""Errors that say nothing about the health of a GPU: this driver just does not tell."""

DRIVER_GONE = frozenset(
    {
        pynvml.NVML_ERROR_UNINITIALIZED,
        pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
        pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH,
    }
)
"""Errors of the whole driver rather than of one GPU."""

LIST_TRIES = 3
"""How often a list of processes is asked for when it grows faster than it can be read."""


@dataclass
class Library:
    """The loaded library. Opening the driver takes seconds without persistence mode, so it stays open between reads."""

    opened: bool = False

    def read(self) -> Answer:
        """All GPUs now. Raises pynvml.NVMLError where the whole driver does not answer; the next read opens it anew."""
        try:
            if not self.opened:
                pynvml.nvmlInit()
                self.opened = True
            return self._gpus()
        except pynvml.NVMLError:
            self._close()
            raise

    def _gpus(self) -> Answer:
        gpus: list[Gpu] = []
        nameless: list[Nameless] = []
        notes: list[str] = []
        for index in range(pynvml.nvmlDeviceGetCount()):
            try:
                handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                uuid = str(pynvml.nvmlDeviceGetUUID(handle))
            except pynvml.NVMLError as error:
                raise_if_driver_gone(error)
                nameless.append(Nameless(index=index, fault=describe(error)))
                continue
            look = Look(handle, f"GPU {uuid}")
            gpus.append(look.gpu(index, uuid))
            notes.extend(look.notes)
        return Answer("nvml", gpus=tuple(gpus), nameless=tuple(nameless), notes=tuple(notes))

    def _close(self) -> None:
        if not self.opened:
            return
        self.opened = False
        try:
            pynvml.nvmlShutdown()
        except pynvml.NVMLError:
            return  # it is gone already, which is what was wanted


@dataclass
class Look:
    """One look at one GPU: gathers its notes and its faults (the first one counts)."""

    handle: Any
    label: str
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def gpu(self, index: int, uuid: str) -> Gpu:
        """Everything that the GPU tells."""
        handle = self.handle
        name = self.ask("name", lambda: str(pynvml.nvmlDeviceGetName(handle)))
        memory = self.ask("memory", lambda: read_memory(handle))
        utilisation = self.ask("utilisation", lambda: int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu))
        temperature = self.ask(
            "temperature", lambda: int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
        )
        processes = self.ask("list of processes", lambda: read_processes(handle))
        self.check_health()
        return Gpu(
            index=index,
            uuid=uuid,
            name=name or "unknown GPU",
            memory_total_mib=memory[0] if memory else None,
            memory_used_mib=memory[1] if memory else None,
            utilisation=utilisation,
            temperature=temperature,
            processes=processes,
            fault=self.faults[0] if self.faults else None,
        )

    def ask(self, what: str, call: Callable[[], T], *, silent: bool = False) -> T | None:
        """The answer; None when there is none, with a note or a fault (`silent`: no note, few GPUs have it)."""
        if self.faults:
            return None  # a lost GPU answers everything alike, and some calls take seconds to say so
        try:
            return call()
        except pynvml.NVMLError as error:
            raise_if_driver_gone(error)
            if error.value not in UNSAID:
                self.faults.append(describe(error))
            elif not silent:
                self.notes.append(f"{self.label} does not tell its {what} ([N/A]: {error})")
            return None

    def check_health(self) -> None:
        """Errors in memory that were not corrected, rows that could not be remapped, and MIG."""
        handle = self.handle
        errors = self.ask("memory errors", lambda: read_uncorrected(handle), silent=True)
        if errors:
            self.faults.append(f"ECC: {errors} uncorrected memory errors since the driver was loaded; reset the GPU")
        remapped = self.ask("remapped rows", lambda: pynvml.nvmlDeviceGetRemappedRows(handle), silent=True)
        if remapped and remapped[3]:
            self.faults.append("ECC: a bad row of its memory could not be remapped; the GPU needs replacement")
        mig = self.ask("MIG mode", lambda: pynvml.nvmlDeviceGetMigMode(handle), silent=True)
        if mig and mig[0] == pynvml.NVML_DEVICE_MIG_ENABLE:
            self.notes.append(f"{self.label} is split by MIG; it is treated as one device")


def read_memory(handle: Any) -> tuple[int | None, int | None]:
    """(total, used) in MiB."""
    try:
        # the second version keeps the driver's own reserve (hundreds of MiB on data centre GPUs) out of `used`
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle, version=pynvml.nvmlMemory_v2)
    except pynvml.NVMLError as error:
        if error.value not in UNSAID:
            raise
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return in_mib(memory.total), in_mib(memory.used)


def read_processes(handle: Any) -> tuple[Process, ...]:
    """The compute processes. Graphics ones (a desktop) are not counted, as `nvidia-smi` does not list them either."""
    for attempt in range(1, LIST_TRIES + 1):
        try:
            return tuple(Process(int(found.pid), in_mib(found.usedGpuMemory)) for found in list_processes(handle))
        except pynvml.NVMLError as error:
            if error.value != pynvml.NVML_ERROR_INSUFFICIENT_SIZE or attempt == LIST_TRIES:
                raise
    return ()


def list_processes(handle: Any) -> list[Any]:
    try:
        return list(pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle))
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        return list(pynvml.nvmlDeviceGetComputeRunningProcesses_v2(handle))  # drivers before 510


def read_uncorrected(handle: Any) -> int:
    return int(
        pynvml.nvmlDeviceGetTotalEccErrors(handle, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC)
    )


def in_mib(count: int | None) -> int | None:
    """Bytes as MiB; the library's "not available" (all bits set) is None."""
    if count is None or count == pynvml.NVML_VALUE_NOT_AVAILABLE_ulonglong.value:
        return None
    return count // MIB


def raise_if_driver_gone(error: pynvml.NVMLError) -> None:
    if error.value in DRIVER_GONE:
        raise error


def describe(error: pynvml.NVMLError) -> str:
    """What the error means for the GPU."""
    if error.value == pynvml.NVML_ERROR_GPU_IS_LOST:
        return "lost: it has fallen off the bus (GPU is lost); reboot the machine"
    if error.value == pynvml.NVML_ERROR_RESET_REQUIRED:
        return "it must be reset before it can be used (GPU requires restart)"
    return f"the driver cannot read it: {error} (NVML error {error.value})"
