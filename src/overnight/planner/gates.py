"""The gates of a target: what its host says of itself, held against limits. Pure.

Phases −1 (reached, and a place that lasts), 0 (room, memory, devices) and 1 (a call to CUDA) of `remote-training.md`
section 4. What a host says may be anything: what is missing or makes no sense is unknown, and an unknown gate refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overnight.domain.room import Reserve

CLOCK_SECONDS = 60.0
"""By so much the clock there may differ from the one here."""
LEAST_INODES = 0.1
"""Share of a file system's inodes that should be free."""
LEAST_SHM = 1024**3
"""Bytes of shared memory below which loaders of data with several workers may fail."""
LEAST_PYTHON = "3.9"
MIB, GIB = 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Gate:
    """One check. `ok` None = nobody could say; `warning`: passed, but worth knowing."""

    name: str
    ok: bool | None
    value: str
    limit: str = ""
    code: str = ""
    """Why it refuses, as the specification calls it."""
    advice: str = ""
    warning: bool = False

    @property
    def verdict(self) -> str:
        """`ok`, `warn`, `fail` or `unknown`."""
        if self.ok is None:
            return "unknown"
        return ("warn" if self.warning else "ok") if self.ok else "fail"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a host said, read with care."""

    told: Mapping[str, Any]

    def at(self, *path: str) -> Any:
        """A value below nested objects; None where there is none."""
        found: Any = self.told
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def number(self, *path: str) -> float | None:
        """The same, where it is a number."""
        found = self.at(*path)
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    def text(self, *path: str) -> str:
        """The same as a short line; empty where it is no text."""
        found = self.at(*path)
        return " ".join(found.split())[:200] if isinstance(found, str) else ""

    def folder(self) -> Facts:
        """What it says of our folder, the first path that it was asked about."""
        paths = self.at("paths")
        first = paths[0] if isinstance(paths, list) and paths else None
        return Facts(first if isinstance(first, Mapping) else {})


def unreached(code: str, sentence: str, advice: str) -> list[Gate]:
    """The gates of a target that is not reached."""
    key = code.startswith("host_key")
    gates = [Gate("reachable", False, sentence, code="unreachable", advice=advice)]
    if key:
        gates.append(Gate("host_key", False, sentence, "the pinned key", "host_key", advice))
    return gates


def gates(told: Mapping[str, Any], now: float, reserve: Reserve) -> list[Gate]:
    """Everything that a host that was reached lets one check; `now` in wall seconds here."""
    facts = Facts(told)
    return [
        Gate("reachable", True, f"{facts.text('user')} on {facts.text('hostname')}, kernel {facts.text('kernel')}"),
        Gate("host_key", True, "as pinned", "the pinned key"),
        _clock(facts, now),
        _python(facts),
        _folder(facts),
        _sessions(facts),
        *_room(facts.folder(), reserve),
        _memory(facts),
        _shm(facts),
        _cpus(facts),
        *_gpus(facts),
        _cuda(facts),
        _rsync(facts),
    ]


def _clock(facts: Facts, now: float) -> Gate:
    wall, limit = facts.number("wall"), f"{CLOCK_SECONDS:.0f} s apart"
    if wall is None:
        return Gate("clock", None, "it does not tell its time", limit)
    apart = abs(wall - now)
    advice = "" if apart <= CLOCK_SECONDS else "Set the clock there: times of its runs would be wrong."
    return Gate("clock", apart <= CLOCK_SECONDS, f"{apart:.1f} s apart", limit, "clock", advice)


def _python(facts: Facts) -> Gate:
    found = f"{facts.text('python', 'version')} {facts.text('python', 'path')}".strip()
    return Gate("python", True if found else None, found or "not told", f"at least {LEAST_PYTHON}")


def _folder(facts: Facts) -> Gate:
    """Where everything of ours lies must last, and its file system must lock files and rename them over others."""
    folder, works = facts.folder(), facts.at("file_system")
    where = f"{facts.text('folder')} on {folder.text('file_system')} at {folder.text('mount_point')}"
    limit, advice = "writable, on a disk, with locks", "Set `folder` of the target to a folder on a disk of its own."
    if not isinstance(works, Mapping) or folder.at("in_memory") is None:
        return Gate("folder", None, f"{where}: not told whether it lasts", limit)
    wrong = [
        sentence
        for sentence, bad in (
            ("cannot be written", folder.at("writable") is False),
            ("lies in memory: it is gone after a reboot", folder.at("in_memory") is True),
            (f"has no file locks {facts.text('file_system', 'problem')}".strip(), works.get("flock") is not True),
            ("cannot rename over a file", works.get("rename") is not True),
        )
        if bad
    ]
    value = f"{where}: {', '.join(wrong)}" if wrong else where
    return Gate("folder", not wrong, value, limit, "durable_missing", advice if wrong else "")


def _sessions(facts: Facts) -> Gate:
    """Some hosts end every process of a user who logs out."""
    kills, lingers = facts.at("sessions", "kills_processes"), facts.at("sessions", "lingers")
    if kills is not True or lingers is True:
        return Gate("logout", True, "leaves processes alone", "processes outlive their login")
    value = "KillUserProcesses=yes: systemd may end runs when the connection ends"
    advice = "Run there once: loginctl enable-linger"
    return Gate("logout", True, value, "processes outlive their login", advice=advice, warning=True)


def _room(folder: Facts, reserve: Reserve) -> list[Gate]:
    free, inodes, all_inodes = (folder.number(it) for it in ("free_bytes", "free_inodes", "total_inodes"))
    gates = [Gate("disk", None, "not told", f"{reserve.bytes // MIB} MiB")]
    if free is not None:
        enough = free >= reserve.bytes
        value, advice = f"{free / GIB:.1f} GiB free", "" if enough else "Free some space there."
        gates = [Gate("disk", enough, value, f"{reserve.bytes // MIB} MiB", "disk", advice)]
    if inodes is None or not all_inodes:
        return [*gates, Gate("inodes", True, "this file system does not count them")]
    share = inodes / all_inodes
    many = share >= LEAST_INODES and inodes >= reserve.inodes
    advice = "" if many else "Delete small files there, caches first."
    return [*gates, Gate("inodes", many, f"{share:.0%} free ({inodes:.0f})", f"{LEAST_INODES:.0%}", "inodes", advice)]


def _memory(facts: Facts) -> Gate:
    total, limit = facts.number("memory", "total_bytes"), facts.number("memory", "limit_bytes")
    if total is None:
        return Gate("memory", None, "not told")
    if limit is None or limit >= total:
        return Gate("memory", True, f"{total / GIB:.1f} GiB")
    value = f"{limit / GIB:.1f} GiB by its control group, of {total / GIB:.1f} GiB"
    return Gate("memory", True, value, advice="Runs are ended beyond that limit, not beyond the whole.", warning=True)


def _shm(facts: Facts) -> Gate:
    free, limit = facts.number("shm", "free_bytes"), f"{LEAST_SHM / GIB:.0f} GiB for loaders with workers"
    if free is None:
        return Gate("shm", None, "not told", limit)
    small = free < LEAST_SHM
    advice = "Enlarge /dev/shm there, or use fewer workers." if small else ""
    return Gate("shm", True, f"{free / MIB:.0f} MiB free", limit, "shm" if small else "", advice, warning=small)


def _cpus(facts: Facts) -> Gate:
    usable, quota = facts.number("cpus", "usable"), facts.number("cpus", "limit")
    if usable is None:
        return Gate("cpus", None, "not told")
    if quota is None or quota >= usable:
        return Gate("cpus", True, f"{usable:.0f}")
    advice = f"Set OMP_NUM_THREADS={max(1, int(quota))} for runs there."
    return Gate("cpus", True, f"time of {quota:g} of {usable:.0f}", advice=advice, warning=True)


def _gpus(facts: Facts) -> list[Gate]:
    found, driver, problem = facts.at("gpus", "gpus"), facts.text("gpus", "driver"), facts.text("gpus", "problem")
    if not isinstance(found, list):
        return [Gate("gpus", None, "not told"), Gate("driver", None, "not told")]
    if not found:
        return [Gate("gpus", True, f"none ({problem})" if problem else "none"), Gate("driver", True, "none is needed")]
    cards = [Facts(it if isinstance(it, Mapping) else {}) for it in found[:64]]
    ill = [f"{it.text('name')}: {it.text('fault')}" for it in cards if it.text("fault")]
    names = ", ".join(f"{it.text('name')} ({(it.number('memory_mib') or 0) / 1024:.0f} GiB)" for it in cards)
    advice = "Look at the driver's log there; a GPU at fault gets no runs." if ill else ""
    value = f"{len(found)}: {'; '.join(ill) or names}"
    told = Gate("driver", bool(driver) or None, driver or problem or "not told", code="driver")
    return [Gate("gpus", not ill, value, "all well", "gpu_missing", advice), told]


def _cuda(facts: Facts) -> Gate:
    """Whether a call to CUDA succeeded, in the environment that was named."""
    if not facts.at("gpus", "gpus"):
        return Gate("cuda", True, "no GPU to call")
    code, words = facts.at("check", "code"), facts.text("check", "words")
    if code == 0:
        return Gate("cuda", True, words or "it answers")
    if not isinstance(facts.at("check"), Mapping):
        return Gate("cuda", None, "not tried")
    late = "no answer in time" if facts.at("check", "late") else "it failed"
    advice = "Install a CUDA build that fits the driver, or name another --python."
    return Gate("cuda", False, f"{late}: {words}", "a call succeeds", "no_cuda", advice)


def _rsync(facts: Facts) -> Gate:
    there = facts.text("rsync")
    return Gate("rsync", True, there or "not there: code travels as a tar stream")
