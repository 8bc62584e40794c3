"""From a frozen run and its devices to the launch that a host carries out. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from overnight.daemon.environments import Around, activated
from overnight.domain.lease import HOLD
from overnight.domain.nouns import SweepSettings
from overnight.manifest.template import launch_text
from overnight.planner.fit import FreeDevice
from overnight.store.cluster import DECLARED
from overnight.targets.base import Launch

CODE, TREE = "code", "tree"
"""Frozen copies lie beside the folder of the runs, each in a folder named by its identity, with its list of files."""
NO_SECRETS: Mapping[str, str] = MappingProxyType({})


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
    workdir: str
    """Where it works, on its target; perhaps below `~`, which a target may only know later: see `Place.whole`."""
    borrowed: frozenset[str] = frozenset()
    """Sweeps of which the folder in `upstream` is one of this machine and must be brought to the run's target."""


def workdir_of(settings: SweepSettings, folder: str) -> str:
    """Where an attempt works: in the frozen copy beside the folders of its target's attempts, if its code was frozen.

    `folder` is the attempt's own, `…/runs/RUN/N`: it tells where that is, whether or not the target answers now.
    """
    return settings.workdir if settings.code is None else str(Path(folder).parents[2] / CODE / settings.code / TREE)


def effective(config: Mapping[str, Any], rung: int) -> Mapping[str, Any]:
    """What a run executes on a rung: its configuration as written (0), or with its n-th declared smaller setting."""
    if rung == 0:
        return config
    smaller = config["smaller"][rung - 1]
    parameters = {**config["parameters"], **smaller["changed"]}
    return {**config, "command": smaller["command"], "env": smaller["env"], "parameters": parameters}


def own(claimed: Claimed, name: str) -> float | None:
    """Seconds that a cell may set for itself (`time_limit`, `estimate`, `stale_after`), else those of its sweep."""
    value: float | None = claimed.config.get(name)
    if value is None:
        value = getattr(claimed.settings, name)
    return value


def launch_of(claimed: Claimed, secrets: Mapping[str, str] = NO_SECRETS) -> Launch:
    """Resolve the names that are known only now, and wrap the command in its environment.

    `secrets` become variables and are part of nothing else. Raises Refused for what cannot be written as a command.
    """
    names = launch_names(claimed)
    variables = _variables(claimed, names, secrets)
    return Launch(
        attempt=claimed.attempt,
        run=claimed.run,
        number=claimed.number,
        fence=claimed.fence,
        argv=activated(_argv(claimed, names), claimed.settings.environment, _around(claimed, variables)),
        env=variables,
        cwd=claimed.workdir,
        folder=claimed.folder,
        time_limit=own(claimed, "time_limit"),
        grace=claimed.settings.grace,
        log_cap=claimed.log_cap,
        check=_check(claimed),
        devices=gpus_of(claimed.devices),
        shared=claimed.settings.need.share > 1,
        lease=lease_of(claimed.settings),
        code=copy_of(claimed),
    )


def gpus_of(devices: Sequence[FreeDevice]) -> tuple[str, ...]:
    """UUIDs of the GPUs among them; those that a person only says are there have none."""
    return tuple(it.id.rpartition("/")[2] for it in devices if it.kind == "gpu" and not it.id.startswith(DECLARED))


def copy_of(claimed: Claimed) -> str | None:
    """The folder of the frozen copy that it works in; its name is the identity."""
    folder, code = posixpath.dirname(claimed.workdir), claimed.settings.code
    return folder if code is not None and posixpath.basename(folder) == code else None


def lease_of(settings: SweepSettings) -> float | None:
    """Seconds without a word of us after which a host ends a run by itself; None = never."""
    return None if settings.on_disconnect == HOLD else settings.lease


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


def _argv(claimed: Claimed, names: Mapping[str, str]) -> tuple[str, ...]:
    command, settings = claimed.config["command"], claimed.settings
    if not isinstance(command, str):
        return tuple(launch_text(part, names, shell=False) for part in command)
    return (settings.shell, "-c", command if settings.capacity else launch_text(command, names, shell=True))


def _check(claimed: Claimed) -> tuple[str, ...] | None:
    """What says first whether a text can be read at all: runs of the Wild V2 protocol execute nothing of one that
    cannot, and take their texts literally."""
    command, settings = claimed.config["command"], claimed.settings
    return (settings.shell, "-n", "-c", command) if settings.capacity and isinstance(command, str) else None


def _around(claimed: Claimed, variables: Mapping[str, str | None]) -> Around:
    return Around(
        attempt=claimed.attempt,
        workdir=claimed.workdir,
        folders=(claimed.folder, *claimed.upstream.values()),
        variables=variables,
        gpus=any(device.kind == "gpu" for device in claimed.devices),
        grace=claimed.settings.grace,
    )


def _variables(claimed: Claimed, names: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str | None]:
    declared = {name: launch_text(value, names, shell=False) for name, value in claimed.config["env"].items()}
    chosen: dict[str, str | None] = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": names["GPU"]}
    if claimed.settings.capacity and not names["GPU"]:
        chosen = {}  # a scheduler gives the GPUs, or there are none
    return {"PYTHONUNBUFFERED": "1", **declared, **secrets, **chosen}
