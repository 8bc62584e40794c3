"""Go through one seed of the simulator again: `python -m overnight.testing.replay --seed N --trace`."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from overnight.testing.record import Record, fast_folder
from overnight.testing.world import Failed, Simulation


def replay(seed: int, *, tracing: bool) -> str:
    """Simulate one seed; returns its trace and how it ended."""
    with tempfile.TemporaryDirectory(prefix="overnight-", dir=fast_folder()) as name:
        record = Record(Path(name))
        simulation = Simulation(seed, record, tracing)
        try:
            end = str(simulation.run())
        except Failed as failure:
            end = str(failure)
        record.close()
        return "\n".join([*(simulation.chance.trace or ()), end])


def main() -> None:
    """Replay one seed and print what happened."""
    parser = argparse.ArgumentParser(description="Replay one seed of the simulator.")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--trace", action="store_true", help="print every fault, turn and event")
    asked = parser.parse_args()
    print(replay(asked.seed, tracing=asked.trace))


if __name__ == "__main__":
    main()
