"""What a host still carries of ours that the record does not want: forgotten, or ended."""

from __future__ import annotations

from overnight.daemon.sessions import latest
from overnight.daemon.world import World
from overnight.domain.errors import Unavailable
from overnight.domain.nouns import Attempt
from overnight.domain.states import LIVE_ATTEMPT
from overnight.store import runs
from overnight.store.base import SYSTEM, Session
from overnight.targets.base import Handle

GRACE_SECONDS = 10.0
"""How long an attempt that no record knows is given to end itself."""


def tidy(world: World, name: str) -> None:
    """Compare what a host owns with the record, after every new connection.

    Attempts that ended on record are forgotten,
    and stopped should they still live. Attempts that the record does not know, or knows with another token, were
    started before the record went back to an older state (R35): no fence below theirs is given out again, and they are
    ordered to stop. Raises Unavailable.
    """
    owned = world.places[name].target.owned()
    if not owned:
        return
    found = world.store.read(lambda session: [runs.get_attempt(session, handle.attempt) for handle in owned])
    pairs = list(zip(owned, found, strict=True))
    strangers = [handle for handle, attempt in pairs if _is_stranger(handle, attempt)]
    if any(handle.fence > latest(world.clock) for handle in strangers):
        raise Unavailable(f"{name} names a token that no server can have given")
    if strangers:
        world.store.write(SYSTEM, lambda session: _raise_fence(session, strangers))
        for handle in strangers:
            world.places[name].target.stop(handle, GRACE_SECONDS, "not on record")
    over = [handle for handle, attempt in pairs if attempt and _is_over(handle, attempt)]
    for handle in over:
        world.places[name].target.stop(handle, GRACE_SECONDS, "over on record")
    # A host keeps what has not ended. An ended stranger that it kept would stand in the way of an attempt of that name.
    world.places[name].target.forget([handle.attempt for handle in [*strangers, *over]])


def _is_stranger(handle: Handle, attempt: Attempt | None) -> bool:
    return attempt is None or attempt.fence != handle.fence


def _is_over(handle: Handle, attempt: Attempt) -> bool:
    return attempt.fence == handle.fence and attempt.state not in LIVE_ATTEMPT


def _raise_fence(session: Session, strangers: list[Handle]) -> None:
    session.rows("fence_raise", floor=max(handle.fence for handle in strangers))
    for handle in strangers:
        session.record("host.stranger", handle.attempt, handle.fence)
