"""`${name}` inside of YAML's braces and brackets is read as if it were quoted; everything else is as YAML says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.manifest.document import ListNode, Node, TableNode, Unreadable
from overnight.manifest.findings import Findings
from overnight.manifest.yaml_document import read_yaml


def read(text: str) -> Any:
    """The values of a YAML text."""
    node = read_yaml(text, Findings())
    assert node is not None
    return value_of(node)


def value_of(node: Node) -> Any:
    if isinstance(node, TableNode):
        return {entry.key: value_of(entry.value) for entry in node}
    return [value_of(item) for item in node.items] if isinstance(node, ListNode) else node.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{seed: ${seed}, n: ${n_1}}", {"seed": "${seed}", "n": "${n_1}"}),
        ("[${a},${b} , s${c}_N${d}]", ["${a}", "${b}", "s${c}_N${d}"]),
        ("{a: [${b}, {c: ${d}}]}", {"a": ["${b}", {"c": "${d}"}]}),
        ("{id: s{seed}_N{N}}", {"id": "s{seed}_N{N}"}),
        ("{cmd: run ${a} and ${b} now}", {"cmd": "run ${a} and ${b} now"}),
        ("{img: ${repo}:latest, b: ${c}:${d}}", {"img": "${repo}:latest", "b": "${c}:${d}"}),
        ("{a: $${b}, c: x$$${d}}", {"a": "$${b}", "c": "x$$${d}"}),
        ("{a: run ${b}\n    on, c: 1}", {"a": "run ${b} on", "c": 1}),
        ("{a: ${b} # ${c}\n}", {"a": "${b}"}),
        ("{a: \"${b}\", c: '${d}'}", {"a": "${b}", "c": "${d}"}),
        ("{a: 1, b: {c}}", {"a": 1, "b": {"c": None}}),
        ("a: ${b} {c, d}", {"a": "${b} {c, d}"}),
        ("a: |\n  {b: ${c}}\nd: >\n  [${e}]\n", {"a": "{b: ${c}}\n", "d": "[${e}]\n"}),
        ("{${a}: 1}", {"${a}": 1}),
        ("{a: ${b}, # {c: ${d}\n e: ${f}}", {"a": "${b}", "e": "${f}"}),
    ],
)
def test_how_names_in_braces_are_read(text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    "text",
    ["{a: ${b c}}", "{a: ${1}}", "{a: $ {b}}", "{a: ${b}", '{a: "x"{b}}', "{a: x {b}}", "{a: ${b:-c}}", "[${a}\n---\n"],
)
def test_what_else_yaml_refuses_stays_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="no valid YAML"):
        read(text)


def test_lines_stay_what_they_are() -> None:
    findings = Findings()
    read_yaml("a: {b: ${c},\n  d: ${e} ${f},\n  g: 1,\n  g: 2}\n", findings)
    (problem,) = findings.error("f").problems
    assert (problem.place, problem.line) == ("a.g", 4)


WORDS = st.text(alphabet="ab1_.-/$", min_size=1, max_size=5).filter(lambda word: word[0] in "ab")
NAMES = st.from_regex(r"\A[a-z_][a-z0-9_]{0,4}\Z")


@given(st.lists(st.tuples(WORDS, NAMES), min_size=1, max_size=4), st.booleans())
@settings(max_examples=200, deadline=None)
def test_bare_names_are_read_like_quoted_ones(pieces: list[tuple[str, str]], blanks: bool) -> None:
    text = (" " if blanks else "").join(f"{word}${{{name}}}" for word, name in pieces)
    assert read(f"{{a: {text}, b: [{text}]}}") == read(f'{{a: "{text}", b: ["{text}"]}}')
