"""A machine reached over SSH beside this one and beside plain OpenSSH, all over an sshd on 127.0.0.1."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.loopback import sshd
from bench.measure import Figure, median_of
from bench.plane import plane, wait_until_final
from overnight.service.context import Context
from overnight.service.requests import Submission
from overnight.service.submit import submit
from overnight.store import campaigns, runs

RUNS = 200
FILES = 10_000
SLOTS = 2
AIM_MILLISECONDS = 10.0
"""What a run over SSH may cost above a run here."""


def figures() -> list[Figure]:
    """Milliseconds of a run here, there, and of `ssh HOST true`; of a folder of 10,000 files that did not change."""
    with sshd() as folder, plane(SLOTS, _target(folder)) as context, tempfile.TemporaryDirectory() as code:
        config = ("-F", str(folder / "ssh_config"), "-o", "BatchMode=yes")
        new = _median(10, ["ssh", *config, "box", "true"])
        master = _over_master(folder, config)
        ours = {target: _campaign(context, code, target, RUNS) for target in ("here", "box", "here", "box")}
        return [*_runs(ours["here"], ours["box"], new, master), *_mirror(context, folder)]


def _target(folder: Path) -> str:
    """Lines of config.toml."""
    return (
        f'[targets.box]\nssh = "box"\nssh_config = "{folder}/ssh_config"\nfolder = "{folder}/box"\n'
        f"slots = {SLOTS}\ndisk_reserve_mib = 0\n"
    )


def _over_master(folder: Path, config: Sequence[str]) -> float:
    shared = [*config, "-o", f"ControlPath={folder}/master"]
    subprocess.run(["ssh", *shared, "-f", "-N", "-M", "box"], check=True)
    try:
        return _median(30, ["ssh", *shared, "box", "true"])
    finally:
        subprocess.run(["ssh", *shared, "-O", "exit", "box"], check=True, capture_output=True)


def _runs(here: tuple[float, float], box: tuple[float, float], new: float, master: float) -> list[Figure]:
    above = box[0] - here[0]
    return [
        Figure("ssh HOST true, new connection", new, "ms"),
        Figure("ssh HOST true, ControlMaster", master, "ms"),
        Figure(f"{RUNS} short runs here, each", here[0], "ms"),
        Figure(f"{RUNS} short runs on the host, each", box[0], "ms", "here", box[0] / here[0]),
        Figure("a run on the host above one here", above, "ms", "ssh, ControlMaster", above / master,
               f"<= {AIM_MILLISECONDS:.0f} ms", above <= AIM_MILLISECONDS),
        Figure("a run on the host above one here", above, "ms", "ssh, new connection", above / new),
        Figure("job's end to settled, here", here[1], "ms"),
        Figure("job's end to settled and its files home, host", box[1], "ms", "here", box[1] / here[1]),
    ]  # fmt: skip


def _campaign(context: Context, workdir: str, target: str, count: int) -> tuple[float, float]:
    """Milliseconds of one of `count` runs of `true`, from the first claim to the last end, and from exit to the end."""
    sweep = _submit(context, workdir, target, count)
    wait_until_final(context, sweep, count)
    return context.store.read(lambda session: _times(session, sweep, count))


def _submit(context: Context, workdir: str, target: str, count: int) -> str:
    """The id of the sweep."""
    plan = {
        "campaign": "bench", "targets": [target], "mirror": target != "here", "breaker": None,
        "sweeps": {"s": {"grid": {"n": list(range(count))}, "command": ["true"]}},
    }  # fmt: skip
    answer = submit(context, Submission(file=json.dumps(plan), path="bench.yaml", directory=workdir))
    campaign = answer["campaign"]["id"]
    return context.store.read(lambda session: campaigns.sweeps_of(session, campaign))[0].id


def _times(session: Any, sweep: str, count: int) -> tuple[float, float]:
    ids = [row[0] for row in session.rows("runs_of_sweep", sweep_id=sweep, after=0, limit=count)]
    made = {run: runs.attempts(session, run)[-1] for run in ids}
    ends = {run: runs.get(session, run).ended_at or 0.0 for run in ids}
    whole = max(ends.values()) - min(it.claimed_at for it in made.values())
    settling = [ends[run] - (made[run].record or {})["ended_at"] for run in ids]
    return 1000 * whole / count, 1000 * statistics.median(settling)


def _mirror(context: Context, folder: Path) -> list[Figure]:
    """The second campaign of the same folder: from the request to its one run's end; rsync copies nothing either."""
    with tempfile.TemporaryDirectory() as code:
        for number in range(FILES):
            path = Path(code, f"{number // 100:02}", f"{number:04}.py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"print({number})\n", encoding="ascii")
        first = _timed(lambda: wait_until_final(context, _submit(context, code, "box", 1), 1))
        again = median_of(5, lambda: _timed(lambda: wait_until_final(context, _submit(context, code, "box", 1), 1)))
        shell = f"ssh -F {folder}/ssh_config -o BatchMode=yes"
        alone = ["rsync", "-a", "-e", shell, f"{code}/", f"box:{folder}/rsync/"]
        subprocess.run(alone, check=True)
        beside = _median(5, alone)
    return [
        Figure(f"rsync alone, {FILES:,} files unchanged", beside, "ms"),
        Figure(f"{FILES:,} new files and a run", first, "ms"),
        Figure(f"{FILES:,} files unchanged and a run", again, "ms", "rsync alone", again / beside),
    ]


def _median(repeats: int, command: Sequence[str]) -> float:
    return median_of(repeats, lambda: _timed(lambda: subprocess.run(command, check=True)))


def _timed(work: Callable[[], Any]) -> float:
    """Milliseconds."""
    begin = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begin)
