"""Virtual environments, and what holds without any environment: devices and variables reach the whole job."""

from __future__ import annotations

import venv

import pytest

from overnight.domain.plan import EnvironmentPlan
from tests.environments.harness import GPU, Site

PLAIN = EnvironmentPlan()
SHOW = 'echo "$CUDA_VISIBLE_DEVICES"'


def test_a_virtual_environment_is_activated_before_the_command(site: Site) -> None:
    venv.create(site.workdir / "an env", with_pip=False, symlinks=True)
    environment = EnvironmentPlan(venv="an env")
    done = site.run(["python", "-c", "import sys; print(sys.prefix)"], environment)
    assert done.stdout.strip() == str(site.workdir / "an env")
    assert site.run('echo "$VIRTUAL_ENV"', environment).stdout.strip() == str(site.workdir / "an env")
    assert site.said is None


def test_a_missing_virtual_environment_says_so_and_runs_nothing(site: Site) -> None:
    site.refused(site.run(["touch", "ran"], EnvironmentPlan(venv="gone")), "there is no virtual environment at")


def test_an_environment_leaves_code_and_signal_of_the_command_as_they_are(site: Site) -> None:
    venv.create(site.workdir / "env", with_pip=False, symlinks=True)
    assert site.run("exit 7", EnvironmentPlan(venv="env")).returncode == 7
    assert site.run("kill -KILL $$", EnvironmentPlan(venv="env")).returncode == -9


def test_words_of_a_command_are_no_options_of_the_activation(site: Site) -> None:
    venv.create(site.workdir / "env", with_pip=False, symlinks=True)
    hostile = ["printf", "%s|", "-x", "$(touch ran)", "a b", "", "'\"\n"]
    assert site.run(hostile, EnvironmentPlan(venv="env")).stdout == "-x|$(touch ran)|a b||'\"\n|"
    assert not (site.workdir / "ran").exists()


@pytest.mark.parametrize(
    "command",
    [
        f"true && {SHOW}",
        f"true; {SHOW}",
        f"{SHOW} | cat",
        f"true | {{ cat; {SHOW}; }}",
        f"( {SHOW} )",
        f"sh -c '{SHOW}'",
        f"for i in 1; do {SHOW}; done",
        f"{SHOW} &\nwait",
    ],
)
def test_devices_are_set_for_every_part_of_a_compound_command(site: Site, command: str) -> None:
    assert site.run(command, PLAIN, devices=[GPU]).stdout == "1\n"


def test_a_pin_that_a_command_sets_itself_is_honoured(site: Site) -> None:
    done = site.run(
        f"CUDA_VISIBLE_DEVICES=5 sh -c '{SHOW}'; {SHOW}; (export CUDA_VISIBLE_DEVICES=6; {SHOW})", PLAIN, devices=[GPU]
    )
    assert done.stdout.split() == ["5", "1", "6"]


def test_variables_of_a_run_reach_it_and_secrets_win_over_them(site: Site) -> None:
    done = site.run('echo "$A $B"', PLAIN, env={"A": "declared", "B": "b"}, secrets={"A": "read"})
    assert done.stdout == "read b\n"
