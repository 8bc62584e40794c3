"""Commands that could never be started, found without starting them."""

from __future__ import annotations

import os
import shutil
import subprocess

from overnight.domain.plan import SweepPlan
from overnight.service.ground import Trouble

SHELL_SECONDS = 5.0
"""Longest wait for the shell's own check of a command."""
PARSED_AT_MOST = 32
"""Commands of a sweep that the shell is asked to parse; of more only the first, for they come from one template."""


def unparsed(sweep: SweepPlan) -> list[Trouble]:
    """The first text that the shell cannot parse."""
    texts = list(dict.fromkeys(cell.command for cell in sweep.cells if isinstance(cell.command, str)))
    parsed = (_syntax(text) for text in texts[: 1 if len(texts) > PARSED_AT_MOST else None])
    return [it for it in parsed if it][:1]


def missing_programs(sweep: SweepPlan) -> list[Trouble]:
    """Programs that are not on this machine. What earlier sweeps may yet make is not missed."""
    environment = sweep.environment
    if sweep.needs or environment.venv or environment.conda or environment.uv or environment.container:
        return []
    programs = dict.fromkeys(
        cell.command[0] for cell in sweep.cells if not isinstance(cell.command, str) and "PATH" not in cell.env
    )
    return [it for program in programs if (it := _program(sweep, program))]


def _program(sweep: SweepPlan, program: str) -> Trouble | None:
    if "$" in program:
        return None
    path = os.path.join(sweep.workdir, program) if os.path.dirname(program) else program
    return None if shutil.which(path) else Trouble("command_missing", f"the program {program} was not found")


def _syntax(command: str) -> Trouble | None:
    """Ask the shell whether it can parse the text; `-n` runs nothing."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-n", "-c", command.replace("${needs.", "${needs_")],
            capture_output=True,
            timeout=SHELL_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    text = done.stderr.decode("utf-8", errors="replace").strip()
    return Trouble("command_syntax", f"the shell cannot parse the command: {text[:200]}") if done.returncode else None
