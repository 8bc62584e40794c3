"""How a run tells what it does: JSON lines on the way, a closing block and results.json. No Overnight import needed.

Under Overnight the files go into $OVERNIGHT_RUN_DIR, by hand into ./out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from network import Images, Network, accuracy, loss


def run_folder() -> Path:
    """The folder for this run's files, made if it is not there."""
    folder = Path(os.environ.get("OVERNIGHT_RUN_DIR", "out"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def follow(networks: Iterable[Network], test: Images, *, every: int) -> Network:
    """Trains to the end and returns the last network; each `every` epochs prints a JSON line with its figures."""
    trained: Network | None = None
    for epoch, trained in enumerate(networks, start=1):
        if epoch % every == 0:
            figures = {"step": epoch, "loss": loss(trained, test), "accuracy": accuracy(trained, test)}
            print(json.dumps(figures), flush=True)
    if trained is None:
        raise ValueError("no epoch was trained; --epochs must be at least 1")
    return trained


def finish(network: Network, test: Images, *, seconds: float, copy: Path | None = None, **further: float) -> None:
    """Prints the closing block and writes the same figures, unrounded, to results.json, and to `copy`."""
    figures = {
        "accuracy": accuracy(network, test),
        "loss": loss(network, test),
        "parameters": network.parameters,
        **further,
        "seconds": seconds,
    }
    print("---")
    for name, value in figures.items():
        print(f"{name}: {value if isinstance(value, int) else format(value, '.4f')}")
    for path in (run_folder() / "results.json", *([copy] if copy else [])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
