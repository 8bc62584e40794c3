"""Skills for agents' tools: what is written, what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from overnight import __version__, skills
from overnight.domain.errors import Conflict, Refused
from overnight.skills.install import install, is_ours, name_of, text_of
from tests.surfaces.cli.harness import Home

ALL = [name_of(it) for it in skills.built_in().values()]


def place(folder: Path, *, force: bool = False) -> list[str]:
    return [it.did for it in install([folder], force=force)]


class TestFiles:
    def test_every_skill_is_a_folder_with_a_text_that_tools_read(self, tmp_path: Path) -> None:
        assert set(place(tmp_path / "new" / "skills")) == {"written"}
        assert sorted(it.name for it in (tmp_path / "new" / "skills").iterdir()) == sorted(ALL)
        for it in skills.built_in().values():
            (file,) = (tmp_path / "new" / "skills" / name_of(it)).iterdir()
            text = file.read_text()
            assert (file.name, file.stat().st_mode & 0o777) == ("SKILL.md", 0o644)
            assert YAML(typ="safe").load(text.split("---\n")[1]) == {
                "name": name_of(it),
                "description": it.description,
            }
            assert __version__ in text
            assert text.endswith(it.template)

    def test_a_second_time_changes_nothing(self, tmp_path: Path) -> None:
        place(tmp_path)
        assert set(place(tmp_path)) == {"unchanged"}

    def test_what_an_older_version_wrote_is_replaced(self, tmp_path: Path) -> None:
        place(tmp_path)
        file = tmp_path / ALL[0] / "SKILL.md"
        older = skills.Skill("x", "x", "an older text", "c", "Older.\n")
        file.write_text(text_of(older))
        assert sorted(set(place(tmp_path))) == ["replaced", "unchanged"]
        assert "Older." not in file.read_text()

    @pytest.mark.parametrize("change", [lambda _: "# Mine\n", lambda text: text + "One more rule.\n", lambda _: ""])
    def test_what_somebody_else_wrote_is_left_alone_and_so_is_all_the_rest(
        self, tmp_path: Path, change: Callable[[str], str]
    ) -> None:
        place(tmp_path)
        file, other = tmp_path / ALL[0] / "SKILL.md", tmp_path / ALL[1] / "SKILL.md"
        file.write_text(change(file.read_text()))
        other.unlink()
        mine = file.read_text()
        with pytest.raises(Conflict, match="nothing was written"):
            place(tmp_path)
        assert (file.read_text(), other.exists()) == (mine, False)
        assert set(place(tmp_path, force=True)) == {"replaced", "written", "unchanged"}
        assert is_ours(file.read_text())

    def test_a_folder_that_cannot_be_one_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(Refused, match="cannot be written"):
            place(tmp_path / "file")

    def test_a_failed_write_leaves_nothing_behind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("overnight.skills.install.os.replace", fail)
        with pytest.raises(Refused, match="No space left"):
            place(tmp_path)
        assert [it for it in tmp_path.rglob("*") if it.is_file()] == []


class TestCommand:
    def test_it_writes_for_each_tool_and_says_what(self, home: Home) -> None:
        user = home.folder / "user"
        done = home.run("skills", "install", "--claude", "--codex", "--cursor", "mine", "--json", HOME=str(user))
        places = [user / ".claude/skills", user / ".agents/skills", user / ".cursor/skills", home.folder / "mine"]
        expected = [str(place / name / "SKILL.md") for place in places for name in ALL]
        assert [it["path"] for it in done.json["skills"]] == expected
        assert all(Path(path).is_file() for path in expected)
        said = home.run("skills", "install", "--claude", HOME=str(user)).out
        assert said.splitlines()[0] == f"unchanged {expected[0]}"

    def test_a_foreign_file_needs_force(self, home: Home) -> None:
        file = home.folder / "mine" / ALL[0] / "SKILL.md"
        file.parent.mkdir(parents=True)
        file.write_text("# Mine\n")
        done = home.run("skills", "install", "mine", "--json")
        assert (done.code, done.error["code"], done.error["place"]) == (2, "conflict", str(file))
        assert home.run("skills", "install", "mine", "--force").code == 0

    def test_nobody_to_write_for_is_a_wrong_request(self, home: Home) -> None:
        done = home.run("skills", "install", "--json")
        assert (done.code, done.error["code"]) == (2, "usage")

    def test_they_are_listed(self, home: Home) -> None:
        assert [it["id"] for it in home.run("skills", "ls", "--json").json["skills"]] == list(skills.built_in())
        assert "overnight_queue" in home.run("skills", "ls").out
