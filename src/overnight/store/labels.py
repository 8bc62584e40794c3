"""Words that people and agents put on campaigns, sweeps and runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from overnight.domain.nouns import Run
from overnight.store.base import Session
from overnight.store.moves import CHUNK

Labels = dict[str, str]


def of_things(session: Session, ids: Iterable[str]) -> dict[str, Labels]:
    """Id -> its own labels, by name; things without labels are not in it."""
    found: dict[str, Labels] = {}
    for thing, name, value in session.rows("labels_of", things=json.dumps(sorted(set(ids)))):
        found.setdefault(thing, {})[name] = value
    return found


def of_runs(session: Session, runs: Sequence[Run]) -> list[Labels]:
    """The labels of each run: those of its campaign, over these those of its sweep, over these its own."""
    places = [(run.campaign_id, run.sweep_id, run.id) for run in runs]
    found = of_things(session, {place for all_of_it in places for place in all_of_it if place})
    return [_merged([found[place] for place in all_of_it if place in found]) for all_of_it in places]


def _merged(layers: Iterable[Labels]) -> Labels:
    return {name: value for layer in layers for name, value in layer.items()}


def change(session: Session, thing: str, put: Mapping[str, str], remove: Sequence[str]) -> bool:
    """Put labels on one thing and take others off; whether anything changed. One event for each label that did."""
    before = of_things(session, [thing]).get(thing, {})
    dropped = [name for name in dict.fromkeys(remove) if name in before and name not in put]
    changed = {name: value for name, value in put.items() if before.get(name) != value}
    for name in dropped:
        session.rows("label_drop", thing=thing, name=name)
        session.record("label.remove", thing, name=name, before=before[name])
    for name, value in changed.items():
        session.rows("label_put", thing=thing, name=name, value=value)
        session.record("label.set", thing, name=name, before=before.get(name), after=value)
    return bool(dropped or changed)


def put_on_new(session: Session, labelled: Mapping[str, Mapping[str, str]]) -> None:
    """The first labels of new things: id -> labels. One event for each set of labels and chunk of things."""
    table = [
        {"thing": thing, "name": name, "value": value}
        for thing, labels in labelled.items()
        for name, value in labels.items()
    ]
    session.many("label_put", table)
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for thing, labels in labelled.items():
        if labels:
            alike.setdefault(tuple(sorted(labels.items())), []).append(thing)
    for pairs, ids in alike.items():
        for start in range(0, len(ids), CHUNK):
            session.record("label.set", ids[start], ids=ids[start : start + CHUNK], after=dict(pairs))
