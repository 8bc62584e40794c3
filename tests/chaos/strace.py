"""The server under strace, which kills it or fails a call of it at an exact point."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.chaos.plane import PATIENCE, Plane, Server, kill

STARTS_THREADS = {"clone": "clone,clone3"}
"""Calls that a C library makes under either of two names."""


def injected(call: str, fault: str, *, follow: bool = True) -> tuple[str, ...]:
    """The wrapper that injects `fault` (`signal=SIGKILL:when=3`) at `call`, counted in each thread by itself.

    Children are left alone unless it shall `follow` them; so are threads, then.
    """
    names = STARTS_THREADS.get(call, call)
    options = ("-f",) if follow else ()
    return ("strace", *options, "-qq", "-o", "/dev/null", "-e", f"trace={names}", "-e", f"inject={names}:{fault}")


def counted(calls: str, log: Path) -> tuple[str, ...]:
    """The wrapper that only notes the calls."""
    return ("strace", "-f", "-qq", "-o", str(log), "-e", f"trace={calls}")


def most_by_one_thread(log: Path) -> Counter[str]:
    """For each call the largest number that one thread made of it."""
    made: Counter[tuple[str, str]] = Counter()
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        thread, _, rest = line.partition(" ")
        name = rest.strip().partition("(")[0]
        if name.isidentifier():
            made[thread, name.replace("clone3", "clone")] += 1
    most: Counter[str] = Counter()
    for (_, name), number in made.items():
        most[name] = max(most[name], number)
    return most


def spread(most: int, wanted: int) -> list[int]:
    """Up to `wanted` different numbers from 1 to `most`, evenly apart."""
    if most <= wanted:
        return list(range(1, most + 1))
    return sorted({1 + round(step * (most - 1) / (wanted - 1)) for step in range(wanted)})


def let_go(server: Server) -> None:
    """End the tracer; what it traced beside the server (a runner that the server started) goes on untraced."""
    kill(server.process.pid)
    server.process.wait(PATIENCE)


def end(plane: Plane) -> None:
    """End the present server, traced or not."""
    assert plane.server is not None
    kill(plane.server.pid)
    let_go(plane.server)
