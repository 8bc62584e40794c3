"""What people write to mean a campaign, a sweep or a run."""

from __future__ import annotations

from overnight.domain.errors import Ambiguous, Conflict, NotFound
from overnight.ids import SHORTEST_PREFIX
from overnight.store import scope
from overnight.store.base import Session

Thing = tuple[str, str]
"""(noun, id)."""


def resolve(session: Session, text: str, wanted: str = "") -> Thing:
    """What an id, a unique prefix of one, a campaign's name, CAMPAIGN/SWEEP or CAMPAIGN/RUN means: (noun, id).

    Only what is there for who asks is meant. Names are taken whole, and the newest thing of a name is meant. Where a
    sweep and a run of a campaign share one, it is the sweep, unless a run is `wanted`; CAMPAIGN/SWEEP/RUN is always the
    run. Raises NotFound, or Ambiguous when a prefix fits several things.
    """
    found = _by_id(session, text) or _by_name(session, text) or _by_path(session, text, wanted)
    if found is None or not scope.visible(session, *found):
        raise NotFound(
            f"there is no campaign, sweep or run {text!r}", next_step="List what there is with: overnight ls --runs"
        )
    return found


def require(noun: str, wanted: str, text: str) -> None:
    """Raise Conflict when an id names another kind of thing than the operation works on."""
    if noun != wanted:
        raise Conflict(f"{text} is a {noun}, not a {wanted}", next_step=f"Give the id of a {wanted}.")


def campaign_of(session: Session, text: str) -> str:
    """The id of the campaign that a text means; Conflict when it means something else."""
    noun, thing = resolve(session, text)
    require(noun, "campaign", text)
    return thing


def _by_id(session: Session, text: str) -> Thing | None:
    if not (SHORTEST_PREFIX <= len(text) <= 12 and all(c in "0123456789abcdef" for c in text)):
        return None
    found = [
        (noun, str(row[0]))
        for noun in ("campaign", "sweep", "run")
        for row in session.rows(f"{noun}s_by_prefix", low=text, high=text + "g")
        if scope.visible(session, noun, str(row[0]))
    ]
    if len(found) > 1:
        raise Ambiguous(
            f"{text} fits several ids: {', '.join(id_ for _, id_ in found[:5])}", next_step="Type more of the id."
        )
    return found[0] if found else None


def _by_name(session: Session, text: str) -> Thing | None:
    named = session.value("campaign_named", name=text, **scope.listed(session))
    return ("campaign", named) if named else None


def _by_path(session: Session, text: str, wanted: str) -> Thing | None:
    """CAMPAIGN/NAME or CAMPAIGN/SWEEP/RUN; no name of these has a slash in it."""
    first, *names = text.split("/")
    campaign = _by_id(session, first) or _by_name(session, first) if 1 <= len(names) <= 2 else None
    if campaign is None or campaign[0] != "campaign":
        return None
    sweep = session.value("sweep_by_name", campaign_id=campaign[1], name=names[0])
    if len(names) == 2:
        run = session.value("run_of_sweep_by_name", sweep_id=sweep, name=names[1])
        return ("run", run) if run else None
    run = session.value("run_by_name", campaign_id=campaign[1], name=names[0])
    if run and (wanted == "run" or not sweep):
        return "run", run
    return ("sweep", sweep) if sweep else None
