"""Campaigns to report on, made from a few words. Imported as `tests.reports.worlds`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from overnight.domain.nouns import Campaign, Run, Sweep, SweepSettings
from overnight.domain.plan import Budget, Direction, EnvironmentPlan, Goal, Need, Retry
from overnight.reports.material import Material, RunMaterial, SweepMaterial

START = 1_772_000_000.0
"""Wall seconds at which these campaigns start."""
ACCURACY = Goal("accuracy", Direction.MAXIMIZE)
LOSS = Goal("loss", Direction.MINIMIZE)
HOSTILE = "|`</td><script>alert(1)</script>\x1b[31m*_[x](http://evil)\u202e\n\ud800&\"'"
"""A name that tries Markdown, HTML, attributes, terminals, lines, direction and encodings."""


def run(name: str, results: Mapping[str, float] | None = None, **given: Any) -> RunMaterial:
    """A run that succeeded in 10 s at once; its parameters are `parameters`."""
    state = given.get("state", "succeeded")
    attempts = given.get("attempts", 0 if state in ("waiting", "queued", "blocked") else 1)
    started = given.get("started_at", START if attempts else None)
    ended = given.get("ended_at", started + 10.0 if started is not None and state in ENDED else None)
    config = {
        "command": given.get("command", f"python train.py {name}"),
        "parameters": given.get("parameters", {}),
        "outputs": [],
        "env": given.get("env", {}),
    }
    made = Run(
        id=given.get("id", f"{abs(hash_of(name)):012x}"[:12]),
        seq=1,
        campaign_id="c" * 12,
        sweep_id="5" * 12,
        name=name,
        state=state,
        reason=given.get("reason"),
        detail=given.get("detail"),
        priority=0,
        config=config,
        attempts=attempts,
        failures=0,
        interruptions=0,
        not_before=None,
        created_at=START,
        started_at=started,
        ended_at=ended,
        fence=attempts,
    )
    seconds = ended - started if ended is not None and started is not None else None
    return RunMaterial(made, results or {}, seconds, tuple(given.get("last_lines", ())), attempts)


ENDED = ("succeeded", "failed", "cancelled")


def hash_of(name: str) -> int:
    """The same in every process, as `hash` is not."""
    return sum((place + 1) * 7919 * ord(letter) for place, letter in enumerate(name)) * 104_729


def sweep(name: str, runs: Iterable[RunMaterial], replicates: Sequence[str] = ("seed",)) -> SweepMaterial:
    """A settled sweep."""
    settings = SweepSettings("/w", Need(), Retry(), EnvironmentPlan(), None, 10.0, None, tuple(replicates))
    made = Sweep("5" * 12, 1, "c" * 12, name, "settled", "open", 0, settings, START, START + 60)
    return SweepMaterial(made, list(runs))


def material(sweeps: Iterable[SweepMaterial], goal: Goal | None = ACCURACY, **given: Any) -> Material:
    """A campaign that took a minute."""
    campaign = Campaign(
        id="c" * 12,
        seq=1,
        name=given.get("name", "digits"),
        state=given.get("state", "succeeded"),
        gate=given.get("gate", "open"),
        digest="",
        path="/w/campaign.yaml",
        goal=goal,
        budget=Budget(),
        parallel=None,
        code={},
        attempts_used=0,
        created_at=START,
        started_at=given.get("started_at", START),
        settled_at=given.get("settled_at", START + 60),
        actor="me",
    )
    return Material(campaign, list(sweeps), given.get("now", START + 100))


def seeds(metric: str, values: Sequence[float | None], **parameters: Any) -> list[RunMaterial]:
    """One run per seed; None is a failed one."""
    label = "-".join(f"{name}{value}" for name, value in parameters.items()) or "alone"
    return [
        run(
            f"{label}-s{seed}",
            None if value is None else {metric: value},
            parameters={**parameters, "seed": seed},
            **({"state": "failed", "reason": "nonzero_exit", "detail": "exit 3"} if value is None else {}),
        )
        for seed, value in enumerate(values)
    ]


def digits() -> Material:
    """Like the example: teachers, students alone, students with a teacher; a failure, a NaN, a blocked run."""
    teachers = [it for width, values in TEACHERS.items() for it in seeds("accuracy", values, width=width)]
    students = [it for width, values in STUDENTS.items() for it in seeds("accuracy", values, width=width, teacher=True)]
    blocked = run(
        "student-w64-s3",
        parameters={"width": 64, "teacher": True, "seed": 3},
        state="blocked",
        reason="need_failed",
        detail="width64-s3 is failed",
    )
    lines = ("Traceback (most recent call last):", '  File "train.py", line 12', "RuntimeError: shapes (8, 64) | `x`")
    broken = run(
        "width64-s3",
        parameters={"width": 64, "seed": 3},
        state="failed",
        reason="nonzero_exit",
        detail="exit code 1",
        attempts=2,
        last_lines=lines,
    )
    return material(
        [
            sweep("teachers", [*teachers, broken]),
            sweep("alone", seeds("accuracy", [0.861, 0.874, 0.869])),
            sweep("students", [*students, blocked]),
        ],
        state="failed",
    )


TEACHERS = {
    4: [0.802, 0.741, 0.779],
    16: [0.941, 0.936, 0.948],
    64: [0.967, 0.971, 0.969],
    256: [0.975, 0.977, 0.972],
}
STUDENTS: dict[int, list[float | None]] = {
    4: [0.842, 0.803, float("nan")],
    16: [0.889, 0.902, 0.895],
    64: [0.911, 0.897, 0.905],
    256: [0.909, 0.915, 0.903],
}
