"""Targets: which there are, how they are reached, and whether a plan may name one that nobody has named before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from overnight.domain.access import Verb
from overnight.domain.cluster import HERE
from overnight.domain.errors import Denied
from overnight.domain.plan import CampaignPlan
from overnight.service.context import Context, Spot
from overnight.service.requests import Nothing
from overnight.service.views import View
from overnight.store import targets
from overnight.store.base import Session


def named_by(plan: CampaignPlan) -> list[str]:
    """The targets that a plan names, in its order."""
    return list(dict.fromkeys(name for sweep in plan.sweeps for name in sweep.targets))


def admit(context: Context, names: Iterable[str]) -> None:
    """Have every target at hand that can be. A new one must be an alias of the user's SSH configuration (the preflight
    says what is missing of others), and only whoever may change targets brings one in: Denied, naming it."""
    fleet = context.fleet
    for name in names:
        if name in context.spots or fleet is None or not fleet.alias(name):
            continue
        if not context.principal.may(Verb.OPERATE):
            raise Denied(
                f"{name} is not among this server's targets yet, and this token may not add any",
                next_step=f"Ask an operator to run: overnight doctor {name}",
            )
        fleet.open(name)


def keep(context: Context, session: Session, names: Iterable[str]) -> None:
    """Put those that are new on record."""
    known = targets.known(session)
    for name in names:
        if context.fleet is not None and name != HERE and name not in known and name in context.spots:
            context.fleet.keep(session, name)


def list_targets(context: Context, _: Nothing) -> View:
    """Every target with the state of the way to it, as it is now, what it has, and what of ours is there."""
    return {"targets": seen(context)}


def seen(context: Context) -> list[View]:
    """The same as a list."""

    def read(session: Session) -> dict[str, View]:
        known = targets.known(session)
        return {name: _on_record(session, name, known.get(name)) for name in sorted({*context.spots, *known})}

    found = context.store.read(read)
    return [{**about, **_way(context.spots.get(name), about)} for name, about in found.items()]


def _on_record(session: Session, name: str, known: targets.KnownTarget | None) -> View:
    devices = session.rows("devices_of", target=name)
    return {
        "name": name,
        "kind": "here" if name == HERE else "ssh",
        "origin": known.origin if known else None,
        "host": known.ssh.get("host") if known else None,
        "gpus": sum(row[2] == "gpu" and row[7] == "healthy" for row in devices),
        "slots": sum(row[2] == "slot" for row in devices),
        "live": len(session.rows("attempts_live", target=name)),
        "state": known.state if known else "unknown",
        "why": known.detail if known else None,
        "since": known.since if known else None,
    }


def _way(spot: Spot | None, about: View) -> dict[str, Any]:
    """What is known just now beats what was written when it last changed; `age`: seconds since its last word."""
    nothing = {"age": None, "latency": None, "code": None, "next": None}
    if spot is None or spot.status is None:
        return nothing
    status, now = spot.status(), spot.now()
    why = status.why
    return {
        "state": status.state,
        "why": why.sentence if why else None,
        "code": why.code if why else None,
        "next": why.next_step if why else None,
        "since": about["since"] if about["since"] is not None and about["state"] == status.state else None,
        "age": None if status.seen_at is None else round(max(0.0, now - status.seen_at), 3),
        "latency": status.latency,
    }
