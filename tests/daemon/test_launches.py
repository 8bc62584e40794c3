"""From a frozen run to what a host carries out: names, devices, environments. The resulting commands run for real."""

from __future__ import annotations

import os
import stat
import subprocess
import venv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon.launches import Claimed, launch_of, outputs_of
from overnight.domain.errors import Refused
from overnight.domain.nouns import SweepSettings
from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.planner.place import FreeDevice
from overnight.targets.base import Launch

SETTINGS = SweepSettings("/work dir", Need(), Retry(), EnvironmentPlan(), 60.0, 5.0, None, ("seed",))
GPUS = [FreeDevice("here/GPU-b", "gpu", 3, 80_000, "H100"), FreeDevice("here/GPU-a", "gpu", 1, 80_000, "H100")]


def config(command: str | list[str], **changes: Any) -> dict[str, Any]:
    return {"command": command, "parameters": {}, "outputs": [], "env": {}, **changes}


def claimed(made: dict[str, Any], **changes: Any) -> Claimed:
    it = Claimed(
        attempt="a.1",
        run="a",
        number=1,
        fence=7,
        target="here",
        folder="/home/o'brien/runs/a/1",
        devices=[FreeDevice("here/slot0", "slot", 0, 0, "slot")],
        config=made,
        settings=SETTINGS,
        upstream={},
        log_cap=99,
    )
    return replace(it, **changes)


def run(launch: Launch, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        **variables,
        **{name: value for name, value in launch.env.items() if value is not None},
    }
    return subprocess.run(launch.argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_an_argument_vector_never_meets_a_shell() -> None:
    assert launch_of(claimed(config(["echo", "$(touch x)", "${run_dir}"]))).argv == (
        "echo",
        "$(touch x)",
        "/home/o'brien/runs/a/1",
    )


def test_launch_time_names_are_quoted_for_the_shell(tmp_path: Path) -> None:
    launch = launch_of(
        claimed(config("printf '%s\\n' ${run_dir} \"${needs.teachers}/t.npz\""), upstream={"teachers": "/x y"})
    )
    assert run(launch, tmp_path).stdout == "/home/o'brien/runs/a/1\n/x y/t.npz\n"


def test_what_the_shell_knows_is_left_to_it(tmp_path: Path) -> None:
    launch = launch_of(claimed(config('echo "$HOME ${HOME} $${run_dir}"')))
    assert launch.argv[:2] == ("/bin/sh", "-c")
    assert "$HOME ${HOME}" in launch.argv[2]


def test_gpus_are_named_by_their_place_and_hidden_from_runs_without() -> None:
    with_gpus = launch_of(claimed(config(["t", "${GPU}"]), devices=GPUS))
    assert with_gpus.env["CUDA_VISIBLE_DEVICES"] == "3,1"
    assert with_gpus.env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert with_gpus.argv == ("t", "3,1")
    assert launch_of(claimed(config(["t"]))).env["CUDA_VISIBLE_DEVICES"] == ""


def test_declared_variables_are_set_and_cannot_move_the_devices() -> None:
    launch = launch_of(claimed(config(["t"], env={"OUT": "${run_dir}/o", "CUDA_VISIBLE_DEVICES": "7"})))
    assert launch.env["OUT"] == "/home/o'brien/runs/a/1/o"
    assert launch.env["CUDA_VISIBLE_DEVICES"] == ""


def test_limits_and_place_travel_along() -> None:
    launch = launch_of(claimed(config(["t"])))
    assert (launch.cwd, launch.time_limit, launch.grace, launch.log_cap, launch.fence) == (
        "/work dir",
        60.0,
        5.0,
        99,
        7,
    )


def test_outputs_lie_in_the_folder_of_their_attempt() -> None:
    assert outputs_of(config(["t"], outputs=["${run_dir}/m.npz", "out/x"]), {"run_dir": "/r"}) == ["/r/m.npz", "out/x"]


def test_a_name_without_a_value_refuses_the_launch() -> None:
    with pytest.raises(Refused):
        launch_of(claimed(config(["t", "${needs.teachers}"])))


def test_a_virtual_environment_is_activated_before_the_command(tmp_path: Path) -> None:
    venv.create(tmp_path / "an env", with_pip=False, symlinks=True)
    settings = replace(SETTINGS, workdir=str(tmp_path), environment=EnvironmentPlan(venv="an env"))
    launch = launch_of(claimed(config(["python", "-c", "import sys; print(sys.prefix)"]), settings=settings))
    assert run(launch, tmp_path).stdout.strip() == str(tmp_path / "an env")
    text = launch_of(claimed(config('echo "$VIRTUAL_ENV"'), settings=settings))
    assert run(text, tmp_path).stdout.strip() == str(tmp_path / "an env")


def test_a_missing_virtual_environment_says_so_and_runs_nothing(tmp_path: Path) -> None:
    settings = replace(SETTINGS, workdir=str(tmp_path), environment=EnvironmentPlan(venv="gone"))
    done = run(launch_of(claimed(config(["touch", "ran"]), settings=settings)), tmp_path)
    assert done.returncode == 126
    assert "no virtual environment at" in done.stderr
    assert not (tmp_path / "ran").exists()


def conda(home: Path, known: str) -> None:
    """A conda that knows one environment, in the first place where one is looked for."""
    program = home / "anaconda3" / "bin" / "conda"
    program.parent.mkdir(parents=True)
    program.write_text(
        '#!/bin/sh\necho \'conda() { [ "$2" = '
        + known
        + " ] && CONDA_DEFAULT_ENV=$2 && export CONDA_DEFAULT_ENV; }'\n",
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_a_conda_environment_is_activated_by_the_hook_that_is_found(tmp_path: Path) -> None:
    conda(tmp_path, "torch")
    settings = replace(SETTINGS, environment=EnvironmentPlan(conda="torch"))
    launch = launch_of(claimed(config('echo "in $CONDA_DEFAULT_ENV"'), settings=settings))
    assert run(launch, tmp_path, HOME=str(tmp_path)).stdout == "in torch\n"


def test_a_conda_environment_that_is_not_there_says_so_and_runs_nothing(tmp_path: Path) -> None:
    conda(tmp_path, "torch")
    settings = replace(SETTINGS, environment=EnvironmentPlan(conda="jax"))
    done = run(launch_of(claimed(config(["touch", "ran"]), settings=settings)), tmp_path, HOME=str(tmp_path))
    assert done.returncode == 126
    assert "the conda environment jax could not be activated" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_machine_without_conda_says_so(tmp_path: Path) -> None:
    settings = replace(SETTINGS, environment=EnvironmentPlan(conda="torch"))
    launch = launch_of(claimed(config(["touch", "ran"]), settings=settings))
    done = run(launch, tmp_path, HOME=str(tmp_path), PATH="/usr/bin:/bin")
    assert done.returncode != 0
    assert "conda was not found" in done.stderr
    assert not (tmp_path / "ran").exists()
