"""Where the runs of a sweep may go, what they work in there, and what the loss of the way there means."""

from __future__ import annotations

import re
from collections.abc import Iterable

from overnight.domain.cluster import HERE
from overnight.domain.plan import LONGEST_TARGET, MOST_TARGETS, TARGET_NAME
from overnight.manifest.document import Entry, ListNode, ScalarNode, TableNode, inside
from overnight.manifest.fields import check_keys, flag_of, names_of, seconds_of, text_of, wrong
from overnight.manifest.findings import Findings, listing, quoted

TARGET_KEYS = ("target", "targets")
"""Two ways to say the same: one name, or several in order of preference."""
DISCONNECTS = ("hold", "requeue", "kill")
SHORTEST_LEASE = 60.0
"""Seconds: shorter ones would end runs at the first hiccup of a network."""
_TARGET = re.compile(TARGET_NAME)


def is_far(targets: Iterable[str]) -> bool:
    """Whether any of the targets is another machine."""
    return any(target != HERE for target in targets)


def read_targets(table: TableNode, place: str, findings: Findings) -> tuple[str, ...] | None:
    """The targets that a table names, in order; None where it names none, or with problems noted."""
    given = [entry for key in TARGET_KEYS if (entry := table.get(key)) is not None]
    if len(given) > 1:
        findings.add(inside(place, "targets"), given[-1].line, "`target` and `targets` mean the same: keep one of them")
        return None
    return _targets(given[0], inside(place, given[0].key), findings) if given else None


def _targets(entry: Entry, place: str, findings: Findings) -> tuple[str, ...] | None:
    node = entry.value
    if entry.key == "target" or not isinstance(node, ListNode):
        name = text_of(node, place, "the name of a target", findings)
        return (name,) if name is not None and _is_name(name, place, entry.line, findings) else None
    names = names_of(node, place, "a list of targets, such as [box, here]", findings)
    if names is None:
        return None
    if not 1 <= len(names) <= MOST_TARGETS:
        findings.add(place, entry.line, f"{len(names)} targets stand here: name 1 to {MOST_TARGETS}")
        return None
    places = enumerate(zip(names, node.items, strict=True))
    right = [_is_name(name, f"{place}[{index}]", item.line, findings) for index, (name, item) in places]
    return names if all(right) else None


def _is_name(name: str, place: str, line: int, findings: Findings) -> bool:
    if len(name) > LONGEST_TARGET:
        findings.add(place, line, f"this name is longer than {LONGEST_TARGET} characters: shorten it")
    elif _TARGET.fullmatch(name) is None:
        rule = "begin with a letter, digit or _, then letters, digits, _ . @ : % -"
        findings.add(place, line, f"{quoted(name)} is no name of a target: {rule}")
    return len(name) <= LONGEST_TARGET and _TARGET.fullmatch(name) is not None


Mirror = tuple[bool, tuple[str, ...]]
"""Whether runs work in a frozen copy of their working folder, and the patterns of what is left out of it."""


def read_mirror(entry: Entry, place: str, findings: Findings) -> Mirror | None:
    """`true`, `false`, or a mapping with what is left out; None with a problem noted."""
    if not isinstance(entry.value, TableNode):
        flag = flag_of(entry.value, place, findings)
        return None if flag is None else (flag, ())
    check_keys(entry.value, ("exclude",), place, findings, {"without": "exclude", "ignore": "exclude"})
    given = entry.value.get("exclude")
    patterns = () if given is None else _patterns(given, inside(place, "exclude"), findings)
    return None if patterns is None else (True, patterns)


def _patterns(entry: Entry, place: str, findings: Findings) -> tuple[str, ...] | None:
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, place, "a list of patterns, such as [data/, '*.pt']", findings)
        return None
    found = [text_of(item, f"{place}[{index}]", "a pattern", findings) for index, item in enumerate(entry.value.items)]
    patterns = [one for one in found if one is not None]
    return tuple(patterns) if len(patterns) == len(found) else None


def read_on_disconnect(entry: Entry, place: str, findings: Findings) -> str | None:
    """One of `DISCONNECTS`; None with a problem noted."""
    word = entry.value.value if isinstance(entry.value, ScalarNode) else None
    if isinstance(word, str) and word in DISCONNECTS:
        return word
    wrong(entry.value, place, "hold, requeue or kill", findings)
    return None


def read_lease(entry: Entry, place: str, findings: Findings) -> float | None:
    """Seconds; None with a problem noted."""
    seconds = seconds_of(entry.value, place, findings, positive=True)
    if seconds is not None and seconds < SHORTEST_LEASE:
        message = f"a lease is at least {SHORTEST_LEASE:g} s, so that a short cut of the network ends nothing"
        findings.add(place, entry.line, message)
    return seconds


def check_one_target(
    table: TableNode, place: str, targets: tuple[str, ...], asked: Iterable[tuple[str, bool]], findings: Findings
) -> None:
    """Note what only means something on one machine although several are named. `asked`: (key, whether it is said)."""
    if len(targets) < 2:
        return
    for key, said in asked:
        if said:
            entry = next((it for name in (key, *TARGET_KEYS) if (it := table.get(name)) is not None), None)
            message = f"{_MEANING[key]} on one machine, but {listing(targets)} are named: name one target"
            findings.add(inside(place, entry.key) if entry else place, entry.line if entry else table.line, message)


_MEANING = {
    "requires": "required files are looked for",
    "skip_if_done": "outputs that are there already are looked for",
    "barrier": "a barrier waits for the devices",
    "resources": "positions of GPUs (`devices`) are those",
}
