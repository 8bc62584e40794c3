"""One seed is one history: down to the hash of the last event, in any process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from overnight.testing.record import TABLES, Record
from tests.sim.campaign import simulate

SEEDS = range(70_000, 70_040)

IN_ANOTHER_PROCESS = """
import json
from tests.sim.campaign import simulate
print(json.dumps(simulate(range({first}, {last})).hashes))
"""


def hashes_under(hash_seed: str) -> dict[int, str]:
    """What another process, with another order of sets, gets."""
    code = IN_ANOTHER_PROCESS.format(first=SEEDS.start, last=SEEDS.stop)
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment, text=True)
    return {int(seed): digest for seed, digest in json.loads(done.stdout).items()}


@pytest.mark.timeout(300)
def test_the_same_seed_writes_the_same_log_three_times_and_under_two_hash_seeds() -> None:
    first = simulate(SEEDS).hashes
    assert len(first) == len(SEEDS)
    assert len(set(first.values())) == len(SEEDS), "different seeds have different histories"
    assert simulate(reversed(SEEDS)).hashes == first, "an earlier simulation leaves nothing behind"
    assert hashes_under("1") == first
    assert hashes_under("271828") == first


def test_a_simulation_begins_with_nothing_of_the_one_before(tmp_path: Path) -> None:
    record = Record(tmp_path)
    named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables = {row[0] for row in record.store.read(lambda session: session.connection.execute(named))}
    record.close()
    assert tables - {"meta", "fence"} == set(TABLES)
