"""Looking what a machine is part of: programs that schedulers and drivers bring, its environment, its files.

Each look ends within a few seconds, whatever it finds.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 2.5
"""Seconds that one program may take."""
POD_TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Kubernetes puts it into every pod."""
LONGEST_QUOTE = 200
"""Characters of a program's words that are repeated."""
LARGEST_FILE = 1024 * 1024
"""Bytes of a configuration of SSH that are read."""

_GRES = re.compile(r"\bgpu(?::[A-Za-z][\w.-]*)?:(\d{1,6})")
_RANGES = re.compile(r"\[([\d,-]+)\]")
_HOSTS = re.compile(r"^\s*host\s+(.+)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Said:
    """What a program said: None = it is not there, its exit code otherwise."""

    program: str
    code: int | None
    lines: tuple[str, ...] = ()
    late: bool = False
    """Whether it did not end in time."""

    @property
    def well(self) -> bool:
        """Whether it ended well."""
        return self.code == 0

    @property
    def there(self) -> bool:
        """Whether there is such a program."""
        return self.code is not None or self.late

    @property
    def sentence(self) -> str:
        """How it ended."""
        if self.late:
            return f"{self.program} did not answer within {PATIENCE:g} s"
        words = f": {self.lines[0][:LONGEST_QUOTE]}" if self.lines else ""
        return f"{self.program} ended with code {self.code}{words}"


def ask(argv: Sequence[str], environment: Mapping[str, str], patience: float = PATIENCE) -> Said:
    """Run a program of the environment's PATH; it and all that it started are killed when it takes too long."""
    program = shutil.which(argv[0], path=environment.get("PATH", os.defpath))
    if program is None:
        return Said(argv[0], None)
    try:
        process = subprocess.Popen(
            [program, *argv[1:]],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Said(argv[0], 127, (str(error),))
    try:
        text, _ = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        _end(process)
        return Said(argv[0], None, late=True)
    return Said(argv[0], process.returncode, tuple(line for line in text.splitlines() if line.strip()))


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=1.0)


def slurm_nodes(said: Said) -> dict[str, int | None]:
    """Node -> GPUs of it, from `sinfo -h -N -o "%N %G"`; None = it names none."""
    found: dict[str, int | None] = {}
    for line in said.lines if said.well else ():
        name, _, resources = line.strip().partition(" ")
        numbers = [int(number) for number in _GRES.findall(resources)]
        for one in _expanded(name):
            found[one] = sum(numbers) if numbers else None
    return found


def _expanded(name: str) -> list[str]:
    """`gpu[1-3,7]` is four nodes."""
    ranges = _RANGES.search(name)
    if ranges is None:
        return [name]
    found = []
    for part in ranges[1].split(","):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            number = min(int(last or first) - int(first), 100_000)
            found += [f"{name[: ranges.start()]}{int(first) + it}" for it in range(number + 1)]
    return found or [name]


def kubernetes_nodes(said: Said) -> int:
    """How many nodes `kubectl get nodes --no-headers` lists."""
    return sum(not line.startswith(("No resources", "error", "E0", "W0")) for line in said.lines) if said.well else 0


def listed_gpus(said: Said) -> int:
    """How many GPUs `nvidia-smi -L` lists."""
    return sum(line.startswith("GPU ") for line in said.lines) if said.well else 0


def in_pod(environment: Mapping[str, str]) -> bool:
    """Whether this process runs in a pod of Kubernetes."""
    return bool(environment.get("KUBERNETES_SERVICE_HOST")) or POD_TOKEN.exists()


def ssh_hosts(environment: Mapping[str, str]) -> int:
    """How many hosts the configuration of SSH names, patterns apart."""
    home = environment.get("HOME")
    try:
        with Path(home or "/nonexistent", ".ssh", "config").open(encoding="utf-8", errors="replace") as file:
            text = file.read(LARGEST_FILE)
    except OSError:
        return 0
    names = {name for line in _HOSTS.findall(text) for name in line.split() if not set(name) & set("*?!#")}
    return len(names)
