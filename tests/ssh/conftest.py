"""A machine reached over SSH that is this machine: a real sshd on loopback, whose users have a home of their own."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from overnight.domain.remote import SshSettings
from tests.ssh.waiting import eventually

SSHD = "/usr/sbin/sshd"
SERVER = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/id.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin yes
MaxSessions 100
MaxStartups 100:30:200
SetEnv HOME={home} {variables}
{more}
"""
CLIENT = """\
Host box
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/id
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
"""


@dataclass
class Box:
    """An sshd that can be ended and started again, and what a client needs to reach it."""

    folder: Path
    port: int
    home: Path
    process: subprocess.Popen[bytes] | None = None
    variables: str = ""
    more: str = ""
    settings: SshSettings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = SshSettings("box", ssh_config=str(self.folder / "ssh_config"))

    def start(self) -> None:
        """Start sshd, with the port and the key that it had before."""
        values = {"folder": self.folder, "port": self.port, "home": self.home, "user": getpass.getuser()}
        server = SERVER.format(**values, variables=self.variables, more=self.more)
        (self.folder / "sshd_config").write_text(server, encoding="utf-8")
        (self.folder / "ssh_config").write_text(CLIENT.format(**values), encoding="utf-8")
        with (self.folder / "log").open("ab") as log:
            argv = [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self._listens, "sshd listens")

    def _listens(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def sessions(self) -> list[int]:
        """The processes of its open connections."""
        assert self.process is not None
        return children(self.process.pid)

    def end(self) -> None:
        """End sshd and every connection; what was detached goes on."""
        if self.process is not None:
            below = descendants(self.process.pid, "sshd")
            for pid in [self.process.pid, *below]:
                with_no_fuss(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    try:
        return [int(it) for it in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except FileNotFoundError:
        return []


def descendants(pid: int, name: str) -> list[int]:
    """All processes of that name below a process."""
    found = []
    for child in children(pid):
        if Path(f"/proc/{child}/comm").read_text(encoding="utf-8").startswith(name):
            found += [child, *descendants(child, name)]
    return found


def with_no_fuss(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def keygen(path: Path) -> None:
    """Make a key pair."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def make_box(folder: Path, *, variables: str = "", more: str = "") -> Box:
    """A box in an empty folder, with keys; not started."""
    folder.chmod(0o700)
    for name in ("host", "id"):
        keygen(folder / name)
    home = folder / "home"
    home.mkdir(mode=0o700)
    box = Box(folder, free_port(), home, variables=variables, more=more)
    know(box, folder / "host.pub")
    return box


def know(box: Box, key: Path) -> None:
    """Let the client know the box by this key."""
    words = key.read_text(encoding="ascii").split()
    (box.folder / "known_hosts").write_text(f"[127.0.0.1]:{box.port} {words[0]} {words[1]}\n", encoding="ascii")


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """One box for the tests of a module."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    made = make_box(tmp_path_factory.mktemp("box"))
    made.start()
    yield made
    made.end()


@pytest.fixture
def new_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Box]]:
    """Boxes of a test's own, with other settings of sshd."""
    boxes: list[Box] = []

    def make(**settings: str) -> Box:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        boxes.append(make_box(tmp_path_factory.mktemp("box"), **settings))
        boxes[-1].start()
        return boxes[-1]

    yield make
    for made in boxes:
        made.end()
