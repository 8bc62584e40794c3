"""A manifest of 10,000 cells from file to summary, each step beside its bound; and the hand-over between two waves.

`python -m bench.queue` takes the steps alone and prints the most memory that its process ever had, in MiB.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
from ruamel.yaml import YAML

from bench.measure import Figure
from bench.plane import plane
from overnight import manifest
from overnight.domain.states import FINAL_RUN
from overnight.service import findings, look, queue_view, submit
from overnight.service.context import Context
from overnight.service.requests import CampaignFile, One, RunPage
from overnight.store import campaigns, runs
from overnight.store.base import SYSTEM, Session
from overnight.store.marks import hold
from overnight.store.moves import move_runs

CELLS = 10_000
AIM_SECONDS = 2.0
AIM_MIB = 200.0
POLL_SECONDS = 60.0
"""How often the reference scheduler of the queue looks whether a wave is over."""
WAVES = 20
"""Phases of the campaign whose hand-overs are measured."""

GRID = """\
project: bench
gpus: []
max_parallel: 2
default_cmd: /bin/true
grid: {a: [%s], b: [%s], seed: [%s]}
template:
  id: a${a}_b${b}_s${seed}
  args: {a: ${a}, b: ${b}, seed: ${seed}}
  expected_output: out/a${a}_b${b}_s${seed}.json
"""


def figures() -> list[Figure]:
    """Seconds of each step for each way to write the same cells; MiB of all steps; milliseconds of a hand-over."""
    return [
        *_manifest("grid", _grid(), _read_grid),
        *_manifest("jobs", _jobs(), _read_yaml),
        *_manifest("json", _json(), json.loads),
        _memory(),
        _waves(),
    ]


def _grid() -> str:
    axis = ", ".join(map(str, range(10)))
    return GRID % (axis, axis, ", ".join(map(str, range(CELLS // 100))))


def _jobs() -> str:
    """The same cells, one line each, as an agent writes them."""
    cells = itertools.product(range(10), range(10), range(CELLS // 100))
    lines = [
        f"- {{id: a{a}_b{b}_s{s}, args: {{a: {a}, b: {b}, seed: {s}}}, expected_output: out/a{a}_b{b}_s{s}.json}}"
        for a, b, s in cells
    ]
    return "\n".join(["project: bench", "gpus: []", "default_cmd: /bin/true", "jobs:", *lines, ""])


def _json() -> str:
    """The same again, as a program writes them."""
    cells = itertools.product(range(10), range(10), range(CELLS // 100))
    jobs = [
        {
            "id": f"a{a}_b{b}_s{s}",
            "args": {"a": a, "b": b, "seed": s},
            "expected_output": f"out/a{a}_b{b}_s{s}.json",
        }
        for a, b, s in cells
    ]
    return json.dumps({"project": "bench", "gpus": [], "default_cmd": "/bin/true", "jobs": jobs})


def _read_yaml(text: str) -> None:
    YAML(typ="safe", pure=True).load(text)


def _read_grid(text: str) -> None:
    """The published form has bare `${…}`, which no YAML reader takes: put a word in their place first."""
    _read_yaml(re.sub(r"\$\{\w+\}", "x", text))


def _seconds(work: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _manifest(kind: str, text: str, read: Callable[[str], Any]) -> list[Figure]:
    reading = _seconds(lambda: read(text))
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as folder:
        inserting = _seconds(lambda: _insert(folder))
    bound = reading + inserting
    return [
        Figure(f"{kind}: read the text alone", reading, "s"),
        Figure(f"{kind}: insert as many rows alone", inserting, "s"),
        *(
            Figure(f"{kind}: {name} 10,000", value, "s", "read + insert", value / bound, "< 2 s", value < AIM_SECONDS)
            for name, value in _steps(text).items()
        ),
    ]


def _steps(text: str) -> dict[str, float]:
    """Seconds of each step, on a home of its own. Nothing starts meanwhile; all runs end well before they are shown."""
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as folder, plane(slots=1) as context:
        request = CampaignFile(file=text, path="bench.yaml", directory=folder)
        context.store.write(SYSTEM, lambda session: hold(session, "here", "bench", "the steps are measured"))
        campaign: list[str] = []
        steps = {
            "expand": _seconds(lambda: manifest.load(text, "bench.yaml", folder)),
            "plan": _seconds(lambda: submit.plan(context, request)),
            "submit": _seconds(lambda: campaign.append(submit.submit(context, request)["campaign"]["id"])),
        }
        (known,) = campaign
        context.store.write(SYSTEM, lambda session: _finish(session, known))
        steps["list"] = _seconds(lambda: look.list_runs(context, RunPage(campaign=known, limit=CELLS)))
        steps["status"] = _seconds(lambda: queue_view.queue(context, One(id=known)))
        steps["summary"] = _seconds(lambda: findings.summary(context, One(id=known)))
    return steps


def _insert(folder: str) -> None:
    """The rows of the cells, as plainly as SQLite takes them, durable."""
    connection = apsw.Connection(f"{folder}/plain.db")
    settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE runs (id, name, config)"
    connection.execute(settings).fetchall()
    config = '{"command":"/bin/true --a 1 --b 1 --seed 1","env":{},"outputs":["out/a1_b1_s1.json"],"parameters":{}}'
    with connection:
        connection.executemany(
            "INSERT INTO runs VALUES (?, ?, ?)", ((f"{n:012x}", f"a{n}", config) for n in range(CELLS))
        )
    connection.close()


def _finish(session: Session, campaign_id: str) -> None:
    """Let every run of a campaign have succeeded with a number, as if it had been carried out."""
    for sweep in campaigns.sweeps_of(session, campaign_id):
        ids = [row[0] for row in session.rows("runs_of_sweep", sweep_id=sweep.id, after=0, limit=CELLS)]
        rng = random.Random(0)
        for run_id in ids:
            runs.keep_results(session, run_id, {"accuracy": rng.random()})
        for transition in ("claim", "succeed"):
            move_runs(session, ids, transition, subject=sweep.id)


def _memory() -> Figure:
    """All steps in a process of their own: this one still holds what it measured before."""
    done = subprocess.run([sys.executable, "-m", "bench.queue"], check=True, stdout=subprocess.PIPE, text=True)
    peak = float(done.stdout)
    return Figure("memory of all steps, peak", peak, "MiB", aim="<= 200 MiB", met=peak <= AIM_MIB)


def _peak() -> float:
    """The most memory that this process ever had, in MiB; `ru_maxrss` would count its parent's."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def _waves() -> Figure:
    """Median time from the last exit of a wave to the first start of the next, both by the exit records."""
    phases = "\n".join(
        f"  - name: w{n}\n    barrier: settle\n    jobs: [{{id: a{n}, cmd: sleep 0.02}}, {{id: b{n}, cmd: 'true'}}]"
        for n in range(WAVES)
    )
    text = f"project: waves\ngpus: []\nmax_parallel: 2\nphases:\n{phases}\n"
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as folder, plane(slots=1) as context:
        request = CampaignFile(file=text, path="waves.yaml", directory=folder)
        campaign = submit.submit(context, request)["campaign"]["id"]
        _wait(context, campaign)
        waves = context.store.read(lambda session: _intervals(session, campaign))
    gaps = sorted(after[0] - before[1] for before, after in itertools.pairwise(waves))
    middle = gaps[len(gaps) // 2] * 1000
    beside = middle / (POLL_SECONDS * 1000)
    return Figure("wave to wave, median", middle, "ms", "poll of 60 s", beside, "< 100 ms", middle < 100)


def _wait(context: Context, campaign: str) -> None:
    while True:
        counts = context.store.read(lambda session: campaigns.counts(session, campaign))
        if sum(counts.get(state, 0) for state in FINAL_RUN) == 2 * WAVES:
            return
        time.sleep(0.01)


def _intervals(session: Session, campaign: str) -> list[tuple[float, float]]:
    """(first start, last end) of each wave, in wall seconds."""
    waves = []
    for sweep in campaigns.sweeps_of(session, campaign):
        made = [
            attempt
            for row in session.rows("runs_of_sweep", sweep_id=sweep.id, after=0, limit=CELLS)
            for attempt in runs.attempts(session, row[0])
        ]
        waves.append((min(it.started_at or 0.0 for it in made), max(it.ended_at or 0.0 for it in made)))
    return waves


if __name__ == "__main__":
    _steps(_jobs())
    print(_peak())
