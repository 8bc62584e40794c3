"""What targets are asked and told about attempts. Each call may wait for its host; none touches the loop itself."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.daemon import orphans
from overnight.daemon.launches import NO_SECRETS, Claimed, launch_of
from overnight.daemon.world import World
from overnight.domain.errors import Refused as RefusedError
from overnight.domain.errors import Rejected, Unavailable
from overnight.domain.nouns import Attempt
from overnight.store import runs
from overnight.store.base import Session
from overnight.targets.base import Handle, Launch, News, Refused, Unknown
from overnight.targets.secrets import read_secrets


@dataclass(frozen=True, slots=True)
class Observed:
    """What a target answered about its live attempts, and by which of its connections."""

    generation: int
    news: tuple[News, ...]


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop order that stands."""

    handle: Handle
    grace: float
    """Seconds."""
    reason: str


def handle_of(attempt: Attempt) -> Handle:
    """What a target needs to know of an attempt."""
    return Handle(attempt.id, attempt.fence, attempt.folder, attempt.boot_id)


def observe(world: World, name: str, live: Sequence[Attempt]) -> Observed:
    """Put a host in order and ask it about these attempts. Raises Unavailable when it cannot be reached."""
    target = world.places[name].target
    orphans.tidy(world, name)
    generation = target.generation
    seen = target.observe([handle_of(attempt) for attempt in live])
    return Observed(generation, tuple(News(it.id, it.fence, seen[it.id]) for it in live if it.id in seen))


def stop(world: World, name: str, orders: Sequence[Stop]) -> None:
    """Order the ends of attempts. Raises Unavailable at the first that does not arrive: all are ordered again."""
    for order in orders:
        world.places[name].target.stop(order.handle, order.grace, order.reason)


def orders_of(session: Session, name: str, claims: Mapping[str, Claimed]) -> list[tuple[Attempt, Stop]]:
    """The stop orders that stand on a target."""
    found = [attempt for attempt in runs.live_attempts(session, name) if attempt.state == "stopping"]
    return [(it, Stop(handle_of(it), _grace(claims.get(it.id)), it.detail or "cancelled")) for it in found]


def _grace(claimed: Claimed | None) -> float:
    return claimed.settings.grace if claimed else orphans.GRACE_SECONDS


def start(world: World, name: str, made: Sequence[Claimed]) -> list[News]:
    """Bring what these claims need to their target and order their starts, those that are still wanted.

    Returns news of those that can never be started, and of those whose files cannot be brought now, which keep nobody
    else from starting: they stay `launching`, are observed, found absent, and sent again. Raises Unavailable when
    certainly nothing was sent.
    """
    launches: list[Launch] = []
    kept: list[News] = []
    for claimed in made:
        found = _launch(world, claimed)
        if isinstance(found, Launch):
            launches.append(found)
        else:
            kept.append(News(claimed.attempt, claimed.fence, found))
    wanted = _still_wanted(world, launches) if not world.places[name].near else launches
    if wanted:
        world.places[name].target.start(wanted)
    return kept


def _launch(world: World, claimed: Claimed) -> Launch | Refused | Unknown:
    try:
        return launch(world, claimed)
    except Unavailable as error:
        return Unknown(str(error))


def launch(world: World, claimed: Claimed) -> Launch | Refused:
    """The launch of a claim, with its files where it will look for them; Refused when it can never be made (a missing
    secret, an unquotable path). Raises Unavailable."""
    try:
        secrets = read_secrets(claimed.settings.secrets, claimed.settings.workdir, os.environ)
        place = world.places[claimed.target]
        # On another machine our address is somebody else's, who would be told the token.
        own = world.variables(claimed.attempt) if place.near else NO_SECRETS
        return launch_of(place.stage(claimed), {**secrets, **own})
    except (RefusedError, Rejected) as error:
        return Refused(str(error))


def _still_wanted(world: World, launches: Sequence[Launch]) -> list[Launch]:
    """Bringing files takes its time: what was cancelled meanwhile is not started any more."""
    found = world.store.read(lambda session: [runs.get_attempt(session, it.attempt) for it in launches])
    return [it for it, now in zip(launches, found, strict=True) if now is not None and now.state == "launching"]
