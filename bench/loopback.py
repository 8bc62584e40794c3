"""An sshd of this measurement alone, on 127.0.0.1, and the configuration that reaches it as `box`."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
MaxStartups 100:30:200
SetEnv SHLVL=2
"""
"""SHLVL: a bash that believes to be in another one reads no start file, whose work would be measured."""
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


@contextmanager
def sshd() -> Iterator[Path]:
    """Its folder, in which `ssh_config` lies; ended afterwards. Raises SystemExit where there is no sshd."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin:/usr/local/sbin")
    if program is None:
        raise SystemExit("bench: sshd is needed: make real-parts")
    with tempfile.TemporaryDirectory(prefix="overnight-ssh-") as name:
        folder, port = Path(name), _free_port()
        _furnish(folder, port)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
        try:
            _wait_for(port)
            yield folder
        finally:
            process.terminate()
            process.wait()


def _furnish(folder: Path, port: int) -> None:
    for key in ("host", "id"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    known = " ".join((folder / "host.pub").read_text(encoding="ascii").split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {known}\n", encoding="ascii")
    for name, text in (("sshd_config", SERVER), ("ssh_config", CLIENT)):
        written = text.format(folder=folder, port=port, user=getpass.getuser())
        (folder / name).write_text(written, encoding="utf-8")
    with suppress(OSError):  # where it may not be made, it is there
        Path("/run/sshd").mkdir(exist_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(500):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise SystemExit("bench: sshd does not answer")
