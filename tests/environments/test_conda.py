"""Conda: where it is looked for, how it is asked, and what is said when it fails.

The program is a stand-in that keeps conda's contract: `conda shell.SHELL hook` prints functions for that shell, and
the function `conda activate` finds folders below `envs`, prints to stderr and fails for others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from overnight.domain.plan import EnvironmentPlan
from tests.environments.harness import Site, path_without, program

HOOK = """\
#!/bin/sh
[ "$2" = hook ] || exit 1
root=$(dirname "$(dirname "$0")")
cat <<END
export CONDA_SHELL=$1
conda() {
  if [ "\\$1" != activate ] || [ ! -d "$root/envs/\\$2" ]; then
    echo "EnvironmentNameNotFound: Could not find conda environment: \\$2" >&2
    return 1
  fi
  set -- hostile positional words
  CONDA_DEFAULT_ENV=\\$2 CONDA_PREFIX=$root/envs/torch PATH=$root/envs/torch/bin:\\$PATH
  CONDA_ROOT=$root
  export CONDA_PREFIX PATH CONDA_ROOT
}
END
"""
TORCH = EnvironmentPlan(conda="torch")
SHOW = ["sh", "-c", 'echo "$CONDA_ROOT $CONDA_PREFIX"']


def conda(root: Path, hook: str = HOOK) -> Path:
    """An installation that has the environment `torch`; returns its program."""
    (root / "envs" / "torch" / "bin").mkdir(parents=True)
    return program(root / "bin" / "conda", hook)


def found(site: Site, environment: EnvironmentPlan = TORCH, **variables: str) -> Path:
    """The installation whose environment was activated."""
    done = site.run(SHOW, environment, variables)
    assert done.returncode == 0, done.stderr
    root, prefix = done.stdout.split()
    assert prefix == f"{root}/envs/torch"
    return Path(root)


@pytest.mark.parametrize("folder", ["anaconda3", "miniconda3", "miniforge3"])
def test_conda_is_found_where_it_is_usually_installed(site: Site, folder: str) -> None:
    conda(site.home / folder)
    assert found(site) == site.home / folder


def test_conda_is_looked_for_in_a_fixed_order(site: Site) -> None:
    at_home = site.home / "miniconda3"
    on_path, by_variable, by_setting = (conda(site.home / name) for name in ("path", "variable", "setting"))
    assert found(site, PATH=f"{on_path.parent}:/usr/bin:/bin") == site.home / "path"
    conda(at_home)
    assert found(site, PATH=f"{on_path.parent}:/usr/bin:/bin") == at_home
    assert found(site, ARIS_CONDA_HOOK=str(by_variable)) == site.home / "variable"
    hook = EnvironmentPlan(conda="torch", conda_hook=str(by_setting))
    assert found(site, hook, ARIS_CONDA_HOOK=str(by_variable)) == site.home / "setting"


def test_a_hook_may_start_at_the_home_folder(site: Site) -> None:
    conda(site.home / "own")
    assert found(site, EnvironmentPlan(conda="torch", conda_hook="~/own/bin/conda")) == site.home / "own"


def test_a_hook_that_begins_with_eval_is_run_as_it_is(site: Site) -> None:
    program_ = conda(site.home / "own")
    hook = EnvironmentPlan(conda="torch", conda_hook=f'eval "$({program_} shell.bash hook)"')
    assert found(site, hook) == site.home / "own"
    assert found(site, ARIS_CONDA_HOOK=f'eval "$({program_} shell.posix hook)"') == site.home / "own"


def test_activation_runs_in_bash_where_there_is_one(site: Site, tmp_path: Path) -> None:
    conda(site.home / "miniconda3")
    show = ["sh", "-c", 'echo "$CONDA_SHELL"']
    assert site.run(show, TORCH).stdout == "shell.bash\n"
    without = path_without("bash", "rbash", folder=tmp_path / "bin")
    assert site.run(show, TORCH, {"PATH": without}).stdout == "shell.posix\n"


def test_the_words_of_the_command_survive_what_activation_does_to_its_own(site: Site) -> None:
    conda(site.home / "miniconda3")
    assert site.run(["printf", "%s|", "a b", "", "$x"], TORCH).stdout == "a b||$x|"


def test_an_environment_that_is_not_there_is_told_in_the_words_of_conda_and_ours(site: Site) -> None:
    conda(site.home / "miniconda3")
    done = site.run(["touch", "ran"], EnvironmentPlan(conda="jax"))
    site.refused(done, "the conda environment jax could not be activated")
    assert "EnvironmentNameNotFound" in done.stderr


def test_a_machine_without_conda_says_so(site: Site) -> None:
    site.refused(site.run(["touch", "ran"], TORCH), "conda was not found")


def test_a_hook_that_is_not_there_says_so(site: Site) -> None:
    conda(site.home / "miniconda3")
    hook = EnvironmentPlan(conda="torch", conda_hook="/gone/conda")
    site.refused(site.run(["touch", "ran"], hook), "there is no conda program at /gone/conda")


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        ("#!/bin/sh\necho broken installation >&2\nexit 1\n", "conda could not tell its hook"),
        ("#!/bin/sh\necho false\n", "the conda hook failed"),
        ("#!/bin/sh\necho 'conda() { :; }'\n", "the conda environment torch could not be activated"),
    ],
)
def test_a_conda_that_misbehaves_runs_nothing(site: Site, hook: str, why: str) -> None:
    conda(site.home / "miniconda3", hook)
    inherited = {"CONDA_PREFIX": "/opt/base", "CONDA_SHLVL": "1"}
    site.refused(site.run(["touch", "ran"], TORCH, inherited), why)


def test_an_eval_text_that_yields_no_conda_runs_nothing(site: Site) -> None:
    hook = EnvironmentPlan(conda="torch", conda_hook='eval "$(/gone/conda shell.bash hook)"')
    site.refused(site.run(["touch", "ran"], hook), "the conda environment torch could not be activated")
