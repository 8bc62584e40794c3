"""Settles an answer against the GPUs that were seen before: one that is missing is lost, never silently gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from overnight.targets.devices.reading import Answer, Gpu, Nameless, Reading

NOT_LISTED = "lost: the driver does not list it any more; reboot the machine, or restart the server if it was taken out"
"""The fault of a GPU that vanished without a word."""


def settle(answer: Answer, known: Mapping[str, Gpu]) -> Reading:
    """The reading: what was answered, plus every known GPU that was not, with its fault."""
    seen = {gpu.uuid for gpu in answer.gpus}
    missing = [gpu for uuid, gpu in known.items() if uuid not in seen]
    if answer.kind == "none":
        why = answer.why or "nobody answers"
        return Reading("none", in_order([faulty(gpu, f"the driver is gone: {why}") for gpu in missing]), (why,))
    blamed, unknown = blame(missing, answer.nameless)
    lost = [faulty(gpu, blamed.get(gpu.uuid, NOT_LISTED)) for gpu in missing]
    said = [answer.why] if answer.why else []
    strangers = [f"GPU at index {ill.index} cannot be identified: {ill.fault}" for ill in unknown]
    return Reading(answer.kind, in_order([*answer.gpus, *lost]), (*said, *answer.notes, *strangers))


def hung(known: Mapping[str, Gpu], why: str) -> Reading:
    """The reading when nobody answered in time: it cannot be told which GPU hangs, so all of them do."""
    return Reading("none", in_order([faulty(gpu, f"hung: {why}") for gpu in known.values()]), (f"hung: {why}",))


def blame(missing: list[Gpu], nameless: tuple[Nameless, ...]) -> tuple[dict[str, str], list[Nameless]]:
    """Which missing GPU each nameless fault is about (by its last place in the order), and the faults of strangers."""
    by_index = {gpu.index: gpu.uuid for gpu in missing}
    blamed: dict[str, str] = {}
    unknown = []
    for ill in nameless:
        uuid = by_index.get(ill.index) if ill.index is not None else None
        if uuid is None and len(missing) == len(nameless) == 1:
            uuid = missing[0].uuid
        if uuid is None:
            unknown.append(ill)
        else:
            blamed[uuid] = ill.fault
    return blamed, unknown


def faulty(gpu: Gpu, fault: str) -> Gpu:
    """The GPU as last seen, its momentary figures forgotten."""
    return replace(gpu, memory_used_mib=None, utilisation=None, temperature=None, processes=None, fault=fault)


def in_order(gpus: list[Gpu]) -> tuple[Gpu, ...]:
    return tuple(sorted(gpus, key=lambda gpu: (gpu.index, gpu.uuid)))
