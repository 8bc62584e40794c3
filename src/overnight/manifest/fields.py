"""Typed reading of nodes: each function answers the value, or None with a problem noted."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable

from overnight.domain.plan import Scalar
from overnight.manifest.document import Entry, ListNode, Node, ScalarNode, TableNode, inside, kind
from overnight.manifest.findings import Findings, listing, quoted, suggestion

LARGEST = 2**31 - 1
"""Largest whole number of a setting: what every database column and process limit can hold."""
LONGEST_SECONDS = 3650 * 86400.0
"""Longest duration: ten years, in seconds."""
MAX_NAMES = 1000
"""Most sweeps of a file, and most variables of a mapping: every sweep looks at all of them."""
MAX_TEXT = 128 * 1024 - 1
"""Longest single argument or variable that Linux passes to a process, in bytes."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(s|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(MiB|GiB|MB|GB)")
_BYTES = {"MiB": 2**20, "GiB": 2**30, "MB": 10**6, "GB": 10**9}


def check_keys(
    table: TableNode, legal: Collection[str], place: str, findings: Findings, synonyms: dict[str, str] | None = None
) -> None:
    """Note every key that means nothing here, with the nearest one that does."""
    for entry in table:
        if entry.key not in legal:
            guess = suggestion(entry.key, legal, synonyms) or f"; known here: {listing(legal, 20)}"
            findings.add(inside(place, entry.key), entry.line, f"unknown key `{entry.key}`{guess}")


def wrong(node: Node, place: str, expected: str, findings: Findings) -> None:
    """Note that something else stands where `expected` should."""
    shown = f" ({quoted(node.source)})" if isinstance(node, ScalarNode) and node.value is not None else ""
    findings.add(place, node.line, f"this is {kind(node)}{shown}: write {expected}")


def table_of(entry: Entry, place: str, expected: str, findings: Findings) -> TableNode | None:
    """The mapping of an entry."""
    if isinstance(entry.value, TableNode):
        if len(entry.value.entries) <= MAX_NAMES:
            return entry.value
        findings.add(place, entry.line, f"more than {MAX_NAMES:,} names stand here: write fewer")
        return None
    wrong(entry.value, place, expected, findings)
    return None


def is_null(node: Node) -> bool:
    """Whether nothing, `null` or `~` stands here."""
    return isinstance(node, ScalarNode) and node.value is None


def text_of(node: Node, place: str, expected: str, findings: Findings) -> str | None:
    """A text that is not empty and that a process argument can hold."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or not node.value.strip():
        wrong(node, place, expected, findings)
        return None
    return node.value if is_passable(node.value, node.line, place, findings) else None


def argument_of(node: Node, place: str, expected: str, findings: Findings) -> str | None:
    """A scalar as it was written (`1.10` stays `1.10`); may be empty text, not null."""
    if not isinstance(node, ScalarNode) or node.value is None:
        wrong(node, place, expected, findings)
        return None
    return node.source if is_passable(node.source, node.line, place, findings) else None


def is_passable(text: str, line: int, place: str, findings: Findings) -> bool:
    """Whether a process can be given this text; notes why not."""
    if "\0" in text:
        findings.add(place, line, "a NUL character stands here, which no command or path can hold: remove it")
        return False
    if len(text) > MAX_TEXT // 4 and len(text.encode()) > MAX_TEXT:
        findings.add(
            place, line, f"this text is longer than {MAX_TEXT:,} bytes, the most a command can be given: use a file"
        )
        return False
    return True


def whole_of(node: Node, place: str, findings: Findings, *, least: int, most: int = LARGEST) -> int | None:
    """A whole number within bounds."""
    value = node.value if isinstance(node, ScalarNode) else None
    if not isinstance(value, int) or isinstance(value, bool):
        wrong(node, place, f"a whole number of at least {least:,}", findings)
        return None
    if not least <= value <= most:
        findings.add(
            place, node.line, f"{quoted(value)} is out of range: write a whole number from {least:,} to {most:,}"
        )
        return None
    return value


def flag_of(node: Node, place: str, findings: Findings) -> bool | None:
    """`true` or `false`."""
    if isinstance(node, ScalarNode) and isinstance(node.value, bool):
        return node.value
    wrong(node, place, "true or false", findings)
    return None


def number_of(node: Node, place: str, findings: Findings, *, least: float, most: float) -> float | None:
    """A finite number within bounds."""
    value = node.value if isinstance(node, ScalarNode) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        wrong(node, place, f"a number of at least {least:g}", findings)
        return None
    if not least <= value <= most:
        findings.add(place, node.line, f"{quoted(value)} is out of range: write a number from {least:g} to {most:g}")
        return None
    return float(value)


def seconds_of(node: Node, place: str, findings: Findings, *, positive: bool) -> float | None:
    """A duration in seconds: a number of them, or `90s`, `45m`, `2h`, `1.5d`."""
    value = node.value if isinstance(node, ScalarNode) else None
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        seconds = float(match[1]) * _SECONDS[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value) if abs(value) <= LONGEST_SECONDS else math.inf if value > 0 else -math.inf
    else:
        wrong(node, place, "a duration: a number of seconds, or 90s, 45m, 2h, 1d", findings)
        return None
    if (seconds > 0 or (seconds == 0 and not positive)) and seconds <= LONGEST_SECONDS:
        return seconds
    least = "more than 0 seconds" if positive else "at least 0 seconds"
    findings.add(place, node.line, f"this duration is out of range: write {least} and at most 3650d")
    return None


def mebibytes_of(node: Node, place: str, findings: Findings) -> int | None:
    """A size in MiB, rounded up: `24GiB`, `500MB`; the unit is required."""
    value = node.value if isinstance(node, ScalarNode) else None
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        wrong(node, place, "a size with its unit: 24GiB, 500MiB, 24GB, 500MB", findings)
        return None
    amount = float(match[1])
    size = math.ceil(amount * _BYTES[match[2]] / 2**20) if amount < LARGEST else LARGEST + 1
    if 1 <= size <= LARGEST:
        return size
    findings.add(place, node.line, f"{quoted(value)} is out of range: write at least 1MiB and less than 2048TiB in GiB")
    return None


def names_of(node: Node, place: str, expected: str, findings: Findings) -> tuple[str, ...] | None:
    """A list of different texts, or one text alone."""
    items: Iterable[Node] = node.items if isinstance(node, ListNode) else (node,)
    names: list[str] = []
    count = len(findings)
    for index, item in enumerate(items):
        here = f"{place}[{index}]" if isinstance(node, ListNode) else place
        name = text_of(item, here, expected, findings)
        if name is not None and name in names:
            findings.add(here, item.line, f"`{name}` is named twice: remove one")
        elif name is not None:
            names.append(name)
    return tuple(names) if len(findings) == count else None


def parameter_of(node: Node, place: str, findings: Findings) -> tuple[Scalar] | None:
    """A parameter's value, in a tuple so that null can be told from a problem."""
    if not isinstance(node, ScalarNode):
        wrong(node, place, "a single value: text, a number, true, false or null", findings)
        return None
    value = node.value
    if isinstance(value, float) and not math.isfinite(value):
        findings.add(place, node.line, f"{quoted(node.source)} is no finite number: quote it to pass it as text")
        return None
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        findings.add(place, node.line, f"{quoted(node.source)} does not fit into 64 bits: quote it to pass it as text")
        return None
    if isinstance(value, str) and not is_passable(value, node.line, place, findings):
        return None
    return (value,)
