"""The files of hosts and of the server's side: users, keys, the configuration of sshd, a driver that can lie."""

from __future__ import annotations

import pwd
import shutil
import subprocess
import sys
from pathlib import Path

FAKE_SMI = Path(__file__).parents[1] / "devices" / "fake" / "nvidia-smi"
PROGRAMS = ("/usr/local/bin", "/usr/bin", "/bin")
USERS = {"root": 0, "ann": 2001, "bob": 2002}
"""Who can log in to a host, and as which uid."""
SSHD = """\
Port 22
HostKey /run/box/host
PidFile /run/box/sshd.pid
AuthorizedKeysFile /run/box/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin yes
Subsystem sftp internal-sftp
MaxSessions 100
MaxStartups 100:30:200
SetEnv PATH=/run/box/bin:/usr/local/bin:/usr/bin:/bin
"""
SMI = '#!/bin/sh\nFAKE_GPUS=/run/box/gpus exec python3 /run/box/bin/fake-nvidia-smi "$@"\n'


def furnish(folder: Path, key: Path, *, gpus: bool) -> None:
    """The files that a host keeps in /run/box."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    generate(folder / "host")
    passwd(folder / "passwd", Path("/run/home/root"))
    shutil.copy(key, folder / "authorized_keys")
    (folder / "sshd_config").write_text(SSHD, encoding="ascii")
    if not any(Path(place, "python3").exists() for place in PROGRAMS):
        (programs / "python3").symlink_to(Path(sys.executable).resolve())
    if gpus:
        shutil.copy(FAKE_SMI, programs / "fake-nvidia-smi")
        (programs / "nvidia-smi").write_text(SMI, encoding="ascii")
        (programs / "nvidia-smi").chmod(0o755)


def generate(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True)


def passwd(path: Path, home: Path) -> None:
    """This machine's users, with another home for root, and those of USERS."""
    kept = [
        f"{it.pw_name}:x:{it.pw_uid}:{it.pw_gid}::{it.pw_dir}:{it.pw_shell}"
        for it in pwd.getpwall()
        if it.pw_name not in USERS
    ]
    ours = [f"{name}:x:{uid}:{uid}::{home.parent / name if uid else home}:/bin/sh" for name, uid in USERS.items()]
    path.write_text("\n".join([*ours, *kept]) + "\n", encoding="utf-8")
