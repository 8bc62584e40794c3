"""Containers. Podman is the real one; Apptainer and Docker are stand-ins that write down how they were called."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from overnight.domain.errors import Refused
from overnight.domain.plan import EnvironmentPlan
from overnight.runner import processes
from tests.environments.harness import GPU, Site, path_without, program, words
from tests.runner.harness import Bench, wait_until

CONFIGURATION = """\
[containers]
netns = "none"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
"""What podman needs where systemd is not process 1."""
PROGRAMS = ("sh", "env", "cat", "sleep", "touch", "id")
ENGINES = ("apptainer", "singularity", "podman", "docker")
TINY = EnvironmentPlan(container="localhost/tiny")
OBSTINATE = "trap '' TERM; echo up; sleep 612 & sleep 612"


class Podman:
    """The real podman with a storage of its own, and an image of a few programs of this machine."""

    def __init__(self, folder: Path) -> None:
        configuration = folder / "containers.conf"
        configuration.write_text(CONFIGURATION, encoding="utf-8")
        options = f"--root {folder}/store --runroot {folder}/run"
        text = f'#!/bin/sh\nCONTAINERS_CONF={configuration} exec /usr/bin/podman {options} "$@"\n'
        self.program = program(folder / "bin" / "podman", text)
        self.path = f"{self.program.parent}:{path_without(*ENGINES, folder=folder / 'system')}"
        self.ask("import", str(image(folder / "tiny.tar")), "tiny")

    def ask(self, *arguments: str) -> str:
        return subprocess.run([self.program, *arguments], check=True, capture_output=True, text=True).stdout


def image(tarball: Path) -> Path:
    """A root file system: the programs, what they are linked with, and a file that tells where one is."""
    found = [f"/usr/bin/{name}" for name in PROGRAMS]
    linked = subprocess.run(["ldd", *found], check=True, capture_output=True, text=True).stdout
    files = {*found, *re.findall(r"(/\S+) \(0x", linked)}
    marker = tarball.with_name("inside")
    marker.write_text("yes\n", encoding="utf-8")
    with tarfile.open(tarball, "w") as archive:
        for path in sorted(files):
            archive.add(os.path.realpath(path), path)
        shell = tarfile.TarInfo("/bin/sh")
        shell.type, shell.linkname = tarfile.SYMTYPE, "/usr/bin/sh"
        archive.addfile(shell)
        archive.add(marker, "/inside")
    return tarball


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """In a folder with a short name: podman takes at most 50 characters for where it keeps its sockets."""
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as folder:
        made = Podman(Path(folder))
        yield made
        made.ask("rm", "--all", "--force", "--time", "0")


@pytest.mark.real("podman", "root")
class TestPodman:
    def test_a_command_runs_inside_of_the_image_on_the_folders_of_its_run(self, site: Site, podman: Podman) -> None:
        (site.workdir / "data").write_text("d\n", encoding="utf-8")
        command = 'cat /inside data; echo "$PWD"; touch "$OVERNIGHT_RUN_DIR/made" here'
        done = site.run(command, TINY, {"PATH": podman.path})
        assert done.stdout == f"yes\nd\n{site.workdir}\n", done.stderr
        assert (site.folder / "made").exists()
        assert (site.workdir / "here").exists()
        assert site.said is None

    def test_variables_reach_it_and_nothing_of_the_host_does(self, site: Site, podman: Podman) -> None:
        variables = {"PATH": podman.path, "OF_THE_HOST": "1"}
        done = site.run(["env"], TINY, variables, env={"A": "a b\nc"}, secrets={"KEY": "hunter2"})
        assert "A=a b\nc\n" in done.stdout, done.stderr
        assert "KEY=hunter2\n" in done.stdout
        assert f"OVERNIGHT_RUN_DIR={site.folder}\n" in done.stdout
        assert "OF_THE_HOST" not in done.stdout

    def test_folders_of_runs_that_it_needs_are_there(self, site: Site, podman: Podman, tmp_path: Path) -> None:
        teacher = tmp_path / "teacher"
        teacher.mkdir()
        (teacher / "t").write_text("taught\n", encoding="utf-8")
        done = site.run(
            ["cat", "${needs.teachers}/t"], TINY, {"PATH": podman.path}, upstream={"teachers": str(teacher)}
        )
        assert done.stdout == "taught\n", done.stderr

    def test_its_exit_code_is_the_one_of_the_command(self, site: Site, podman: Podman) -> None:
        assert site.run("exit 3", TINY, {"PATH": podman.path}).returncode == 3

    def test_an_image_that_is_not_there_says_so_and_runs_nothing(self, site: Site, podman: Podman) -> None:
        done = site.run(["touch", "ran"], EnvironmentPlan(container="localhost/gone"), {"PATH": podman.path})
        site.refused(done, "the image localhost/gone cannot be started")
        assert "localhost/gone" in done.stderr.replace("overnight: the image localhost/gone", "")

    @pytest.mark.parametrize("grace", [3.0, 0.0])
    def test_nothing_of_a_container_outlives_its_attempt(
        self, site: Site, podman: Podman, tmp_path: Path, grace: float
    ) -> None:
        podman.ask("rm", "--all", "--force", "--time", "0")
        bench = Bench(tmp_path)
        launch = replace(site, folder=bench.attempts / "c").launch(OBSTINATE, TINY)
        bench.up(env={"PATH": podman.path})
        try:
            server = bench.server()
            bench.start(server, "c", *launch.argv, cwd=str(site.workdir), env=dict(launch.env))
            bench.says("c", b"up")
            server.ask("stop", attempt="c", grace=grace, reason="cancelled")
            record = server.ended("c")
            assert record["reason"] == "stopped"
            assert not [stat for stat in processes.scan() if stat.living and b"sleep\0612" in command_of(stat.pid)]
        finally:
            bench.clean()


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def stand_in(site: Site, name: str, *lines: str) -> dict[str, str]:
    """An engine that writes down its arguments, one per line, then does as `lines` say; the PATH that has it."""
    record = f"printf '%s\\n' \"$@\" >> '{site.home}/called'\n"
    program(site.home / "engines" / name, "#!/bin/sh\n" + record + "\n".join(lines) + "\n")
    return {"PATH": f"{site.home}/engines:{path_without(*ENGINES, folder=site.home / 'system')}"}


def called(site: Site) -> list[str]:
    return list(words(site.home / "called"))


def test_a_machine_without_an_engine_says_so(site: Site) -> None:
    done = site.run(["touch", "ran"], TINY, {"PATH": path_without(*ENGINES, folder=site.home / "system")})
    site.refused(done, "no container engine was found")


@pytest.mark.parametrize("name", ["apptainer", "singularity"])
def test_apptainer_is_tried_with_the_image_and_then_becomes_the_command(site: Site, name: str) -> None:
    path = stand_in(site, name, "exit 0")
    assert site.run(["t", "a b"], EnvironmentPlan(container="/i.sif"), path, devices=[GPU]).returncode == 0
    folders = ["--bind", str(site.folder), "--bind", str(site.workdir)]
    assert called(site) == [
        *("exec", "/i.sif", "true"),
        *("exec", "--pwd", str(site.workdir), "--nv", *folders, "/i.sif", "t", "a b"),
    ]


def test_an_image_that_apptainer_cannot_start_says_so(site: Site) -> None:
    path = stand_in(site, "apptainer", "echo FATAL: no such image >&2", "exit 255")
    done = site.run(["touch", "ran"], TINY, path)
    site.refused(done, "the image localhost/tiny cannot be started")
    assert "FATAL: no such image" in done.stderr


def test_docker_gets_devices_folders_and_the_names_of_variables(site: Site) -> None:
    path = stand_in(site, "docker", "exit 0")
    done = site.run(["t"], TINY, path, devices=[GPU], secrets={"KEY": "hunter2"}, env={"odd name": "x"})
    assert done.returncode == 0, done.stderr
    told = called(site)
    assert told[:5] == ["run", "--rm", "--name", "overnight-a-b.1", "--workdir"]
    assert told[-4:] == ["--entrypoint", "", "localhost/tiny", "t"]
    pairs = list(itertools.pairwise(told))
    for pair in [
        ("--gpus", "all"),
        ("--user", f"{os.getuid()}:{os.getgid()}"),
        ("--env", "KEY"),
        ("--env", "CUDA_VISIBLE_DEVICES"),
        ("--volume", f"{site.workdir}:{site.workdir}"),
        ("--volume", f"{site.folder}:{site.folder}"),
    ]:
        assert pair in pairs
    assert "hunter2" not in " ".join(told)
    assert ("--env", "odd name") not in pairs


def test_a_container_of_docker_is_ended_when_its_job_is_told_to_end(site: Site) -> None:
    path = stand_in(
        site,
        "docker",
        f"if [ \"$1\" = run ]; then trap '' TERM; echo $$ > '{site.home}/pid'; touch '{site.home}/up'",
        f"while [ ! -e '{site.home}/ended' ]; do sleep 0.01; done; exit 137; fi",
        f"[ \"$1\" = stop ] && touch '{site.home}/ended' && read -r pid < '{site.home}/pid'",
        "while kill -0 $pid 2> /dev/null; do sleep 0.01; done",
    )
    process = site.start(site.launch(["t"], TINY), **path)
    wait_until((site.home / "up").exists, "the container runs")
    process.terminate()
    assert process.wait(20) == 137
    process.communicate()
    assert called(site)[-7:] == ["stop", "--time", "3", "overnight-a-b.1", "rm", "--force", "overnight-a-b.1"]


@pytest.mark.parametrize("folder", ["/a:b", "/a,b", "/a\nb"])
def test_a_folder_that_an_engine_would_misread_is_refused(site: Site, folder: str) -> None:
    with pytest.raises(Refused):
        site.launch(["t"], TINY, upstream={"teachers": folder})


@pytest.mark.parametrize("environment", [EnvironmentPlan(container="--privileged"), EnvironmentPlan(conda="--help")])
def test_a_name_that_would_be_an_option_is_refused(site: Site, environment: EnvironmentPlan) -> None:
    with pytest.raises(Refused):
        site.launch(["t"], environment)
