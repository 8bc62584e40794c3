"""The command of a W&B sweep: a list of words with macros, which becomes an argument vector for each run."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.plan import Scalar
from overnight.manifest.document import Entry, ListNode, TableNode
from overnight.manifest.fields import argument_of, text_of, wrong
from overnight.manifest.findings import Findings, listing, quoted
from overnight.manifest.template import escaped

DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")
"""The words of a sweep that gives no command."""

_MACRO = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE = re.compile(r"\$\{envvar:([A-Za-z_][A-Za-z0-9_]*)\}")

Parameters = Mapping[str, Scalar]


def _flag(name: str, value: Scalar) -> str:
    """`name=value`, the value as Python writes it: that is what a script under W&B gets."""
    return f"{name}={value}"


def _without_booleans(parameters: Parameters) -> list[str]:
    shown = ((name, value) for name, value in parameters.items() if value is not False)
    return [f"--{name}" if value is True else f"--{_flag(name, value)}" for name, value in shown]


MACROS: Mapping[str, Callable[[Parameters], list[str]]] = {
    "env": lambda _: ["/usr/bin/env"],
    "interpreter": lambda _: ["python"],
    "args": lambda it: [f"--{_flag(name, value)}" for name, value in it.items()],
    "args_no_hyphens": lambda it: [_flag(name, value) for name, value in it.items()],
    "args_no_boolean_flags": _without_booleans,
    "args_json": lambda it: [json.dumps(dict(it))],
}
"""Words that stand for others; `program` and `envvar:NAME` beside them."""


@dataclass(frozen=True)
class Command:
    """The words of a command, `${program}` already replaced."""

    words: tuple[str, ...]

    def written(self, parameters: Parameters) -> str | tuple[str, ...]:
        """The command of one run: an argument vector, or, where variables of its environment are asked for, a text for
        the shell that fails when one of them is not set."""
        words: list[tuple[str, bool]] = []
        for word in self.words:
            macro = MACROS.get(word[2:-1]) if word.startswith("${") else None
            words += [(word, True)] if macro is None else [(made, False) for made in macro(parameters)]
        if not any(given and _VARIABLE.search(word) for word, given in words):
            return tuple([escaped(word) for word, _ in words])
        return "exec " + " ".join(_for_shell(word) if given else escaped(shlex.quote(word)) for word, given in words)


def _for_shell(word: str) -> str:
    pieces = _VARIABLE.split(word)
    return "".join(
        f'"${{{piece}:?is not set}}"' if index % 2 else escaped(shlex.quote(piece))
        for index, piece in enumerate(pieces)
        if piece
    )


def read_command(table: TableNode, findings: Findings) -> Command:
    """The `command` of a sweep; what is wrong is noted."""
    entry = table.get("command")
    words = DEFAULT if entry is None else _words(entry, findings)
    if not words and entry is not None and isinstance(entry.value, ListNode):
        findings.add("command", entry.line, "the command is empty: name a program, or remove `command`")
    program = _program(table, "${program}" in words, findings)
    return Command(tuple(program if word == "${program}" else word for word in words))


def _program(table: TableNode, needed: bool, findings: Findings) -> str:
    entry = table.get("program")
    if entry is not None:
        return text_of(entry.value, "program", "the script to run", findings) or ""
    if needed:
        findings.add("program", table.line, "the script is missing: add `program`")
    return ""


def _words(entry: Entry, findings: Findings) -> Sequence[str]:
    if not isinstance(entry.value, ListNode):
        wrong(entry.value, "command", "a list of words, such as [python, train.py, '${args}']", findings)
        return ()
    words: list[str] = []
    for index, item in enumerate(entry.value.items):
        here = f"command[{index}]"
        word = argument_of(item, here, "a word or a macro", findings)
        if word is not None:
            _check_macros(word, item.line, here, findings)
            words.append(word)
    return words


def _check_macros(word: str, line: int, place: str, findings: Findings) -> None:
    for name in _MACRO.findall(word):
        if _VARIABLE.fullmatch(f"${{{name}}}"):
            continue
        known = name in MACROS or name == "program"
        if not known:
            names = listing([f"${{{one}}}" for one in (*MACROS, "program", "envvar:NAME")], 20)
            findings.add(place, line, f"the macro ${{{name}}} is not known here: use one of {names}")
        elif word != f"${{{name}}}":
            findings.add(place, line, f"${{{name}}} is replaced only where it stands alone, not in {quoted(word)}")
