"""What this host lets a process have: the limits of its control groups, which say less than the whole machine."""

from __future__ import annotations

import os
from collections.abc import Iterator

UNLIMITED = 1 << 60
"""Version 1 says "no limit" by a number near the largest there is."""


def memory() -> int | None:
    """Bytes that the group of this process may use, the least of it and of those above; None = all there is."""
    found = [
        value
        for name, version in (("memory.max", 2), ("memory.limit_in_bytes", 1))
        for text in _values("memory", version, name)
        if text.isdigit() and (value := int(text)) < UNLIMITED
    ]
    return min(found, default=None)


def cpus() -> float | None:
    """Processors' worth of time that the group of this process may use; None = all there are."""
    found = [_share(*text.split()) for text in _values("cpu", 2, "cpu.max") if len(text.split()) == 2]
    quotas, periods = (list(_values("cpu", 1, f"cpu.cfs_{word}_us")) for word in ("quota", "period"))
    found += [_share(quota, period) for quota, period in zip(quotas, periods)]
    return min((share for share in found if share is not None), default=None)


def _share(quota: str, period: str) -> float | None:
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _values(controller: str, version: int, name: str) -> Iterator[str]:
    """The content of a file in the group of this process and in each above it, as far as they can be seen."""
    top = "/sys/fs/cgroup" if version == 2 else f"/sys/fs/cgroup/{controller}"
    path = _group(controller, version)
    while path is not None:
        text = _text(f"{top}{path.rstrip('/')}/{name}")
        if text is not None:
            yield text
        path = os.path.dirname(path) if path != "/" else None


def _group(controller: str, version: int) -> str | None:
    """Path of this process's group in a hierarchy; the top where it lies outside of what can be seen."""
    for line in (_text("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if (version == 2 and not controllers) or (version == 1 and controller in controllers.split(",")):
            return path if path.startswith("/") and ".." not in path else "/"
    return None


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(65536).strip()
    except OSError:
        return None
