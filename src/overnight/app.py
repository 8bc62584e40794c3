"""Puts the parts together: the only module that names concrete adapters."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import overnight
from overnight.clock import Clock, SystemClock, pause
from overnight.config import Configuration
from overnight.daemon.analyst import Analyst
from overnight.daemon.answers import Answers
from overnight.daemon.aside import Aside
from overnight.daemon.errands import ThreadedErrands
from overnight.daemon.herald import Herald, Messenger
from overnight.daemon.loop import Loop
from overnight.daemon.sessions import next_session, open_epoch
from overnight.daemon.world import Place, World
from overnight.domain.cluster import HERE
from overnight.domain.errors import Refused, StoreRefused
from overnight.fleet import Fleet, Growing
from overnight.home import HomeLock, attempt_key_of, id_of, token_of
from overnight.ids import new_home_id, system_random
from overnight.runner.locks import holders
from overnight.service.context import Context, Spot
from overnight.service.findings import summary
from overnight.service.keyring import Keyring
from overnight.service.requests import One
from overnight.store import cluster, tokens
from overnight.store.base import SYSTEM, Store
from overnight.store.sqlite import SqliteStore
from overnight.surfaces.cli.bystander import Bystander
from overnight.targets.base import Offer
from overnight.targets.devices.gpus import GpuProbe
from overnight.targets.devices.offers import locked, offers
from overnight.targets.devices.owners import owners
from overnight.targets.doing import doing
from overnight.targets.files import LocalFiles
from overnight.targets.local import local_target
from overnight.targets.runner_target import RunnerTarget


def open_store(configuration: Configuration, clock: Clock, *, alone: bool) -> Store:
    """The store that the configuration names; StoreRefused when it cannot be used.

    `alone` keeps other servers off a shared database: one daemon per record.
    """
    url = configuration.database_url
    if url.startswith("sqlite:///"):
        return SqliteStore(url.removeprefix("sqlite:///"), clock)
    if url.startswith(("postgresql://", "postgres://")):
        from overnight.store.postgres import PostgresStore

        shared = PostgresStore(url, clock)
        if alone:
            shared.exclusive()
        return shared
    raise StoreRefused(
        f"OVERNIGHT_DATABASE_URL {url.split(':', maxsplit=1)[0]}:… is of no known kind",
        next_step="Use sqlite:///PATH or postgresql://…",
    )


@dataclass(slots=True)
class Plane:
    """A running control plane without any surface: the store, the loop on its thread, and the context of operations."""

    context: Context
    lock: HomeLock
    _aside: Aside
    _store: Store
    _target: RunnerTarget
    _fleet: Fleet
    _probe: GpuProbe
    _stop: threading.Event
    _thread: threading.Thread

    def close(self) -> None:
        """End the loop and give everything back; runs go on."""
        self._stop.set()
        self.context.wake()
        self._thread.join()
        self._aside.close()
        self._target.close()
        self._fleet.close()
        self._probe.close()
        self._store.close()
        self.lock.release()


def start(configuration: Configuration, *, broken: Callable[[str], None], url: str = "") -> Plane:
    """Take the home's lock, open the store and start the loop. `broken` is called when the loop cannot go on.

    `url`: where it will answer, if that is known already; jobs are told.
    """
    os.umask(0o077)
    lock = HomeLock(configuration)
    lock.url = url
    try:
        return _start(configuration, lock, broken)
    except OSError as error:
        lock.release()
        raise StoreRefused(
            f"{configuration.home} cannot be used: {error}", next_step="Look at the disk: has it room, is it well?"
        ) from error
    except BaseException:
        lock.release()
        raise


def _start(configuration: Configuration, lock: HomeLock, broken: Callable[[str], None]) -> Plane:
    clock = SystemClock()
    messenger = _messenger(configuration)
    store = open_store(configuration, clock, alone=True)
    keyring = Keyring(token_of(configuration), attempt_key_of(configuration))
    keyring.add(store.read(tokens.standing))
    open_epoch(store, clock, overnight.__version__)
    store.write(SYSTEM, lambda session: cluster.limit(session, configuration.capacity.max_concurrent))
    probe = GpuProbe(clock)
    target = _local_target(configuration, store, clock, probe)
    files = LocalFiles()
    runs_folder = configuration.home / "runs"
    runs_folder.mkdir(mode=0o700, exist_ok=True)
    rng = system_random()
    here = Place(target, files, runs_folder, configuration.local.log_cap_mib * 1024 * 1024, doing)
    errands = ThreadedErrands()
    fleet = Fleet(
        configuration,
        store,
        clock,
        rng,
        id_of(configuration),
        lambda floor: next_session(store, floor),
        Growing({HERE: here}),
        Growing({HERE: Spot(target, files, target.status, clock.boot)}),
    )
    world = World(
        store,
        fleet.places,
        clock,
        rng,
        home=lambda: files.room(str(configuration.home)),
        reserve=configuration.local.reserve,
        variables=lambda attempt: _variables(keyring, lock.url, attempt),
        errands=errands,
        copies=runs_folder,
    )
    loop = Loop(world)
    target.wake = errands.wake = fleet.wake = loop.wake
    fleet.open_known()
    stop = threading.Event()
    thread = threading.Thread(target=_guarded, args=(loop, stop, broken), name="loop", daemon=True)
    context = Context(
        store, fleet.spots, configuration, rng, lambda: loop.wake(steered=True), keyring=keyring, fleet=fleet
    )
    aside = _aside(configuration, context, messenger)
    world.written = aside.wake
    thread.start()
    aside.start()
    return Plane(context, lock, aside, store, target, fleet, probe, stop, thread)


@dataclass(frozen=True, slots=True)
class Visit:
    """A home's record, opened by a process that carries no runs out."""

    context: Context
    _leave: Callable[[], None]

    def close(self) -> None:
        """Give everything back."""
        self._leave()


def visit(configuration: Configuration, *, changes: bool) -> Visit:
    """Open the record of a home that this process does not serve.

    With `changes` under the home's lock: Conflict when a server has it. Without, next to whoever has it: changes are
    refused, nothing is made, and a home that is not there looks empty.
    """
    with ExitStack() as stack:
        if changes:
            os.umask(0o077)
            stack.callback(HomeLock(configuration).release)
        clock = SystemClock()
        store = open_store(configuration if changes else _readable(configuration, stack), clock, alone=changes)
        stack.callback(store.close)
        probe = GpuProbe(clock)
        stack.callback(probe.close)
        target = _local_target(configuration, store, clock, probe)
        stack.callback(target.close)
        seen: Store = store if changes else Bystander(store, pause)
        spots = Growing({HERE: Spot(target, LocalFiles(), target.status, clock.boot)})
        fleet = _visiting_fleet(configuration, store, clock, spots, changes=changes)
        stack.callback(fleet.close)
        fleet.look_up()
        context = Context(seen, spots, configuration, system_random(), lambda: None, fleet=fleet)
        return Visit(context, stack.pop_all().close)


def _visiting_fleet(
    configuration: Configuration, store: Store, clock: Clock, spots: Growing[Spot], *, changes: bool
) -> Fleet:
    """The machines for a process that serves nothing. Beside a server it goes to them as another home would: two of one
    home would take each other's place."""
    own = id_of(configuration) if configuration.home.is_dir() else new_home_id()
    home = own if changes else hashlib.sha256(f"visitor of {own}".encode()).hexdigest()[: len(own)]

    def session(floor: int) -> int:
        return next_session(store, floor) if changes else max(floor + 1, int(clock.wall() * 1000))

    return Fleet(configuration, store, clock, system_random(), home, session, Growing({}), spots)


def _readable(configuration: Configuration, stack: ExitStack) -> Configuration:
    """The configuration itself, or, where its database file is not there, one with an empty database for a while."""
    path = configuration.database_url.removeprefix("sqlite:///")
    if path == configuration.database_url or Path(path).exists():
        return configuration
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="overnight-"))
    return replace(configuration, database_url=f"sqlite:///{folder}/empty.db")


def _messenger(configuration: Configuration) -> Messenger | None:
    """Who delivers alerts, as configured. Refused rather than silent all night when that cannot work."""
    if not configuration.notify.urls:
        return None
    try:
        from overnight.daemon.apprise_messenger import AppriseMessenger
    except ModuleNotFoundError as error:
        raise Refused(
            f"config.toml has [notify] urls, but {error.name} is not installed",
            place=str(configuration.home / "config.toml"),
            next_step="Install it with: pip install 'overnight[notify]'",
        ) from error
    return AppriseMessenger(configuration.notify.urls, str(configuration.home))


def _aside(configuration: Configuration, context: Context, messenger: Messenger | None) -> Aside:
    def summed_up(campaign_id: str) -> dict[str, Any]:
        return summary(context, One(id=campaign_id))

    herald = Herald(context.store, messenger, frozenset(configuration.notify.on))
    analyst = Analyst(context.store, configuration.analysis, configuration.home, summed_up)
    answers = Answers(context.store, lambda name: spot.files if (spot := context.spots.get(name)) else None)
    return Aside(herald, analyst, answers)


def _variables(keyring: Keyring, url: str, attempt: str) -> dict[str, str]:
    """By which a job may ask this server about its own run."""
    found = {"OVERNIGHT_TOKEN": keyring.of_attempt(attempt), "OVERNIGHT_URL": url}
    return {name: value for name, value in found.items() if value}


def _guarded(loop: Loop, stop: threading.Event, broken: Callable[[str], None]) -> None:
    try:
        loop.run(stop)
    except BaseException as error:
        broken(f"{type(error).__name__}: {error}")
        raise


def _local_target(configuration: Configuration, store: Store, clock: Clock, probe: GpuProbe) -> RunnerTarget:
    local, folder = configuration.local, Path(configuration.home, "runner")

    def look() -> list[Offer]:
        reading, threshold = probe.read(), local.gpu_free_threshold_mib
        runner = os.path.realpath(folder)
        ours = owners(reading.pids, runner)
        held = locked(holders(local.device_locks, [gpu.uuid for gpu in reading.gpus]), runner)
        return offers(reading, target="here", slots=local.slots, threshold_mib=threshold, owners=ours, locked=held)

    return local_target(
        folder=folder,
        offers=look,
        clock=clock,
        session=lambda floor: next_session(store, floor),
        pause=pause,
        locks=local.device_locks,
    )
