"""Launches of runs in environments, carried out for real but without a runner."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overnight.daemon.launches import Claimed, launch_of
from overnight.domain.nouns import SweepSettings
from overnight.domain.plan import EnvironmentPlan, Need, Retry
from overnight.planner.place import FreeDevice
from overnight.targets.base import Launch

SYSTEM_PATH = "/usr/bin:/bin"
SLOT = FreeDevice("here/slot0", "slot", 0, 0, "slot")
GPU = FreeDevice("here/GPU-a", "gpu", 1, 80_000, "H100")


@dataclass(frozen=True)
class Site:
    """A working directory, an attempt's folder and a home folder of its own."""

    workdir: Path
    folder: Path
    home: Path

    @property
    def said(self) -> str | None:
        """Why the environment could not be activated, as the attempt's folder keeps it."""
        path = self.folder / "environment_failed"
        return path.read_text(encoding="utf-8").rstrip("\n") if path.exists() else None

    def launch(self, command: str | list[str], environment: EnvironmentPlan, **changes: Any) -> Launch:
        """The launch of a command in an environment; `changes` are fields of the claim."""
        settings = SweepSettings(str(self.workdir), Need(), Retry(), environment, None, 5.0, None, ())
        fields: dict[str, Any] = {"devices": [SLOT], "upstream": {}, "env": {}, "secrets": {}, **changes}
        config = {"command": command, "parameters": {}, "outputs": [], "env": fields["env"]}
        claimed = Claimed(
            attempt="a~b.1",
            run="a~b",
            number=1,
            fence=7,
            target="here",
            folder=str(self.folder),
            devices=fields["devices"],
            config=config,
            settings=settings,
            upstream=fields["upstream"],
            log_cap=None,
            workdir=settings.workdir,
        )
        return launch_of(claimed, fields["secrets"])

    def start(self, launch: Launch, **variables: str) -> subprocess.Popen[str]:
        """Start it as the runner would: in a session of its own, told who it is."""
        environment = {
            "HOME": str(self.home),
            "PATH": SYSTEM_PATH,
            "PWD": launch.cwd,
            "OVERNIGHT_RUN_DIR": launch.folder,
            **{name: value for name, value in launch.env.items() if value is not None},
            **variables,
        }
        return subprocess.Popen(
            launch.argv,
            cwd=launch.cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self,
        command: str | list[str],
        environment: EnvironmentPlan,
        variables: dict[str, str] | None = None,
        **changes: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Carry it out to its end."""
        process = self.start(self.launch(command, environment, **changes), **(variables or {}))
        try:
            out, err = process.communicate(timeout=60)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def refused(self, done: subprocess.CompletedProcess[str], why: str) -> None:
        """It was told in the log and on file why its environment could not be activated, and nothing ran."""
        assert done.returncode == 126, (done.stdout, done.stderr)
        assert why in done.stderr
        assert self.said is not None
        assert why in self.said
        assert not (self.workdir / "ran").exists()


def program(path: Path, text: str) -> Path:
    """Put an executable script there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def path_without(*names: str, folder: Path) -> str:
    """A PATH that has what the system has, apart from some programs."""
    folder.mkdir(exist_ok=True)
    for place in reversed(SYSTEM_PATH.split(":")):
        for entry in os.scandir(place):
            link = folder / entry.name
            if entry.name not in names and not link.is_symlink():
                link.symlink_to(entry.path)
    return str(folder)


def words(path: Path) -> Sequence[str]:
    """The lines of a file."""
    return path.read_text(encoding="utf-8").splitlines()
