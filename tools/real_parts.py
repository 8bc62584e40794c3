"""The real parts that tests use beside Python packages: what each is, how to see it, how to get it.

Standard library only: `make real-parts` runs this file before there is an environment, and `tests/conftest.py` asks it
which parts are missing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian's switch: while this program exits 101, installing a package does not start its services."""


@dataclass(frozen=True)
class Part:
    """One real part: the reason it is wanted, a probe that is true where it can be used, and its Debian packages."""

    reason: str
    present: Callable[[], bool]
    packages: tuple[str, ...] = ()
    otherwise: str = "make real-parts"
    """What brings the part where no package does."""


def programs(*names: str) -> Callable[[], bool]:
    """A probe: every one of these programs is there (system folders are looked at whatever PATH says)."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return lambda: all(shutil.which(name, path=path) for name in names)


def has_postgresql() -> bool:
    """Whether PostgreSQL's server programs are there; Debian keeps them off PATH, in a folder per version."""
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or programs("initdb", "postgres")()


def is_root() -> bool:
    """Whether this process may make namespaces, mounts and control groups."""
    return os.geteuid() == 0


def has_hosts() -> bool:
    """Whether hosts can be made of namespaces here; in some containers root may not."""
    apart = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "true"]
    return (
        programs("unshare", "ip")()
        and is_root()
        and subprocess.run(apart, capture_output=True, check=False).returncode == 0
    )


def has_cgroup() -> bool:
    """Whether control groups can be made here: the memory controller of version 1, or version 2."""
    root = Path("/sys/fs/cgroup")
    folders = (root / "memory", root) if (root / "cgroup.procs").exists() else (root / "memory", root / "unified")
    return any((folder / "cgroup.procs").exists() and os.access(folder, os.W_OK) for folder in folders)


PARTS: Mapping[str, Part] = {
    "postgresql": Part("the second store runs on a real server", has_postgresql, ("postgresql",)),
    "sshd": Part(
        "hosts are reached over a real connection", programs("sshd", "ssh"), ("openssh-server", "openssh-client")
    ),
    "strace": Part("kills and errors at an exact system call", programs("strace"), ("strace",)),
    "faketime": Part("programs with a wrong clock", programs("faketime"), ("faketime",)),
    "firewall": Part("links that drop what goes one way", programs("iptables"), ("iptables",)),
    "rsync": Part("working folders travel by rsync where both sides have it", programs("rsync"), ("rsync",)),
    "network": Part("hosts with a network of their own", programs("ip"), ("iproute2",)),
    "namespaces": Part(
        "hosts with processes and mounts of their own", programs("unshare", "nsenter", "setpriv"), ("util-linux",)
    ),
    "compiler": Part("a GPU library that can lie", programs("gcc"), ("gcc", "libc6-dev")),
    "processes": Part("an independent look at processes", programs("ps"), ("procps",)),
    "environments": Part(
        "set-up without uv, and tests of virtual environments",
        lambda: importlib.util.find_spec("ensurepip") is not None,
        ("python3-venv",),
    ),
    "podman": Part("jobs in containers", programs("podman", "runc"), ("podman", "runc", "conmon")),
    "hosts": Part(
        "separate hosts, made of namespaces",
        has_hosts,
        otherwise="run as root where namespaces may be made",
    ),
    "root": Part("namespaces, mounts and foreign users", is_root, otherwise="run as root"),
    "cgroup": Part("limits and kills of whole trees", has_cgroup, otherwise="run where control groups are writable"),
}
"""Every part by the name that `@pytest.mark.real(NAME)` uses."""


def missing(names: Iterable[str] = PARTS) -> list[str]:
    """Those of the named parts that cannot be used here; KeyError for a name that is no part."""
    return [name for name in names if not PARTS[name].present()]


def how_to_get(name: str) -> str:
    """One line for people: how the missing part comes to this machine."""
    part = PARTS[name]
    return f"{part.otherwise} ({' '.join(part.packages)})" if part.packages else part.otherwise


@contextmanager
def services_stay_down() -> Iterator[None]:
    """While inside, packages do not start their services: tests start their own, in their own folders."""
    ours = not SERVICE_POLICY.exists()
    if ours:
        SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        SERVICE_POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            SERVICE_POLICY.unlink()


def apt_get(*arguments: str) -> None:
    """Runs apt-get without questions; CalledProcessError when it fails."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-q", "-y", *arguments], check=True, env=environment, stdin=subprocess.DEVNULL)


def install() -> int:
    """Installs the packages of all missing parts; does nothing where none is missing. Returns an exit code."""
    wanted = [name for name in missing() if PARTS[name].packages]
    if not wanted:
        print("real-parts: everything that the tests use is here; nothing to do")
        return 0
    packages = sorted({package for name in wanted for package in PARTS[name].packages})
    print(f"real-parts: installing {' '.join(packages)}, because tests want:")
    for name in wanted:
        print(f"  {name}: {PARTS[name].reason}")
    if not shutil.which("apt-get"):
        print("real-parts: this is no Debian; install the equivalents by hand", file=sys.stderr)
        return 1
    if not is_root():
        print(f"real-parts: needs root: sudo apt-get install {' '.join(packages)}", file=sys.stderr)
        return 1
    with services_stay_down():
        apt_get("update")
        apt_get("install", "--no-install-recommends", *packages)
    return report()


def report() -> int:
    """Prints every part with its state; 1 when a part that a package brings is still missing, else 0."""
    absent = missing()
    for name, part in PARTS.items():
        print(f"  {name:13} {'missing: ' + how_to_get(name) if name in absent else 'here'}  ({part.reason})")
    return int(any(PARTS[name].packages for name in absent))


def main(arguments: list[str]) -> int:
    """`install` brings what is missing; without an argument the parts are listed."""
    if arguments == ["install"]:
        return install()
    if not arguments:
        return report()
    print("usage: python3 tools/real_parts.py [install]", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
