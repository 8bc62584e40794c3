"""Whether the environment that runs are started in is there, found without activating anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from overnight.domain.plan import EnvironmentPlan

CONDA_BASES = (
    "~/anaconda3", "~/miniconda3", "~/miniforge3", "/opt/anaconda3", "/opt/miniconda3", "/opt/miniforge3",
    "/usr/local/anaconda3", "/opt/homebrew/anaconda3",
)  # fmt: skip
"""Where conda is usually installed, in the order in which a launch looks for it."""
UV_FOLDERS = ("~/.local/bin", "~/.cargo/bin")
"""Where uv is looked for when it is not on PATH."""
ENGINES = ("apptainer", "singularity", "podman", "docker")
"""Programs that run containers."""


def environment_trouble(plan: EnvironmentPlan, workdir: str, variables: Mapping[str, str]) -> str | None:
    """Why an environment cannot be activated, as a sentence; None when nothing speaks against it."""
    if plan.venv is not None:
        return _venv(os.path.join(workdir, plan.venv))
    if plan.conda is not None:
        return _conda(plan.conda, plan.conda_hook or variables.get("ARIS_CONDA_HOOK", ""), variables)
    if plan.uv is not None:
        return _uv(os.path.join(workdir, plan.uv), variables)
    return _container(plan.container, workdir, variables) if plan.container is not None else None


def _venv(folder: str) -> str | None:
    python = os.path.join(folder, "bin", "python")
    return None if os.access(python, os.X_OK) else f"there is no virtual environment at {folder}"


def _conda(name: str, hook: str, variables: Mapping[str, str]) -> str | None:
    """A hook that is a text says nothing about where conda lies."""
    if hook.startswith("eval"):
        return None
    if hook and not os.access(_expanded(hook, variables), os.X_OK):
        return f"there is no conda program at {hook}"
    if "/" in name:
        place = _expanded(name, variables)
        return None if os.path.isdir(place) else f"there is no conda environment at {name}"
    bases = list(_bases(_expanded(hook, variables), variables))
    if not bases:
        return "conda was not found: neither where it is usually installed nor on PATH"
    if name in ("base", "root") or any(place.name == name for place in _conda_environments(bases, variables)):
        return None
    return f"{bases[0]} has no conda environment {name}"


def _bases(hook: str, variables: Mapping[str, str]) -> Iterator[Path]:
    """Folders in which the conda that a launch would take may be installed."""
    programs = [hook] if hook else [f"{_expanded(base, variables)}/bin/conda" for base in CONDA_BASES]
    found = [] if hook else [shutil.which("conda", path=variables.get("PATH")) or ""]
    for program in (*programs, *found):
        if program and os.access(program, os.X_OK):
            yield Path(os.path.realpath(program)).parent.parent


def _conda_environments(bases: list[Path], variables: Mapping[str, str]) -> Iterator[Path]:
    """Every conda environment that its folders, or conda's own list, name."""
    own = Path(_expanded("~/.conda", variables))
    more = [variables.get(name, "") for name in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS")]
    folders = [base / "envs" for base in bases] + [Path(it) for text in more for it in text.split(":") if it]
    for folder in (*folders, own / "envs"):
        with suppress(OSError):
            yield from folder.iterdir()
    with suppress(OSError, UnicodeDecodeError):
        lines = (own / "environments.txt").read_text(encoding="utf-8").splitlines()
        yield from (Path(line) for line in lines if os.path.isdir(line))


def _uv(folder: str, variables: Mapping[str, str]) -> str | None:
    path = os.pathsep.join([variables.get("PATH", ""), *(_expanded(it, variables) for it in UV_FOLDERS)])
    if shutil.which("uv", path=path) is None:
        return "uv was not found on PATH, in ~/.local/bin or in ~/.cargo/bin"
    there = os.path.isfile(os.path.join(folder, "pyproject.toml"))
    return None if there else f"there is no uv project at {folder} (no pyproject.toml)"


def _container(image: str, workdir: str, variables: Mapping[str, str]) -> str | None:
    if not any(shutil.which(engine, path=variables.get("PATH")) for engine in ENGINES):
        return "no container engine was found: neither apptainer, singularity, podman nor docker"
    is_file = image.startswith(("/", "./", "../")) or image.endswith(".sif")
    missing = is_file and not os.path.exists(os.path.join(workdir, image))
    return f"there is no container image at {image}" if missing else None


def _expanded(path: str, variables: Mapping[str, str]) -> str:
    return f"{variables.get('HOME', '')}{path[1:]}" if path == "~" or path.startswith("~/") else path
