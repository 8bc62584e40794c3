"""The machines of a server: this one, those of config.toml, and those that manifests named by an alias of OpenSSH's.

More may come while it runs: whoever holds one of its mappings sees them.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from overnight.clock import Clock
from overnight.config import Configuration
from overnight.daemon.sessions import latest
from overnight.daemon.staging import Stager
from overnight.daemon.world import Place
from overnight.domain.errors import Unavailable
from overnight.domain.remote import SshSettings, by_name, stored_settings
from overnight.mirror.ship import Box, ship
from overnight.service.context import Spot
from overnight.store import fetches, runs, targets
from overnight.store.base import SYSTEM, Session, Store
from overnight.targets.home_files import HomeFirst
from overnight.targets.ssh.aliases import aliases, is_known
from overnight.targets.ssh.claims import Claims
from overnight.targets.ssh.target import SshTarget

CUDA = (
    "import ctypes, sys\n"
    "try:\n"
    "  try:\n"
    "    import torch\n"
    "    print(torch.zeros(8, device='cuda').sum().item() == 0, torch.__version__, torch.cuda.get_device_name())\n"
    "  except ImportError:\n"
    "    library, count = ctypes.CDLL('libcuda.so.1'), ctypes.c_int()\n"
    "    code = library.cuInit(0) or library.cuDeviceGetCount(ctypes.byref(count))\n"
    "    print('driver call:', code, 'GPUs:', count.value)\n"
    "    sys.exit(code or not count.value)\n"
    "except Exception as error:\n"
    "  sys.exit(type(error).__name__ + ': ' + str(error))\n"
)
"""A call to CUDA: through torch where the environment has it, else to the driver's library. Fails in one line."""
CUDA_SECONDS = 60.0
"""How long it may take: the first import of torch from a slow disk is no failure."""
V = TypeVar("V")
FILE, MANIFEST = "file", "manifest"
"""Where a target was named: in config.toml, or by its alias in a manifest."""


class Growing(Mapping[str, V]):
    """A mapping that may grow while others go through it: they go through what it was."""

    def __init__(self, found: Mapping[str, V]) -> None:
        self._found = dict(found)

    def __getitem__(self, name: str) -> V:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, name: str, value: V) -> None:
        """One more, in a dictionary of its own."""
        self._found = {**self._found, name: value}


@dataclass(slots=True)
class Fleet:
    """Opens targets and keeps what the loop and the operations need of each."""

    configuration: Configuration
    store: Store
    clock: Clock
    rng: random.Random
    home: str
    """Id of this home, which keeps its files on a host apart from those of others."""
    session: Callable[[int], int]
    """A number above all given before and above the argument: see `RunnerTarget`."""
    places: Growing[Place]
    spots: Growing[Spot]
    wake: Callable[[], None] = lambda: None
    _opened: list[SshTarget] = field(default_factory=list)
    _claims: Claims = field(default_factory=Claims)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def open_known(self) -> None:
        """Open what config.toml names, and what is on record from before."""
        named = self.configuration.targets
        kept = self.store.write(SYSTEM, lambda session: self._keep(session, named))
        self._claims = self._in_order({**named, **kept})
        for name, it in kept.items():
            self._open(name, named.get(name) or stored_settings(it.ssh))

    def look_up(self) -> None:
        """The same for a process that changes nothing."""
        kept = {name: stored_settings(it.ssh) for name, it in self.store.read(targets.known).items()}
        self._claims = self._in_order({**self.configuration.targets, **kept})
        for name, settings in {**kept, **self.configuration.targets}.items():
            self._open(name, settings)

    def _in_order(self, names: Iterable[str]) -> Claims:
        """Of several names of one machine the first with work there is used, so that nothing there is lost sight of."""
        busy = self.store.read(lambda session: {it for it in names if _has_work(session, it)})
        return Claims(sorted(names, key=lambda name: name not in busy))

    @staticmethod
    def _keep(session: Session, named: Mapping[str, SshSettings]) -> dict[str, targets.KnownTarget]:
        for name, settings in named.items():
            targets.add(session, name, asdict(settings), FILE)
        return targets.known(session)

    def alias(self, name: str) -> bool:
        """Whether a manifest may name this machine: the user's SSH configuration does."""
        return is_known(name, aliases())

    def open(self, name: str) -> None:
        """Begin to reach a machine by its alias; repeatable."""
        with self._lock:
            if name not in self.places:
                self._open(name, stored_settings(by_name(name)))
        self.wake()

    def keep(self, session: Session, name: str) -> None:
        """Put a machine on record that a manifest named, so that later servers reach it too."""
        targets.add(session, name, asdict(stored_settings(by_name(name))), MANIFEST)

    def _open(self, name: str, settings: SshSettings) -> None:
        target = SshTarget(
            name,
            settings,
            home=self.home,
            clock=self.clock,
            session=partial(self._number, name),
            rng=self.rng,
            claim=partial(self._claims.claim, name),
        )
        target.wake = self.wake
        self._opened.append(target)
        files = HomeFirst(target.files, self.configuration.home / "runs")
        box = Box(target.files, settings.host, target.session, target.remote_shell, os.environ)
        copies = self.configuration.home / "code"
        stager = Stager(target, copies, lambda identity: ship(identity, copies, box))
        self.places.add(
            name,
            Place(
                target,
                target.files,
                Path("runs"),
                settings.log_cap_mib * 1024 * 1024,
                root=target.folder,
                home=target.user_home,
                stage=stager.stage,
                reserve=settings.reserve,
                near=False,
            ),
        )
        spot = Spot(
            target,
            files,
            target.status,
            self.clock.boot,
            home=target.user_home,
            folder=target.folder,
            examine=partial(_examine, target),
            reserve=settings.reserve,
        )
        self.spots.add(name, spot)

    def _number(self, name: str, floor: int) -> int:
        """A number above what a host has seen, by its own word. Raises Unavailable for one that cannot be true."""
        if floor > latest(self.clock):
            raise Unavailable(f"{name} says that it has seen a session that no server can have had")
        return self.session(floor)

    def close(self) -> None:
        """Leave the machines alone; only the connections end."""
        for target in self._opened:
            target.close()


def _has_work(session: Session, target: str) -> bool:
    """Whether attempts of a target may be alive, or left files that are to come home."""
    return bool(runs.live_attempts(session, target)) or fetches.oldest(session, target) is not None


def _examine(target: SshTarget, python: str | None) -> dict[str, Any]:
    """What a host says of itself now; a back-off is not sat out."""
    target.retry_now()
    check = {"argv": [python or "python3", "-c", CUDA], "timeout": CUDA_SECONDS}
    return target.files.facts([target.settings.folder], check)
