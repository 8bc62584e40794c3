"""What would keep the runs of a plan from starting on this machine, found without starting anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

from overnight.domain.plan import CampaignPlan, SweepPlan
from overnight.planner.fit import kind_and_number
from overnight.service.views import View

SHELL_SECONDS = 5.0
"""Longest wait for the shell's own check of a command."""


def blocked_sweeps(plan: CampaignPlan, kinds: Sequence[str]) -> dict[str, View]:
    """Sweep name -> `{code, detail}` for the sweeps that could not start; `kinds` lists the healthy devices' kinds."""
    found: dict[str, View] = {}
    for sweep in plan.sweeps:
        trouble = _trouble(sweep, kinds)
        if trouble:
            found[sweep.name] = {"code": trouble[0], "detail": trouble[1]}
    return found


def _trouble(sweep: SweepPlan, kinds: Sequence[str]) -> tuple[str, str] | None:
    if not os.path.isdir(sweep.workdir):
        return "cwd_missing", f"the working directory {sweep.workdir} does not exist"
    venv = sweep.environment.venv
    if venv is not None and not os.access(os.path.join(sweep.workdir, venv, "bin", "python"), os.X_OK):
        return "env_missing", f"there is no virtual environment at {venv}"
    kind, number = kind_and_number(sweep.need)
    if kinds and kinds.count(kind) < number:
        noun = "GPUs" if kind == "gpu" else "CPU slots"
        return f"{kind}_missing", f"it needs {number} {noun}, this machine has {kinds.count(kind)}"
    return _command_trouble(sweep)


def _command_trouble(sweep: SweepPlan) -> tuple[str, str] | None:
    """Looks at the first cell: all cells of a sweep come from one template."""
    command = sweep.cells[0].command
    if isinstance(command, str):
        return _shell_trouble(command)
    if sweep.environment.venv or sweep.environment.conda or "$" in command[0]:
        return None
    program = command[0] if os.path.dirname(command[0]) == "" else os.path.join(sweep.workdir, command[0])
    return None if shutil.which(program) else ("command_missing", f"the program {command[0]} was not found")


def _shell_trouble(command: str) -> tuple[str, str] | None:
    """Ask the shell whether it can parse the text; `-n` runs nothing."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-n", "-c", command.replace("${needs.", "${needs_")],
            capture_output=True,
            timeout=SHELL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = done.stderr.decode("utf-8", errors="replace").strip()
    return ("command_syntax", f"the shell cannot parse the command: {text[:200]}") if done.returncode else None
