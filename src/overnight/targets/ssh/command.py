"""How the OpenSSH client of this machine is called. The user's own configuration decides wherever ours says nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.remote import SshSettings

PROGRAM = "ssh"
RESOLVE_SECONDS = 10.0
"""Longest time that OpenSSH may take to read its configuration (which may run commands of the user's)."""
CONNECT_SECONDS = 10
ALIVE_SECONDS, ALIVE_COUNT = 10, 3
"""OpenSSH's own look after a connection; ours is quicker, but transfers have no other."""
OPTIONS: Mapping[str, str] = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_SECONDS),
    "ConnectionAttempts": "1",
    "ServerAliveInterval": str(ALIVE_SECONDS),
    "ServerAliveCountMax": str(ALIVE_COUNT),
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "ClearAllForwardings": "yes",
    "Tunnel": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "EscapeChar": "none",
    "ControlMaster": "no",
    "LogLevel": "INFO",
}
"""What every session of ours is started with. An open master of the user's (`ControlPath`) is used; we become none."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What OpenSSH makes of the settings."""

    hostname: str
    port: str
    strict: str
    """For `StrictHostKeyChecking`: `yes`, or `accept-new` where the user's configuration says so. Never less."""
    known_hosts: str
    """The file that its key is looked up in."""

    @property
    def known_as(self) -> str:
        """Its name in a file of known hosts."""
        return self.hostname if self.port == "22" else f"[{self.hostname}]:{self.port}"


def way(settings: SshSettings) -> list[str]:
    """The arguments that say where to, the host apart."""
    said = {
        "Port": None if settings.port is None else str(settings.port),
        "User": settings.user,
        "IdentityFile": _file(settings.key),
        "IdentitiesOnly": "yes" if settings.key else None,
        "UserKnownHostsFile": _file(settings.known_hosts),
        "ProxyJump": settings.jump,
    }
    config = ["-F", os.path.expanduser(settings.ssh_config)] if settings.ssh_config else []
    return config + options({name: value for name, value in said.items() if value is not None})


def session(settings: SshSettings, strict: str) -> list[str]:
    """`ssh` with everything but the host and the command: the way a further session to it is opened, too."""
    return [PROGRAM, "-T", *way(settings), *options({**OPTIONS, "StrictHostKeyChecking": strict})]


def ask(settings: SshSettings) -> list[str]:
    """The command by which OpenSSH says what it makes of the settings."""
    return [PROGRAM, "-G", *way(settings), "--", settings.host]


def resolve(settings: SshSettings) -> Resolved:
    """What OpenSSH makes of the settings. Raises ValueError with its words when it refuses them, and OSError."""
    try:
        done = subprocess.run(
            ask(settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=RESOLVE_SECONDS,
            check=False,
            env=environment(os.environ),
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it took more than {RESOLVE_SECONDS:g} s to read its configuration") from None
    if done.returncode != 0:
        raise ValueError(done.stderr.decode(errors="replace"))
    return read_answer(settings, done.stdout.decode(errors="replace").splitlines())


def read_answer(settings: SshSettings, lines: Sequence[str]) -> Resolved:
    """What `ssh -G` said."""
    said: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(" ")
        said.setdefault(key, value)
    strict = "accept-new" if said.get("stricthostkeychecking") == "accept-new" else "yes"
    known_hosts = settings.known_hosts or said.get("userknownhostsfile", "~/.ssh/known_hosts").partition(" ")[0]
    return Resolved(said.get("hostname", settings.host), said.get("port", "22"), strict, known_hosts)


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """What OpenSSH is given of our variables: all but ours, which hold tokens and might be sent along."""
    return {name: value for name, value in own.items() if not name.startswith("OVERNIGHT_")}


def options(said: Mapping[str, str]) -> list[str]:
    """As arguments; none of the values can be another option."""
    return [word for name, value in said.items() for word in ("-o", f"{name}={value}")]


def _file(path: str | None) -> str | None:
    return None if path is None else f'"{os.path.expanduser(path)}"'
