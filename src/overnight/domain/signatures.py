"""Lines of a log as text that can be shown, and what is equal in lines that say the same."""

from __future__ import annotations

import re

LONGEST_LINE = 200
"""Characters of a line of evidence, and of a signature."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_PREFIXES = re.compile(
    r"""(?:
    \[[^\]\s][^\]]{0,80}\]:?\s?                                       # [rank0]: [core.py:718]
  | \([^()]{1,80}\)(?:\ :)?\ ?                                        # (EngineCore pid=17), (worker_7) :
  | \d{1,4}:\ (?!\d)                                                  # 0: of srun --label
  | (?:\d{4}-)?\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*\ (?:[-|]\ )?            # a time
  | (?:DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL)\b:?\ ?(?:[-|]\ )?     # a level
    )+""",
    re.VERBOSE,
)
_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"0x[0-9a-fA-F]+"), "<n>"),
    (re.compile(r"(?<![\w.<])~?(?:/[\w.@+=~%-]+)+/?"), "<path>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "<n>"),
)
"""What differs between two failures of the same kind: ids, addresses, paths, numbers with times."""


def plain(line: str) -> str:
    """A line of a log without colours and control characters; its indentation stays."""
    bare = _ESCAPES.sub("", line).replace("\t", "    ")
    return bare if bare.isprintable() else "".join(sign if sign.isprintable() else " " for sign in bare)


def unprefixed(line: str) -> str:
    """A plain line without what launchers and loggers put before it (rank, process, time, level)."""
    found = _PREFIXES.match(line)
    return line[found.end() :] if found else line


def quoted(line: str) -> str:
    """A line as it is shown: plain, at most `LONGEST_LINE` characters."""
    return plain(line).strip()[:LONGEST_LINE]


def signature_of(line: str) -> str:
    """What is equal in lines that say the same: numbers, ids, paths and times replaced; at most `LONGEST_LINE`."""
    text = unprefixed(plain(line[: 4 * LONGEST_LINE])).strip()
    for pattern, substitute in _VARYING:
        text = pattern.sub(substitute, text)
    return text[:LONGEST_LINE]
