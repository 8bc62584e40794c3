"""What was learnt of device memory: the most that a family of configurations was seen to use on one model of GPU.

A family is a campaign's and a sweep's name, the parameters but for the replicates, and the model: what ran once tells
what its like will need, in this campaign and in the next one of that name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from overnight.domain.nouns import Attempt
from overnight.domain.reasons import Mark, Reason
from overnight.store import rows
from overnight.store.base import Session

GROWTH_MIB, GROWTH = 64, 1.05
"""A higher use of an attempt is written down when it has grown by so much or by that factor."""


def family_of(campaign: str, sweep: str, parameters: Mapping[str, Any], model: str) -> str:
    """64 hex digits that are equal for runs that should need equal memory. `parameters` without the replicates."""
    text = rows.encode([campaign, sweep, dict(parameters), model])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def known_peaks(session: Session, run_id: str, models: Iterable[str]) -> dict[str, int]:
    """Model of GPU -> most MiB that runs like this one were seen to use on it; models that nothing is known of are
    left out."""
    found = {}
    for model in models:
        peak = session.value("family_peak", family=_family(session, run_id, model))
        if peak is not None:
            found[model] = int(peak)
    return found


def seen_using(session: Session, attempt_id: str, device_id: str, mib: int, before: int | None) -> bool:
    """Keep the most memory that an attempt was seen to use on a device; whether it was so much more than `before`."""
    if before is not None and mib < min(before + GROWTH_MIB, before * GROWTH):
        return False
    if mib > (before or 0):
        session.rows("peak_put", attempt_id=attempt_id, device_id=device_id, mib=mib)
    return mib > (before or 0)


def learn(session: Session, attempt: Attempt, reason: Reason) -> None:
    """Take in what an ended attempt on GPUs tells of its family; call it before its run is judged.

    A good end tells what it was seen to use. A lack of memory on a GPU of its own tells that all of it was too little.
    One beside others tells only what it had used until then.
    """
    if reason not in {Reason.OK, Reason.VRAM_OOM, Reason.NEIGHBOUR_OOM}:
        return
    gpus = [row for row in _devices(session, attempt.devices) if row[2] == "gpu"]
    if not gpus:
        return
    alone = reason is Reason.VRAM_OOM and not was_packed(session, attempt.id)
    mib = min(row[6] for row in gpus) if alone else session.value("peak_of_attempt", attempt_id=attempt.id)
    for model in {row[5] for row in gpus} if mib else ():
        family = _family(session, attempt.run_id, model)
        session.rows("family_put", family=family, mib=int(mib), now=session.now)


def was_packed(session: Session, attempt_id: str) -> bool:
    """Whether an attempt has shared its GPU with others: its lack of memory is then a neighbour's as well."""
    return session.value("mark_has", attempt_id=attempt_id, kind=Mark.PACKED) is not None


def _devices(session: Session, ids: Sequence[str]) -> list[Any]:
    return [row for device in ids if (row := session.row("device_get", id=device))]


def _family(session: Session, run_id: str, model: str) -> str:
    campaign, sweep, settings, config, rung = session.rows("run_family", id=run_id)[0]
    kept = json.loads(config)
    replicates = rows.sweep_settings(settings).replicates
    return family_of(campaign or "", sweep, _telling(kept, rung, replicates), model)


def _telling(config: Mapping[str, Any], rung: int, replicates: Sequence[str]) -> dict[str, Any]:
    """The parameters that tell how much memory a run needs; the command itself where it has no parameters at all."""
    changed = config["smaller"][rung - 1]["changed"] if rung else {}
    parameters = {**config["parameters"], **changed}
    if not parameters:
        return {"": config["command"]}
    return {name: value for name, value in parameters.items() if name not in replicates}
