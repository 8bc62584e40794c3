"""What a person who wonders about a host wants to know of it. Each fact by itself: one that cannot be had is None."""

from __future__ import annotations

import fcntl
import getpass
import os
import platform
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from overnight.host import limits, mounts, programs
from overnight.host.place import Place
from overnight.runner import identity, moment

Facts = dict[str, Any]

PATIENCE = 10.0
"""Seconds until facts that are not there yet are given up."""
MOST_PATHS = 50
"""Paths that one request asks for."""
LOGIND = "/etc/systemd/logind.conf"
"""Settings of what becomes of the processes of a session that ends; further files in `….d`."""


def gather(place: Place, paths: Sequence[str], check: Mapping[str, Any] | None) -> Facts:
    """Facts under the names that `docs/notes/host.md` explains.

    `paths`: folders to look at; `check`: `argv` and `timeout` of a command to run.
    """
    asked = list(paths)[:MOST_PATHS]
    patience = PATIENCE + (float(check["timeout"]) if check else 0.0)
    looks = {f"path {path}": partial(mounts.look, path) for path in asked}
    found = at_once({**_sources(place), **looks, "check": partial(_checked, check)}, patience)
    return {**{name: found[name] for name in found if name not in looks}, "paths": [found[it] for it in looks]}


def _sources(place: Place) -> dict[str, Callable[[], Any]]:
    return {
        "user": getpass.getuser,
        "hostname": socket.gethostname,
        "kernel": platform.release,
        "boot_id": identity.boot_id,
        "uptime": lambda: round(moment.boot()),
        "wall": moment.wall,
        "python": lambda: {"version": platform.python_version(), "path": sys.executable},
        "folder": lambda: place.folder,
        "cpus": lambda: {"count": os.cpu_count(), "usable": len(os.sched_getaffinity(0)), "limit": limits.cpus()},
        "memory": lambda: {"total_bytes": _total_memory(), "limit_bytes": limits.memory()},
        "shm": lambda: mounts.look("/dev/shm"),
        "rsync": lambda: shutil.which("rsync"),
        "gpus": programs.gpus,
        "file_system": lambda: _works(place.folder),
        "sessions": _sessions,
    }


def _checked(check: Mapping[str, Any] | None) -> Facts | None:
    return None if check is None else programs.check(check["argv"], float(check["timeout"]))


def at_once(sources: Mapping[str, Callable[[], Any]], patience: float) -> Facts:
    """What each source says, asked side by side; None for one that fails or is not done when the time is over.

    A network drive or a driver that hangs keeps its own thread and no other fact.
    """
    found: Facts = dict.fromkeys(sources)
    threads = [
        threading.Thread(target=_note, args=(found, name, source), daemon=True) for name, source in sources.items()
    ]
    until = moment.boot() + patience
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - moment.boot()))
    return dict(found)


def _note(found: Facts, name: str, source: Callable[[], Any]) -> None:
    with suppress(Exception):  # a host may be odd in any way, and the other facts are still worth having
        found[name] = source()


def _total_memory() -> int | None:
    with open("/proc/meminfo", encoding="ascii") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith("MemTotal:")), None)


def _works(folder: str) -> Facts:
    """Whether the file system of our folder can do what we need of it: locks, and a rename that replaces."""
    found: Facts = {"flock": False, "rename": False, "problem": None}
    path = os.path.join(folder, f".trial-{os.getpid()}")
    try:
        with open(path, "wb") as first, open(path, "rb") as second:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found["flock"] = _is_refused(second.fileno())
        with open(f"{path}.new", "wb"):
            pass
        os.rename(f"{path}.new", path)
        found["rename"] = True
        os.unlink(path)
    except OSError as error:
        found["problem"] = str(error)
    return found


def _is_refused(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _sessions() -> Facts:
    """What becomes of processes whose session ends: systemd may end them, unless the user lingers."""
    files = [LOGIND, *(os.path.join(f"{LOGIND}.d", name) for name in sorted(_names(f"{LOGIND}.d")))]
    said = [value for path in files for value in _settings(path, "KillUserProcesses")]
    return {
        "systemd": os.path.isdir("/run/systemd/system"),
        "kills_processes": said[-1].lower() in ("yes", "true", "1", "on") if said else False,
        "lingers": os.path.exists(f"/var/lib/systemd/linger/{getpass.getuser()}"),
    }


def _names(folder: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.endswith(".conf")]
    except OSError:
        return []


def _settings(path: str, key: str) -> list[str]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip().partition("=") for line in file]
    except OSError:
        return []
    return [value.strip() for name, _, value in lines if name.strip() == key]
