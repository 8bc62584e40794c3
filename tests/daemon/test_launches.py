"""From a frozen run to what a host carries out: names, devices, environments. The resulting commands run for real."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.daemon.launches import Claimed, effective, launch_of, outputs_of
from overnight.domain.errors import Refused
from overnight.domain.nouns import SweepSettings
from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.planner.fit import FreeDevice
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
        workdir=SETTINGS.workdir,
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


def test_a_cell_may_have_a_time_limit_of_its_own() -> None:
    assert launch_of(claimed(config(["t"], time_limit=3.0))).time_limit == 3.0
    assert launch_of(claimed(config(["t"], time_limit=None))).time_limit == 60.0


def test_a_smaller_setting_changes_command_variables_and_parameters() -> None:
    smaller = {"command": ["t", "--batch", "8"], "env": {"B": "8"}, "changed": {"batch": 8}}
    written = config(["t", "--batch", "64"], env={"B": "64"}, parameters={"batch": 64, "seed": 1}, smaller=[smaller])
    launch = launch_of(claimed(effective(written, 1)))
    assert (launch.argv, launch.env["B"]) == (("t", "--batch", "8"), "8")
    assert effective(written, 1)["parameters"] == {"batch": 8, "seed": 1}
    assert effective(written, 0) is written


def test_secrets_are_variables_and_nothing_else() -> None:
    launch = launch_of(claimed(config(["t", "$KEY"], env={"KEY": "declared"})), {"KEY": "hunter2"})
    assert launch.env["KEY"] == "hunter2"
    assert "hunter2" not in repr(launch)
