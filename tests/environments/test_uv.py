"""uv projects, prepared by the real uv."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from overnight.domain.plan import EnvironmentPlan
from tests.environments.harness import Site, program

PROJECT = EnvironmentPlan(uv="pro ject")
SHOW = ["python", "-c", "import sys; print(sys.prefix)"]


@pytest.fixture
def uv(site: Site) -> Path:
    """The real uv, in a folder of its own, and a project beside the working directory's files."""
    found = real_uv()
    folder = site.workdir / "pro ject"
    folder.mkdir()
    text = '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.8"\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return program(site.home / "tools" / "uv", f'#!/bin/sh\nexec {found} "$@"\n')


def real_uv() -> str:
    """The file of uv itself, whatever stands on PATH in front of it."""
    for folder in (None, ".venv/bin"):
        found = shutil.which("uv", path=folder)
        if found:
            done = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return found
    pytest.skip("uv is missing here")


def on_path(uv: Path) -> dict[str, str]:
    return {"PATH": f"{uv.parent}:/usr/bin:/bin", "UV_PYTHON_DOWNLOADS": "never", "UV_OFFLINE": "1"}


def test_a_project_is_prepared_and_its_python_runs_the_command(site: Site, uv: Path) -> None:
    done = site.run(SHOW, PROJECT, on_path(uv))
    assert done.stdout.strip() == str(site.workdir / "pro ject" / ".venv"), done.stderr
    assert site.said is None


def test_nothing_of_uv_stands_between_the_job_and_its_end(site: Site, uv: Path) -> None:
    assert site.run("kill -KILL $$", PROJECT, on_path(uv)).returncode == -9


def test_a_lock_is_taken_as_it_stands(site: Site, uv: Path) -> None:
    site.run(SHOW, PROJECT, on_path(uv))
    lock = site.workdir / "pro ject" / "uv.lock"
    before = lock.read_bytes()
    project = site.workdir / "pro ject" / "pyproject.toml"
    project.write_text(project.read_text(encoding="utf-8").replace('"1"', '"2"'), encoding="utf-8")
    assert site.run(SHOW, PROJECT, on_path(uv)).returncode == 0
    assert lock.read_bytes() == before


def test_uv_is_found_where_its_installers_put_it(site: Site, uv: Path) -> None:
    for place in (".cargo/bin", ".local/bin"):
        target = site.home / place / "uv"
        target.parent.mkdir(parents=True)
        shutil.copy2(uv, target)
        variables = {**on_path(uv), "PATH": "/usr/bin:/bin"}
        assert site.run(SHOW, PROJECT, variables).returncode == 0
        target.unlink()


def test_a_project_that_uv_cannot_prepare_is_told_in_its_words_and_ours(site: Site, uv: Path) -> None:
    (site.workdir / "pro ject" / "pyproject.toml").write_text("[project\n", encoding="utf-8")
    done = site.run(["touch", "ran"], PROJECT, on_path(uv))
    site.refused(done, "uv could not prepare the environment of")
    assert "TOML" in done.stderr


def test_a_folder_without_a_project_says_so(site: Site, uv: Path) -> None:
    done = site.run(["touch", "ran"], EnvironmentPlan(uv="."), on_path(uv))
    site.refused(done, "there is no uv project at")


def test_a_machine_without_uv_says_so(site: Site) -> None:
    site.refused(site.run(["touch", "ran"], PROJECT), "uv was not found")
