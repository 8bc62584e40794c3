"""Tests that need a real part say so: `@pytest.mark.real("postgresql")` (parts: tools/real_parts.py).

A missing part skips the test with the reason; with CI=true it fails it, so that nothing is lost quietly there. The run
ends with the list of missing parts and how to get them.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from functools import cache
from typing import Any

import pytest

from tools import real_parts

LONG = ("sim", "hosts", "chaos", "contract", "power", "queue", "protocol", "native")
"""Folders whose files take longest: they go first, so that no worker of a parallel run is left with one at the end."""
MISSING = pytest.StashKey[Counter[str]]()
"""For each missing part the number of tests that wanted it."""


def required() -> bool:
    """Whether a missing part is a failure here."""
    return os.environ.get("CI", "").lower() in {"true", "1"}


@cache
def present(name: str) -> bool:
    return real_parts.PARTS[name].present()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MISSING] = Counter()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Whoever started us in the background of a script had it ignored; what we start must be able to be interrupted.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((LONG.index(part) for part in item.path.parts[:-1] if part in LONG), len(LONG))

    items.sort(key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    wanted = [str(name) for marker in item.iter_markers("real") for name in marker.args]
    if unknown := [name for name in wanted if name not in real_parts.PARTS]:
        pytest.fail(f"no such real part: {', '.join(unknown)}; known: {', '.join(real_parts.PARTS)}", pytrace=False)
    absent = [name for name in wanted if not present(name)]
    if not absent:
        return
    item.config.stash[MISSING].update(absent)
    reason = "; ".join(f"real part {name} is missing: {real_parts.how_to_get(name)}" for name in absent)
    if required():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["missing"] = dict(session.config.stash[MISSING])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of a parallel run missed is told by the process that started it."""
    node.config.stash[MISSING].update(getattr(node, "workeroutput", {}).get("missing", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash[MISSING]
    if not counts:
        return
    terminalreporter.section("missing real parts")
    for name, tests in sorted(counts.items()):
        terminalreporter.line(
            f"{name}: {tests} test{'s' * (tests != 1)} not run. Get it: {real_parts.how_to_get(name)}"
        )
