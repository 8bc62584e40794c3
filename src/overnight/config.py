"""What the environment and `config.toml` say."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from overnight.domain.errors import Problem, Refused

DEFAULT_PORT = 3111


@dataclass(frozen=True)
class LocalSettings:
    """`[local]`: this machine as a target."""

    slots: int = 1
    """Runs without a GPU that may run at once."""
    gpu_free_threshold_mib: int = 500
    """A GPU with more memory in use by others than this is not free."""
    log_cap_mib: int = 256
    """Largest log of one attempt; of a longer one the start and the end are kept."""


@dataclass(frozen=True)
class Configuration:
    """Everything that a server of one home is configured with."""

    home: Path
    database_url: str
    url: str | None
    """The server to talk to, when the environment names one."""
    token: str | None
    local: LocalSettings = field(default_factory=LocalSettings)

    @property
    def token_file(self) -> Path:
        """Where the first admin token lies."""
        return self.home / "token"

    @property
    def lock_file(self) -> Path:
        """Held by the one server of this home; its text is that server's pid and address."""
        return self.home / "server.lock"


def load(environment: Mapping[str, str]) -> Configuration:
    """Read the environment and the home's `config.toml`; raises Refused naming file, key and remedy."""
    home = Path(environment.get("OVERNIGHT_HOME") or "~/.overnight").expanduser().absolute()
    return Configuration(
        home=home,
        database_url=environment.get("OVERNIGHT_DATABASE_URL") or f"sqlite:///{home}/overnight.db",
        url=environment.get("OVERNIGHT_URL") or None,
        token=environment.get("OVERNIGHT_TOKEN") or None,
        local=_local(home / "config.toml"),
    )


def _local(path: Path) -> LocalSettings:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return LocalSettings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}", place=str(path), next_step="Correct the file.") from error
    problems = [*_unknown(document, {"local"}, ""), *_check_local(document.get("local", {}))]
    if problems:
        text = "; ".join(f"{problem.place}: {problem.message}" for problem in problems)
        raise Refused(f"{path}: {text}", place=str(path), next_step="Correct the file.")
    return LocalSettings(**document.get("local", {}))


def _check_local(table: Any) -> list[Problem]:
    if not isinstance(table, dict):
        return [Problem("local", "must be a table, written as [local]")]
    known = {entry.name for entry in fields(LocalSettings)}
    problems = _unknown(table, known, "local.")
    for name in known & table.keys():
        if (
            not isinstance(table[name], int)
            or isinstance(table[name], bool)
            or table[name] < (0 if name != "log_cap_mib" else 1)
        ):
            problems.append(Problem(f"local.{name}", "must be a whole number, not negative"))
    return problems


def _unknown(table: Mapping[str, Any], known: set[str], prefix: str) -> list[Problem]:
    return [
        Problem(f"{prefix}{key}", f"unknown key; known are {', '.join(sorted(known))}")
        for key in table
        if key not in known
    ]
