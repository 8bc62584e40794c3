"""Why something ended or waits: kept apart from states, with fixed remedies."""

from __future__ import annotations

from types import MappingProxyType

from overnight.domain.words import Word


class Reason(Word):
    """Why an attempt or run ended as it did (`reliability.md` R14: judged from evidence, never from 137 alone)."""

    OK = "ok"
    NONZERO_EXIT = "nonzero_exit"
    KILLED = "killed"
    """Ended by a signal that was not ours."""
    HOST_OOM = "host_oom"
    """The kernel's out-of-memory kill, by the control group's own counter."""
    TIME_LIMIT = "time_limit"
    STOPPED = "stopped"
    START_FAILED = "start_failed"
    """The command could not be started: missing folder, program or permission."""
    MISSING_OUTPUT = "missing_output"
    """Exit 0 without a fresh declared output."""
    INTERRUPTED = "interrupted"
    """Host or runner lost; proven dead without an exit record."""
    NEVER_STARTED = "never_started"
    NEED_FAILED = "need_failed"
    BUDGET = "budget"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    """Cancelled because the file of its campaign has it no more."""
    VRAM_OOM = "vram_oom"
    """Its own demand for device memory, said by the program and confirmed by a failed exit."""
    NEIGHBOUR_OOM = "neighbour_oom"
    """Device memory was short because somebody else held it."""
    GPU_BUSY = "gpu_busy"
    """The GPU took no more work because somebody else had it."""
    DISK_FULL = "disk_full"
    """No bytes or no inodes left where it writes."""
    SHM = "shm"
    """Shared memory (`/dev/shm`) was too small."""
    NO_GPU = "no_gpu"
    """The program found no usable GPU: driver, library or architecture do not fit."""
    HARDWARE = "hardware"
    """The GPU failed: Xid, uncorrectable memory error, fallen off the bus."""
    TRANSIENT = "transient"
    """A service that it asked over the network was not there for a moment."""
    PREEMPTED = "preempted"
    """The platform took the machine away."""
    MISSING_DEPENDENCY = "missing_dependency"
    """A module, library or program that it needs is not installed."""
    CODE_ERROR = "code_error"
    """The program itself is wrong: it would fail in the same way every time."""
    ENV_ERROR = "env_error"
    """Its environment could not be activated."""
    HANG = "hang"
    """Neither output nor progress for the declared time."""
    DIVERGED = "diverged"
    """The training left the finite numbers."""
    PRECONDITION_MISSING = "precondition_missing"
    """A path that it requires is not there."""
    BREAKER = "breaker"
    """The first runs of its sweep all failed in the same way."""
    SKIPPED = "skipped"
    """Its outputs were there already."""
    DEVICE_HELD = "device_held"
    """Another home or user of its machine held one of its GPUs: nothing was started."""
    LEASE_LOST = "lease_lost"
    """Its machine was out of touch for the length of its lease, and ended it by itself."""
    SYNC_FAILED = "sync_failed"
    """What it left on another machine cannot be copied whole."""


class Mark(Word):
    """What is worth saying of an attempt without changing what becomes of it."""

    PACKED = "packed"
    """Shared its GPU with other runs: its times are not comparable."""
    SLOW = "slow"
    """Beyond twice its estimate."""
    SILENT = "silent"
    """Its log has not grown for the declared time."""
    IDLE = "idle"
    """All its GPUs have been idle for the declared time."""
    TOO_FAST = "too_fast"
    """Ended in less than half the usual time."""
    DIVERGED = "diverged"
    """Ended well with a number that is not finite."""
    STALE_CODE = "stale_code"
    """The files that it worked with are not those that were submitted any more."""


class Remedy(Word):
    """What becomes of a run whose attempt ended for a reason."""

    AGAIN = "again"
    """Tried again later, as often as its retry policy says."""
    ONCE = "once"
    """The same, but only after the first such end of the run."""
    LADDER = "ladder"
    """The same, away from the device where it ran out; afterwards with the declared smaller settings."""
    REQUEUE = "requeue"
    """Queued again at once: not its fault, so the policy does not count it; at most `INTERRUPTIONS_ALLOWED` times."""
    NEVER = "never"
    """It would only repeat itself."""


REMEDIES = MappingProxyType(
    {
        Reason.NONZERO_EXIT: Remedy.AGAIN,
        Reason.MISSING_OUTPUT: Remedy.AGAIN,
        Reason.HANG: Remedy.AGAIN,
        Reason.SHM: Remedy.AGAIN,
        Reason.TRANSIENT: Remedy.AGAIN,
        Reason.HOST_OOM: Remedy.AGAIN,
        Reason.KILLED: Remedy.ONCE,
        Reason.VRAM_OOM: Remedy.LADDER,
        Reason.NEIGHBOUR_OOM: Remedy.REQUEUE,
        Reason.GPU_BUSY: Remedy.REQUEUE,
        Reason.PREEMPTED: Remedy.REQUEUE,
        Reason.INTERRUPTED: Remedy.REQUEUE,
        Reason.LEASE_LOST: Remedy.REQUEUE,
        Reason.HARDWARE: Remedy.REQUEUE,
        Reason.DISK_FULL: Remedy.REQUEUE,
    }
)
"""The remedy of each reason; reasons that are not listed are never tried again."""

MEMORY_REMEDIES = MappingProxyType(
    {
        Reason.HOST_OOM: Remedy.AGAIN,
        Reason.VRAM_OOM: Remedy.LADDER,
        Reason.NEIGHBOUR_OOM: Remedy.LADDER,
        Reason.PREEMPTED: Remedy.REQUEUE,
        Reason.INTERRUPTED: Remedy.REQUEUE,
        Reason.LEASE_LOST: Remedy.REQUEUE,
        Reason.HARDWARE: Remedy.REQUEUE,
        Reason.DISK_FULL: Remedy.REQUEUE,
    }
)
"""The same for sweeps of which only a lack of memory is tried again (`Retry.only_memory`)."""

GPU_MEMORY_REMEDIES = MappingProxyType(
    {
        Reason.VRAM_OOM: Remedy.AGAIN,
        Reason.NEIGHBOUR_OOM: Remedy.AGAIN,
        Reason.GPU_BUSY: Remedy.AGAIN,
        Reason.PREEMPTED: Remedy.REQUEUE,
        Reason.INTERRUPTED: Remedy.REQUEUE,
        Reason.LEASE_LOST: Remedy.REQUEUE,
    }
)
"""The same for runs of which only busy or full GPUs are tried again (`Retry.only_gpu_memory`)."""

INTERRUPTIONS_ALLOWED = 3
"""How often a run is started again because its host or runner was lost; its retry policy does not count these."""
