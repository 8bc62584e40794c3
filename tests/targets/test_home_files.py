"""Logs and outputs of another machine stay readable here when the machine is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from overnight.domain.errors import Unavailable
from overnight.domain.fetch import MANIFEST
from overnight.targets.home_files import HomeFirst
from tests.daemon.box import FolderBox

DURING = (0.0, 2e9)


class Scene:
    """An attempt's folder on another machine, and the place of its copy."""

    def __init__(self, folder: Path) -> None:
        self.there, self.copies, self.work = folder / "box" / "run" / "1", folder / "runs", folder / "work"
        self.there.mkdir(parents=True)
        self.work.mkdir()
        self.box = Gone()
        self.files = HomeFirst(self.box, self.copies)
        (self.there / "log").write_text("there")

    def copied(self) -> None:
        copy = self.copies / "run" / "1"
        (copy / "work").mkdir(parents=True)
        (copy / "log").write_text("here")
        (copy / "results.json").write_text("{}")
        (copy / "work" / "a.json").write_text("{}")
        (copy / MANIFEST).write_text("{}")


class Gone(FolderBox):
    """A machine that may be gone."""

    gone = False

    def log(self, folder: str, offset: int, limit: int) -> tuple[bytes, int]:
        if self.gone:
            raise Unavailable("it is gone")
        return super().log(folder, offset, limit)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_log_that_is_not_here_is_read_there(scene: Scene) -> None:
    assert scene.files.log(str(scene.there), 0, 100) == (b"there", 5)
    assert scene.files.part(str(scene.there), "log", 1, 2) == (b"he", 3)
    scene.box.gone = True
    with pytest.raises(Unavailable):
        scene.files.log(str(scene.there), 0, 100)


def test_a_copy_is_read_when_the_machine_is_gone(scene: Scene) -> None:
    scene.copied()
    scene.box.gone = True
    folder = str(scene.there)
    assert scene.files.log(folder, 0, 100) == (b"here", 4)
    assert scene.files.part(folder, "results.json", 0, 100) == (b"{}", 2)
    assert scene.files.part(folder, "../../elsewhere", 0, 100) == (b"", 0)
    assert {it.name: it.path for it in scene.files.left(folder, "/gone", ["a.json"], DURING)} == {
        "a.json": str(scene.copies / "run" / "1" / "work" / "a.json"),
        "results.json": str(scene.copies / "run" / "1" / "results.json"),
    }


def test_half_a_copy_is_none(scene: Scene) -> None:
    (scene.copies / "run" / "1").mkdir(parents=True)
    assert scene.files.log(str(scene.there), 0, 100)[0] == b"there"
    assert [it.name for it in scene.files.left(str(scene.there), str(scene.work), [], DURING)] == []


def test_everything_else_is_asked_of_the_machine(scene: Scene) -> None:
    scene.copied()
    (scene.work / "data").write_text("x")
    folder, work = str(scene.there), str(scene.work)
    assert scene.files.missing(work, ["data", "gone"]) == ["gone"]
    assert scene.files.done(work, ["data"])
    assert scene.files.room(work).path == work
    assert scene.files.progress(folder, work, []).log_size == 5
    assert scene.files.evidence(folder, work, [], {"code": 0}).missing == ()
    scene.files.put(folder, "answers/1.json", "{}")
    assert (scene.there / "answers" / "1.json").read_text() == "{}"
    rows = scene.files.inventory(folder, work, [])
    assert [row["path"] for row in rows] == ["log", "answers/1.json"]
    assert scene.files.read("run", folder, work, "log", 0, 9) == (b"there", 5, 5)
