"""What the environment and `config.toml` say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from overnight.domain.alerts import DEFAULT_KINDS, AlertKind
from overnight.domain.errors import Problem, Refused
from overnight.domain.remote import SshSettings, ssh_settings, targets_problems
from overnight.domain.room import Reserve
from overnight.runner.locks import FOLDER

DEFAULT_PORT = 3111
LONGEST_LIMIT = 86_400.0
"""Longest time limit of the analysis hook: a day, in seconds."""

_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True)
class LocalSettings:
    """`[local]`: this machine as a target."""

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
    device_locks: str = FOLDER
    """Folder where GPUs are locked against other homes and users: the same one for all of them."""

    @property
    def reserve(self) -> Reserve:
        """The two together."""
        return Reserve(self.disk_reserve_mib * 1024**2, self.inode_reserve)


@dataclass(frozen=True)
class NotifySettings:
    """`[notify]`: who is told what while nobody looks."""

    urls: tuple[str, ...] = field(default=(), repr=False)
    """Addresses as Apprise writes them, or `env:NAME`, `file:PATH` of one. They hold tokens: shown nowhere."""
    on: tuple[str, ...] = DEFAULT_KINDS
    """Kinds of alerts that are told."""


@dataclass(frozen=True)
class AnalysisSettings:
    """`[analysis]`: what is run when a campaign that asks for it is over."""

    command: tuple[str, ...] = ()
    """Argument vector; empty = none."""
    time_limit: float = 600.0
    """Seconds."""


@dataclass(frozen=True)
class WildSettings:
    """`[wild_v2]`: how strict the Wild V2 protocol is with its clients."""

    strict: bool = False
    """Runs without a conversation (`chat_session_id`) or a sweep are refused."""


@dataclass(frozen=True)
class CapacitySettings:
    """`[capacity]`: how many runs may be live for those that bring no bound of their own (the Wild V2 protocol's)."""

    max_concurrent: int | None = None
    """None = what the cluster's type says."""


@dataclass(frozen=True)
class LimitSettings:
    """`[limits]`: what one token may ask for. The home's first token has none of these limits."""

    requests_per_second: float = 50.0
    burst: int = 500
    """Requests that may come at once after a quiet time."""
    streams: int = 20
    """Open streams and waiting requests at once."""
    cells: int = 10_000
    """Runs that one request may create."""


@dataclass(frozen=True)
class Configuration:
    """Everything that a server of one home is configured with."""

    home: Path
    database_url: str
    url: str | None
    """The server to talk to, when the environment names one."""
    token: str | None
    local: LocalSettings = field(default_factory=LocalSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
    analysis: AnalysisSettings = field(default_factory=AnalysisSettings)
    wild: WildSettings = field(default_factory=WildSettings)
    capacity: CapacitySettings = field(default_factory=CapacitySettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    targets: Mapping[str, SshSettings] = field(default_factory=dict)
    """Machines that are reached over SSH, by their names."""

    @property
    def token_file(self) -> Path:
        """Where the first admin token lies."""
        return self.home / "token"

    @property
    def attempt_key_file(self) -> Path:
        """What proves the tokens of attempts."""
        return self.home / "attempt.key"

    @property
    def lock_file(self) -> Path:
        """Held by the one server of this home; its text is that server's pid and address."""
        return self.home / "server.lock"

    @property
    def untouchable(self) -> tuple[Path, ...]:
        """The home, and the database where it is a file. Who opens and closes a file that SQLite has open in the same
        process drops SQLite's locks, and another process may then cut the file short under it."""
        path = self.database_url.removeprefix("sqlite:///")
        return (self.home,) if path == self.database_url else (self.home, Path(path))


def load(environment: Mapping[str, str]) -> Configuration:
    """Read the environment and the home's `config.toml`; raises Refused naming file, key and remedy."""
    home = Path(environment.get("OVERNIGHT_HOME") or "~/.overnight").expanduser().absolute()
    document = _document(home / "config.toml")
    return Configuration(
        home=home,
        database_url=environment.get("OVERNIGHT_DATABASE_URL") or f"sqlite:///{home}/overnight.db",
        url=environment.get("OVERNIGHT_URL") or None,
        token=environment.get("OVERNIGHT_TOKEN") or None,
        local=LocalSettings(**document.get("local", {})),
        notify=NotifySettings(**{name: tuple(listed) for name, listed in document.get("notify", {}).items()}),
        analysis=_analysis(**document.get("analysis", {})),
        wild=WildSettings(**document.get("wild_v2", {})),
        capacity=CapacitySettings(**document.get("capacity", {})),
        limits=LimitSettings(**document.get("limits", {})),
        targets={name: ssh_settings(table) for name, table in document.get("targets", {}).items()},
    )


def _analysis(command: list[str] | None = None, time_limit: Any = AnalysisSettings.time_limit) -> AnalysisSettings:
    return AnalysisSettings(tuple(command or ()), seconds_of(time_limit) or AnalysisSettings.time_limit)


def _document(path: Path) -> dict[str, Any]:
    """What the file says, checked; Refused lists everything that is wrong with it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}", place=str(path), next_step="Correct the file.") from error
    checks = {
        "local": _check_local,
        "notify": _check_notify,
        "analysis": _check_analysis,
        "wild_v2": _check_wild,
        "capacity": _check_capacity,
        "limits": _check_limits,
        "targets": targets_problems,
    }
    problems = _unknown(document, set(checks), "")
    for name, check in checks.items():
        table = document.get(name, {})
        problems += check(table) if isinstance(table, dict) else [Problem(name, f"must be a table: write [{name}]")]
    if problems:
        text = "; ".join(f"{problem.place}: {problem.message}" for problem in problems)
        raise Refused(f"{path}: {text}", place=str(path), next_step="Correct the file.")
    return document


def seconds_of(value: Any) -> float | None:
    """A length of time: a number of seconds, or `90s`, `45m`, `2h`, `1d`; None for anything else."""
    match = _LENGTH.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        return float(match[1]) * _UNITS[match[2]]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _check_notify(table: Mapping[str, Any]) -> list[Problem]:
    """No message says what stands in `urls`: tokens are part of them."""
    problems = _unknown(table, {"urls", "on"}, "notify.")
    problems += [
        Problem(f"notify.{name}", "must be a list of texts, none of them empty")
        for name in ("urls", "on")
        if not _texts(table.get(name, []))
    ]
    for kind in table["on"] if _texts(table.get("on")) else ():
        if kind not in list(AlertKind):
            problems.append(Problem("notify.on", f"{kind!r} is no kind of alert; known are {', '.join(AlertKind)}"))
    return problems


def _check_analysis(table: Mapping[str, Any]) -> list[Problem]:
    problems = _unknown(table, {"command", "time_limit"}, "analysis.")
    if not _texts(table.get("command")) or not table["command"]:
        problems.append(Problem("analysis.command", 'must be a list of texts: ["python", "analyze.py"]'))
    limit = seconds_of(table.get("time_limit", 1.0))
    if limit is None or not 0 < limit <= LONGEST_LIMIT:
        problems.append(Problem("analysis.time_limit", "must be a length of time of at most a day: 90, 45m, 2h"))
    return problems if table else []


def _check_wild(table: Mapping[str, Any]) -> list[Problem]:
    problems = _unknown(table, {"strict"}, "wild_v2.")
    if not isinstance(table.get("strict", False), bool):
        problems.append(Problem("wild_v2.strict", "must be true or false"))
    return problems


def _check_capacity(table: Mapping[str, Any]) -> list[Problem]:
    problems = _unknown(table, {"max_concurrent"}, "capacity.")
    if not _number(table.get("max_concurrent", 1), whole=True):
        problems.append(Problem("capacity.max_concurrent", "must be a whole number, at least 1"))
    return problems


def _check_limits(table: Mapping[str, Any]) -> list[Problem]:
    known = {entry.name for entry in fields(LimitSettings)}
    wrong = [name for name in known & table.keys() if not _number(table[name], whole=name != "requests_per_second")]
    found = [
        Problem(f"limits.{name}", "must be a number above zero, whole but for requests_per_second") for name in wrong
    ]
    return _unknown(table, known, "limits.") + found


def _number(value: Any, *, whole: bool) -> bool:
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and value > 0


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(it, str) and it and "\0" not in it for it in value)


def _is_folder(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("/") and value.isprintable()


def _check_local(table: Mapping[str, Any]) -> list[Problem]:
    known = {entry.name for entry in fields(LocalSettings)}
    problems = _unknown(table, known, "local.")
    if not _is_folder(table.get("device_locks", FOLDER)):
        problems.append(Problem("local.device_locks", "must be the absolute path of a folder"))
    for name in (known - {"device_locks"}) & table.keys():
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
