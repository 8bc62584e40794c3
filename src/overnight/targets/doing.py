"""What the processes of a live attempt on this machine are doing, for whoever asks why nothing moves."""

from __future__ import annotations

import re

from overnight.runner import processes
from overnight.runner.identity import read_stat

MOST_PROCESSES = 8
"""Processes of one attempt that are described."""
_STATES = {"R": "running", "S": "sleeping", "D": "waiting for a device", "T": "stopped", "t": "traced", "Z": "ended"}


def doing(pid: int) -> str:
    """`4711 python sleeping in futex_wait_queue (system call 202); …` of a process and those below it.

    Empty when there is none any more. Names are those that the programs gave themselves, in plain characters.
    """
    main = read_stat(pid)
    if main is None or not main.living:
        return ""
    stats = [main, *processes.descendants(pid)]
    described = "; ".join(_described(stat.pid) for stat in stats[:MOST_PROCESSES])
    more = len(stats) - MOST_PROCESSES
    return f"{described} and {more} more" if more > 0 else described


def _described(pid: int) -> str:
    state = _read(pid, "stat").rpartition(")")[2].split()
    place, call = _read(pid, "wchan"), _read(pid, "syscall").split()
    words = [str(pid), _plain(_read(pid, "comm")), _STATES.get(state[0], state[0]) if state else "gone"]
    if place not in {"", "0"}:
        words.append(f"in {_plain(place)}")
    if call and call[0].isdigit():
        words.append(f"(system call {call[0]})")
    return " ".join(words)


def _read(pid: int, name: str) -> str:
    """A small file of a process; empty where it is not there or may not be read."""
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as file:
            return file.read(1024).rstrip("\n")
    except OSError:
        return ""


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.:/+-]", "?", text)[:32]
