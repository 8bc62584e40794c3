"""The generated pages equal the code, and a page that does not is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from overnight.domain.states import MACHINES, RUN
from tools import generate_docs


def test_the_pages_in_the_tree_are_what_the_code_says() -> None:
    assert [generate_docs.difference(name, generate_docs.DOCS) for name in generate_docs.PAGES] == [""] * len(
        generate_docs.PAGES
    )


def test_a_page_that_differs_is_shown_and_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate_docs.main([], tmp_path) == 0
    assert generate_docs.main(["--check"], tmp_path) == 0
    page = tmp_path / "states.md"
    page.write_text(page.read_text(encoding="utf-8").replace("`requeue`", "`again`"), encoding="utf-8")
    capsys.readouterr()
    assert generate_docs.main(["--check"], tmp_path) == 1
    assert "-| `again` |" in capsys.readouterr().out
    assert generate_docs.write(tmp_path) == ["states.md"]
    assert generate_docs.write(tmp_path) == []


def test_a_missing_page_differs(tmp_path: Path) -> None:
    assert generate_docs.main(["--check"], tmp_path) == 1


def test_every_machine_has_every_arrow_in_table_and_diagram() -> None:
    page = generate_docs.states_page()
    for machine in MACHINES:
        part = page.split(f"## {generate_docs.title_of(machine)}\n")[1].split("\n## ")[0]
        for arrow in machine.arrows:
            assert f"| `{arrow.transition}` |" in part
            assert all(f"    {source} --> {arrow.target}: {arrow.transition}\n" in part for source in arrow.sources)


def test_final_states_are_marked() -> None:
    page = generate_docs.states_page()
    assert all(f"    {state} --> [*]\n" in page for state in RUN.terminal)
    assert "    blocked --> [*]\n" not in page
