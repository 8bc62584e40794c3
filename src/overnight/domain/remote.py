"""Machines that are reached over SSH, as they are configured: what may be said of them, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from overnight.domain.errors import Problem
from overnight.domain.room import Reserve

HERE = "here"
"""The name of this machine, which no other target may have."""
DEFAULT_FOLDER = "~/.overnight-host"
LONGEST = 1024
"""Characters of a path or a list of hosts."""

TARGET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,254}")
"""A name or an address. It can be no option of any program, and no text that a shell or OpenSSH's `%` would read."""
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
JUMP = re.compile(rf"none|(?:{USER.pattern}@)?{HOST.pattern}(?:,(?:{USER.pattern}@)?{HOST.pattern})*")
"""As `ProxyJump` takes it; a port follows its host after a colon."""
FILE = re.compile(r"""(?:/|~/)[^'"%$\\\x00-\x1f\x7f]*""")
"""A file here, as it may stand in an option of OpenSSH, and that in rsync's `-e`."""
FOLDER = re.compile(r"(?:/|~/)[A-Za-z0-9_./+@=:,-]*")
"""A folder there, in letters that no shell changes."""
PYTHON = re.compile(r"/[A-Za-z0-9_./+@=:,-]*|[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True)
class SshSettings:
    """`[targets.NAME]`: a machine that is reached over SSH. What is None is left to the user's SSH configuration."""

    host: str
    """An alias of that configuration, a name or an address."""
    port: int | None = None
    user: str | None = None
    key: str | None = None
    """File of the private key; no other is offered then."""
    known_hosts: str | None = None
    jump: str | None = None
    """Hosts on the way, as `ProxyJump` takes them."""
    ssh_config: str | None = None
    """Configuration file that is read instead of the user's own."""
    folder: str = DEFAULT_FOLDER
    """Everything of ours there lies in it."""
    python: str | None = None
    """Interpreter there, at least 3.9; None = the first that is found."""
    slots: int = 1
    """Runs without a GPU that may run at once."""
    gpu_free_threshold_mib: int = 500
    """A GPU with more memory in use by others than this is not free."""
    log_cap_mib: int = 256
    """Largest log of one attempt; of a longer one the start and the end are kept."""
    disk_reserve_mib: int = 256
    """Nothing new starts with less free where it writes (or than 5 % of a small file system); 0 = no reserve."""
    inode_reserve: int = 1000
    """The same for the number of files."""

    @property
    def reserve(self) -> Reserve:
        """The two together."""
        return Reserve(self.disk_reserve_mib * 1024**2, self.inode_reserve)


_NUMBERS = {"slots": 0, "gpu_free_threshold_mib": 0, "log_cap_mib": 1, "disk_reserve_mib": 0, "inode_reserve": 0}
"""Key -> least value."""
_TEXTS = {
    "host": (HOST, "must be a name or an address"),
    "user": (USER, "must be the name of a user"),
    "jump": (JUMP, "must be hosts as ProxyJump takes them: user@host:port,other"),
    "key": (FILE, "must be an absolute path of this machine, or one below ~/"),
    "known_hosts": (FILE, "must be an absolute path of this machine, or one below ~/"),
    "ssh_config": (FILE, "must be an absolute path of this machine, or one below ~/"),
    "folder": (FOLDER, "must be an absolute path of plain letters there, or one below ~/"),
    "python": (PYTHON, "must be the name or the absolute path of an interpreter there, in plain letters"),
}
_WAY = ("host", "port", "user", "key", "known_hosts", "jump")
"""Keys of the table `ssh`."""
_BESIDE = ("ssh", "ssh_config", "folder", "python", *_NUMBERS)
"""Keys of the table of a target."""


def ssh_settings(table: Mapping[str, Any]) -> SshSettings:
    """The settings in a table in which `target_problems` found nothing."""
    ssh = table["ssh"]
    rest = {key: value for key, value in table.items() if key != "ssh"}
    way = by_name(ssh) if isinstance(ssh, str) else ssh
    return SshSettings(**way, **rest)


def by_name(name: str) -> dict[str, str]:
    """The keys that `HOST` or `USER@HOST` stands for."""
    user, _, host = name.rpartition("@")
    return {"host": host, "user": user} if user else {"host": host}


def stored_settings(kept: Mapping[str, Any]) -> SshSettings:
    """What `dataclasses.asdict` and JSON made of settings; keys of other versions are left alone."""
    known = {entry.name for entry in fields(SshSettings)}
    values: dict[str, Any] = {key: value for key, value in kept.items() if key in known}
    return SshSettings(**values)


def targets_problems(table: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with `[targets]`."""
    found = []
    for name, target in table.items():
        place = f"targets.{name}"
        if name == HERE or not TARGET_NAME.fullmatch(name):
            rule = "must begin with a letter or a digit, go on with those and _ . - (63 at most), and not be 'here'"
            found.append(Problem(place, f"the name of a target {rule}"))
        if isinstance(target, dict):
            found += target_problems(target, f"{place}.")
        else:
            found.append(Problem(place, f"must be a table: write [{place}]"))
    return found


def target_problems(table: Mapping[str, Any], prefix: str = "") -> list[Problem]:
    """Everything that is wrong with the table of one target."""
    ssh = table.get("ssh")
    return [
        *_unknown(table, _BESIDE, prefix),
        *(_way_problems(ssh, f"{prefix}ssh.") if isinstance(ssh, dict) else _name_problems(ssh, f"{prefix}ssh")),
        *_text_problems(table, ("ssh_config", "folder", "python"), prefix),
        *(
            Problem(f"{prefix}{key}", f"must be a whole number, at least {least}")
            for key, least in _NUMBERS.items()
            if not _whole(table.get(key, least), least)
        ),
    ]


def _name_problems(ssh: Any, place: str) -> list[Problem]:
    if isinstance(ssh, str):
        way = by_name(ssh)
        if HOST.fullmatch(way["host"]) and USER.fullmatch(way.get("user", "x")):
            return []
    return [Problem(place, 'must be a host (ssh = "gpu-box", "user@host") or a table {host, port, user, key …}')]


def _way_problems(way: Mapping[str, Any], prefix: str) -> list[Problem]:
    found = _unknown(way, _WAY, prefix)
    if "host" not in way:
        found.append(Problem(f"{prefix}host", "is missing"))
    if not _whole(way.get("port", 1), 1) or way.get("port", 1) > 65_535:
        found.append(Problem(f"{prefix}port", "must be a port, 1 to 65535"))
    return found + _text_problems(way, ("host", "user", "key", "known_hosts", "jump"), prefix)


def _text_problems(table: Mapping[str, Any], keys: tuple[str, ...], prefix: str) -> list[Problem]:
    return [
        Problem(f"{prefix}{key}", _TEXTS[key][1])
        for key in keys
        if key in table and not _fits(table[key], _TEXTS[key][0])
    ]


def _fits(value: Any, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and pattern.fullmatch(value) is not None


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _unknown(table: Mapping[str, Any], known: tuple[str, ...], prefix: str) -> list[Problem]:
    return [
        Problem(f"{prefix}{key}", f"unknown key; known are {', '.join(sorted(known))}")
        for key in table
        if key not in known
    ]
