"""Texts that teach agents: looking for them, rendering them, keeping others, and what cannot be changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from overnight import skills as built
from overnight.domain.errors import BadRequest, Conflict, Denied, InvalidRequest, NotFound
from overnight.service.dispatch import perform
from tests.service.desk import Desk

PROTOCOL = "wild_v2_execution_ops_protocol"
KEYS = {"id", "name", "description", "template", "variables", "category", "built_in", "internal"}


class Library(Desk):
    """The desk, with answers as they are."""

    def do(self, operation: str, **fields: Any) -> Any:
        return perform(self.context, operation, fields)

    def make(self, name: str, **fields: Any) -> str:
        return str(self.do("create_skill", name=name, **fields)["id"])


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path)
    yield made
    made.check()
    made.store.close()


class TestWhatComesWithTheProgram:
    def test_the_protocol_is_there_with_every_key(self, desk: Library) -> None:
        found = desk.do("get_skill", id=PROTOCOL)
        assert found.keys() == KEYS
        assert (found["id"], found["category"], found["built_in"], found["internal"]) == (
            PROTOCOL,
            "protocol",
            True,
            True,
        )
        assert "system-health" in found["template"]

    def test_three_parts_of_the_protocol_are_internal(self, desk: Library) -> None:
        internal = {it["id"] for it in desk.do("list_skills") if it["internal"]}
        assert internal == {
            PROTOCOL,
            "wild_v2_gpu_discovery_parallel_scheduling",
            "wild_v2_sweep_run_audit_protocol",
        }

    @pytest.mark.parametrize("skill", built.built_in().values(), ids=lambda it: it.id)
    def test_its_head_is_what_agents_tools_read(self, skill: built.Skill) -> None:
        text = built.read(skill.id, built.TEXT)
        assert text is not None
        head = YAML(typ="safe").load(text.split("---\n")[1])
        assert head == {
            "name": skill.id,
            "description": skill.description,
            "category": skill.category,
            "internal": skill.internal,
        }
        assert len(skill.description) <= 1024

    def test_a_file_without_a_head_is_no_skill(self) -> None:
        with pytest.raises(ValueError, match="does not begin with a head"):
            built.parse("x", "# Title\n")

    @pytest.mark.parametrize("skill", [PROTOCOL, "overnight_queue"])
    def test_it_cannot_be_changed_or_taken_away(self, desk: Library, skill: str) -> None:
        for operation, fields in (("delete_skill", {}), ("edit_skill", {"template": "x"})):
            with pytest.raises(Denied, match="read-only"):
                desk.do(operation, id=skill, **fields)
        assert desk.events("skill.edit", "skill.delete") == []


class TestLooking:
    def test_an_unknown_text_is_not_found(self, desk: Library) -> None:
        with pytest.raises(NotFound, match="Prompt skill 'nope' not found"):
            desk.do("get_skill", id="nope")

    def test_a_name_goes_before_a_description_before_a_body(self, desk: Library) -> None:
        desk.make("a", template="about zebras")
        desk.make("b", description="about ZEBRAS")
        desk.make("c zebras")
        desk.make("Zebras", description="zebras", template="zebras")
        found = desk.do("search_skills", q=" zebras ")
        assert [(it["id"], it["_score"]) for it in found] == [("zebras", 140), ("c_zebras", 60), ("b", 30), ("a", 10)]
        assert desk.do("search_skills", q="zebras", limit=2) == found[:2]
        assert desk.do("search_skills", q="nothing has this") == []

    def test_without_words_everything_fits(self, desk: Library) -> None:
        desk.make("mine")
        assert desk.do("search_skills") == desk.do("list_skills")
        assert len(desk.do("search_skills", q=" ", limit=3)) == 3

    def test_texts_made_here_stand_beside_the_others(self, desk: Library) -> None:
        desk.make("mine")
        assert [it["id"] for it in desk.do("list_skills")] == [*built.built_in(), "mine"]


class TestRendering:
    def test_variables_are_filled_in_and_missing_ones_are_empty(self, desk: Library) -> None:
        skill = desk.make("mine", template="{{goal}}, {{ n }} times, {{missing}}.")
        assert desk.do("get_skill", id=skill)["variables"] == ["goal", "n", "missing"]
        assert desk.do("render_skill", id=skill, goal="win", n=3) == {"rendered": "win, 3 times, ."}
        assert desk.do("render_skill", id=skill, variables={"goal": "win"}) == {"rendered": "win,  times, ."}

    def test_a_value_is_not_rendered_again(self, desk: Library) -> None:
        skill = desk.make("mine", template="{{a}}{{b}}")
        assert desk.do("render_skill", id=skill, a="{{b}}", b=r"\1") == {"rendered": r"{{b}}\1"}

    def test_an_unknown_text_is_not_rendered(self, desk: Library) -> None:
        with pytest.raises(NotFound):
            desk.do("render_skill", id="nope")


class TestMaking:
    def test_a_text_is_kept_changed_and_taken_away_on_record(self, desk: Library) -> None:
        made = desk.do("create_skill", name="My Skill!", description="d", template="{{x}}")
        assert made == {
            "id": "my_skill_",
            "name": "My Skill!",
            "description": "d",
            "template": "{{x}}",
            "variables": ["x"],
            "category": "skill",
            "built_in": False,
            "internal": False,
        }
        assert desk.do("edit_skill", id="my_skill_", template="y") == {**made, "template": "y", "variables": []}
        desk.do("edit_skill", id="my_skill_", template="y")
        assert desk.do("delete_skill", id="my_skill_") == {"message": "Skill 'my_skill_' deleted"}
        with pytest.raises(NotFound):
            desk.do("get_skill", id="my_skill_")
        created, edited, deleted = desk.events("skill.create", "skill.edit", "skill.delete")
        assert {created["actor"], edited["actor"], deleted["actor"]} == {"ada"}
        assert (edited["before"]["template"], edited["after"]["template"]) == ("{{x}}", "y")
        assert deleted["before"]["template"] == "y"

    @pytest.mark.parametrize("name", ["mine", "MINE", "overnight_queue", "Overnight Queue"])
    def test_what_exists_is_not_made_again(self, desk: Library, name: str) -> None:
        desk.make("mine")
        with pytest.raises(Conflict, match="already exists"):
            desk.make(name)

    @pytest.mark.parametrize("name", ["", "  ", "!!", "\N{SNOWMAN}", "a\0b", "x" * 201])
    def test_a_name_that_makes_no_id_is_refused(self, desk: Library, name: str) -> None:
        with pytest.raises(InvalidRequest):
            desk.make(name)

    @pytest.mark.parametrize("operation", ["edit_skill", "delete_skill"])
    def test_an_unknown_text_is_neither_changed_nor_taken_away(self, desk: Library, operation: str) -> None:
        with pytest.raises(NotFound):
            desk.do(operation, id="nope")


class TestFiles:
    def test_the_files_of_a_text_are_listed_and_read(self, desk: Library) -> None:
        skill = desk.make("mine", description='say "hi"', template="body\n")
        for it in (skill, PROTOCOL):
            (file,) = desk.do("list_skill_files", id=it)
            content = desk.do("get_skill_file", id=it, path="SKILL.md")["content"]
            assert file == {"name": "SKILL.md", "path": "SKILL.md", "type": "file", "size": len(content.encode())}
            assert desk.do("get_skill", id=it)["template"].strip() in content
        head = YAML(typ="safe").load(desk.do("get_skill_file", id=skill, path="SKILL.md")["content"].split("---\n")[1])
        assert head == {"name": "mine", "description": 'say "hi"', "category": "skill"}

    def test_folders_of_a_text_are_walked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "s" / "parts" / "deep").mkdir(parents=True)
        (tmp_path / "s" / "parts" / "deep" / "b.md").write_text("b")
        (tmp_path / "s" / "a.md").write_text("aa")
        monkeypatch.setattr(built, "_root", lambda: tmp_path)
        found = [(it.path, it.folder, it.size) for it in built.entries("s")]
        assert found == [("a.md", False, 2), ("parts", True, 0), ("parts/deep", True, 0), ("parts/deep/b.md", False, 1)]
        assert built.read("s", "parts/deep/b.md") == "b"
        assert built.read("s", "parts") is None

    @pytest.mark.parametrize(
        "path",
        ["", "/etc/passwd", "..", "../__init__.py", "a/../../b", "..\\x", "a\0b", "\\\\host\\share", "a/.."],
    )
    @pytest.mark.parametrize("skill", [PROTOCOL, "mine"])
    def test_a_path_that_could_lead_elsewhere_is_refused(self, desk: Library, path: str, skill: str) -> None:
        desk.make("mine")
        with pytest.raises(BadRequest):
            desk.do("get_skill_file", id=skill, path=path)

    @pytest.mark.parametrize("path", ["nope.md", "./SKILL.md", "SKILL.md/", "skill.md", "~", "%2e", ".", "SKILL.md/x"])
    @pytest.mark.parametrize("skill", [PROTOCOL, "mine", "nope"])
    def test_a_path_without_a_file_is_not_found(self, desk: Library, path: str, skill: str) -> None:
        desk.make("mine")
        with pytest.raises(NotFound):
            desk.do("get_skill_file", id=skill, path=path)
