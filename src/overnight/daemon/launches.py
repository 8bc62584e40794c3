"""From a frozen run and its devices to the launch that a host carries out. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from overnight.domain.nouns import SweepSettings
from overnight.manifest.template import launch_text
from overnight.planner.place import FreeDevice
from overnight.targets.base import Launch

_VENV = """\
[ -x "$1/bin/python" ] || { echo "overnight: there is no virtual environment at $1" >&2; exit 126; }
VIRTUAL_ENV=$1; PATH=$1/bin:$PATH; export VIRTUAL_ENV PATH; unset PYTHONHOME; shift; exec "$@"
"""

_CONDA = """\
hook() {
  for base in "$HOME/anaconda3" "$HOME/miniconda3" "$HOME/miniforge3" /opt/anaconda3 /opt/miniconda3 /opt/miniforge3 \
/usr/local/anaconda3 /opt/homebrew/anaconda3; do
    [ -x "$base/bin/conda" ] && { "$base/bin/conda" shell.posix hook; return; }
  done
  command -v conda > /dev/null && { conda shell.posix hook; return; }
  echo 'echo "overnight: conda was not found" >&2; false'
}
eval "$(hook)" || exit 126
conda activate "$1" || { echo "overnight: the conda environment $1 could not be activated" >&2; exit 126; }
shift; exec "$@"
"""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An attempt that was just given its fence and devices, and what it runs."""

    attempt: str
    run: str
    number: int
    fence: int
    target: str
    folder: str
    devices: Sequence[FreeDevice]
    config: Mapping[str, Any]
    settings: SweepSettings
    upstream: Mapping[str, str]
    """Sweep name -> folder of the one run of it that this run waited for."""
    log_cap: int | None


def effective(config: Mapping[str, Any], rung: int) -> Mapping[str, Any]:
    """What a run executes on a rung: its configuration as written (0), or with its n-th declared smaller setting."""
    if rung == 0:
        return config
    smaller = config["smaller"][rung - 1]
    parameters = {**config["parameters"], **smaller["changed"]}
    return {**config, "command": smaller["command"], "env": smaller["env"], "parameters": parameters}


def launch_of(claimed: Claimed) -> Launch:
    """Resolve the names that are known only now, and wrap the command in its environment."""
    names = launch_names(claimed)
    return Launch(
        attempt=claimed.attempt,
        run=claimed.run,
        number=claimed.number,
        fence=claimed.fence,
        argv=_activated(_argv(claimed.config["command"], names), claimed.settings),
        env=_variables(claimed, names),
        cwd=claimed.settings.workdir,
        folder=claimed.folder,
        time_limit=claimed.settings.time_limit,
        grace=claimed.settings.grace,
        log_cap=claimed.log_cap,
    )


def launch_names(claimed: Claimed) -> dict[str, str]:
    """Values of `${run_dir}`, `${GPU}` and `${needs.SWEEP}` for one attempt."""
    gpus = ",".join(str(device.position) for device in claimed.devices if device.kind == "gpu")
    return {
        "run_dir": claimed.folder,
        "GPU": gpus,
        **{f"needs.{name}": folder for name, folder in claimed.upstream.items()},
    }


def outputs_of(config: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """The declared outputs of an attempt, launch-time names resolved."""
    return [launch_text(output, names, shell=False) for output in config["outputs"]]


def _argv(command: str | list[str], names: Mapping[str, str]) -> tuple[str, ...]:
    if isinstance(command, str):
        return ("/bin/sh", "-c", launch_text(command, names, shell=True))
    return tuple(launch_text(part, names, shell=False) for part in command)


def _activated(argv: tuple[str, ...], settings: SweepSettings) -> tuple[str, ...]:
    environment = settings.environment
    if environment.venv is not None:
        venv = posixpath.normpath(posixpath.join(settings.workdir, environment.venv))
        return ("/bin/sh", "-c", _VENV, "overnight", venv, *argv)
    if environment.conda is not None:
        return ("/bin/sh", "-c", _CONDA, "overnight", environment.conda, *argv)
    return argv


def _variables(claimed: Claimed, names: Mapping[str, str]) -> dict[str, str | None]:
    declared = {name: launch_text(value, names, shell=False) for name, value in claimed.config["env"].items()}
    return {
        "PYTHONUNBUFFERED": "1",
        **declared,
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": names["GPU"],
    }
