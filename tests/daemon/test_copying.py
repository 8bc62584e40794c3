"""What an attempt left elsewhere comes here whole and verified, or not at all."""

from __future__ import annotations

import json
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from overnight.daemon import copying
from overnight.daemon.copying import AT_ONCE, PIECE, TRIES, copied, fetch
from overnight.domain.errors import Unavailable
from overnight.domain.fetch import MANIFEST, Job, SyncFailed
from tests.daemon.box import MTIME, FolderBox, entry, tree

BIG = random.Random(1).randbytes(3 * PIECE + 17)


class Scene:
    """One attempt's files on another machine, and where they go."""

    def __init__(self, folder: Path) -> None:
        self.there, self.work = folder / "there" / "run" / "1", folder / "work"
        self.home = folder / "home" / "run" / "1"
        for path in (self.there / "sub", self.work / "results"):
            path.mkdir(parents=True)
        (self.there / "log").write_bytes(b"epoch 1\n" * 10)
        (self.there / "exit.json").write_text("{}")
        (self.there / "sub" / "big.bin").write_bytes(BIG)
        (self.there / "empty").touch()
        (self.work / "results" / "a.json").write_text('{"loss": 1}')
        (self.work / "not declared").write_text("x")
        self.job = Job("run.1", "run", 1, 7, "box", str(self.there), str(self.work), ("results/a.json",))
        self.box = FolderBox()

    def expected(self) -> dict[str, bytes]:
        return {**tree(self.there), "work/results/a.json": b'{"loss": 1}'}

    def came(self) -> dict[str, bytes]:
        found = tree(self.home)
        del found[MANIFEST]
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_everything_that_an_attempt_left_comes_with_a_manifest(scene: Scene) -> None:
    fetched = fetch(scene.box, scene.job, scene.home)
    assert scene.came() == scene.expected()
    assert fetched.files == 5
    assert fetched.bytes == sum(map(len, scene.expected().values()))
    manifest = json.loads((scene.home / MANIFEST).read_text())
    assert (manifest["attempt"], manifest["digest"]) == ("run.1", fetched.digest)
    assert [it["path"] for it in manifest["files"]] == sorted(scene.expected())
    assert (scene.home / "log").stat().st_mtime == MTIME
    assert copied(scene.home, scene.job) == fetched
    assert list(scene.home.parent.iterdir()) == [scene.home]


def test_what_is_here_is_not_asked_for_again(scene: Scene) -> None:
    fetched = fetch(scene.box, scene.job, scene.home)
    scene.box.cut = lambda: True
    assert fetch(scene.box, scene.job, scene.home) == fetched


def test_a_cut_copy_goes_on_at_the_byte_after_it(scene: Scene) -> None:
    """Cut after every few requests, until all is here: no byte that came is asked for again."""
    budget = 0

    def cut() -> bool:
        nonlocal budget
        budget -= 1
        return budget < 0

    scene.box.cut, cuts = cut, 0
    for _ in range(20):
        budget = 1 + AT_ONCE
        try:
            fetch(scene.box, scene.job, scene.home)
        except Unavailable:
            cuts += 1
            assert not scene.home.exists()
            continue
        break
    assert cuts >= 1
    assert scene.came() == scene.expected()
    assert len(scene.box.asked) == len(set(scene.box.asked))


def test_a_file_that_changes_while_it_is_copied_is_listed_and_read_again(scene: Scene) -> None:
    def change(path: str) -> None:
        if path == "log":
            scene.box.before = lambda _: None
            (scene.there / "log").write_bytes(b"another log, as long as it is now\n")

    scene.box.before = change
    fetch(scene.box, scene.job, scene.home)
    assert scene.box.listed == 2
    assert scene.came()["log"] == b"another log, as long as it is now\n"


def test_a_file_that_goes_while_it_is_copied_does_not_come(scene: Scene) -> None:
    scene.box.before = lambda path: (scene.there / "empty").unlink() if path == "empty" else None
    (scene.there / "empty").write_bytes(b"not so")
    fetch(scene.box, scene.job, scene.home)
    assert "empty" not in scene.came()
    assert scene.came() == scene.expected()


@pytest.mark.parametrize("lie", [bytes.upper, lambda data: data[:-1], lambda data: data + b"x", lambda _: b""])
def test_a_host_that_answers_other_bytes_than_it_listed_fails_in_the_end(scene: Scene, lie: object) -> None:
    scene.box.lie = lambda path, data: lie(data) if path == "log" else data  # type: ignore[operator]
    with pytest.raises(SyncFailed, match=rf"log was .* than its host had said, each of {TRIES} times"):
        fetch(scene.box, scene.job, scene.home)
    assert scene.box.listed == TRIES
    assert not scene.home.exists()


def test_what_came_wrong_once_comes_right_the_next_time(scene: Scene) -> None:
    def lie_once(path: str, data: bytes) -> bytes:
        if path != "sub/big.bin":
            return data
        scene.box.lie = lambda _, right: right
        return bytes(len(data))

    scene.box.lie = lie_once
    fetch(scene.box, scene.job, scene.home)
    assert scene.came() == scene.expected()


def test_rubbish_in_a_partial_copy_is_replaced(scene: Scene) -> None:
    partial = scene.home.with_name(".1.partial")
    (partial / "log").mkdir(parents=True)
    (partial / "sub").mkdir()
    (partial / "sub" / "big.bin").write_bytes(bytes(len(BIG)))
    (partial / "exit.json").write_bytes(b"longer than it is")
    (partial / "gone").write_bytes(b"an earlier list had it")
    fetch(scene.box, scene.job, scene.home)
    assert scene.came() == scene.expected()


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/evil",
        "a/../../evil",
        "a//evil",
        "./evil",
        "",
        "a/",
        "evil\0",
        "x" * 256,
        "é" * 128,
        "a/" * 1600 + "x",
    ],
)
def test_a_path_that_leads_elsewhere_or_cannot_be_held_is_refused(scene: Scene, path: str) -> None:
    scene.box.extra = [entry("run", path)]
    with pytest.raises(SyncFailed):
        fetch(scene.box, scene.job, scene.home)
    assert scene.box.asked == []
    assert not scene.home.exists()


def test_a_name_that_is_no_text_comes_as_it_is(scene: Scene) -> None:
    name = os.fsdecode(b"caf\xe9\n-rf")
    (scene.there / name).write_bytes(b"x")
    fetch(scene.box, scene.job, scene.home)
    assert scene.came()[name] == b"x"


def test_a_link_that_lies_where_a_file_is_to_be_is_not_followed(scene: Scene, tmp_path: Path) -> None:
    partial, victim = scene.home.with_name(".1.partial"), tmp_path / "victim"
    victim.write_bytes(b"mine")
    partial.mkdir(parents=True)
    (partial / "log").symlink_to(victim)
    with pytest.raises((SyncFailed, Unavailable)):
        fetch(scene.box, scene.job, scene.home)
    assert victim.read_bytes() == b"mine"


def test_no_room_here_is_said_before_anything_is_written(scene: Scene) -> None:
    with pytest.raises(Unavailable, match="no room here for"):
        fetch(scene.box, scene.job, scene.home, reserve=2**62)
    assert scene.box.asked == []


def test_a_full_disk_here_is_no_failure_of_the_copy(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copying.os, "pwrite", full)
    with pytest.raises(Unavailable, match="No space left on device"):
        fetch(scene.box, scene.job, scene.home)
    monkeypatch.undo()
    fetch(scene.box, scene.job, scene.home)
    assert scene.came() == scene.expected()


def test_what_is_in_the_way_is_kept_aside(scene: Scene) -> None:
    scene.home.mkdir(parents=True)
    (scene.home / "theirs").write_text("x")
    fetch(scene.box, scene.job, scene.home)
    assert scene.came() == scene.expected()
    assert tree(scene.home.with_name(".1.before-1")) == {"theirs": b"x"}


def test_holes_of_a_log_are_neither_asked_for_nor_written(scene: Scene) -> None:
    size = 40 * PIECE
    with (scene.there / "log").open("wb") as log:
        log.write(b"first")
        log.seek(size)
        log.write(b"last")
        log.truncate(size + 3 * PIECE)
    fetch(scene.box, scene.job, scene.home)
    assert scene.came()["log"] == (scene.there / "log").read_bytes()
    assert sum(path == "log" for path, _, _ in scene.box.asked) <= 3 * AT_ONCE
    assert (scene.home / "log").stat().st_blocks * 512 < size / 2


def test_a_file_of_holes_that_no_disk_here_can_hold_fails_the_copy_for_good(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, read = 2**62, scene.box.read
    scene.box.extra = [entry("run", "vast", bytes=size)]
    monkeypatch.setattr(scene.box, "read", lambda *it: (b"", size, size) if it[3] == "vast" else read(*it))
    with pytest.raises(SyncFailed, match="this machine cannot hold"):
        fetch(scene.box, scene.job, scene.home)


def test_a_file_that_its_host_cannot_read_fails_the_copy(scene: Scene) -> None:
    scene.box.extra = [entry("run", "secret", problem="no\npermission")]
    with pytest.raises(SyncFailed, match=r"its host cannot read secret: no\?permission"):
        fetch(scene.box, scene.job, scene.home)


def test_an_output_behind_a_link_that_leads_out_comes_too(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "b.json").write_text("2")
    (scene.work / "linked").symlink_to(tmp_path / "scratch")
    fetch(scene.box, replace(scene.job, outputs=("linked/b.json", "linked/*.json")), scene.home)
    assert scene.came()[f"outside{os.path.realpath(tmp_path)}/scratch/b.json"] == b"2"


def test_an_output_at_an_absolute_path_comes_too(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text("1")
    path = str(tmp_path / "elsewhere.json")
    fetch(scene.box, replace(scene.job, outputs=(path,)), scene.home)
    assert scene.came()[f"outside{path}"] == b"1"


def test_a_host_that_refuses_to_list_fails_the_copy(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[dict[str, object]]:
        raise copying.Rejected("more than 100000 files")

    monkeypatch.setattr(scene.box, "inventory", refuse)
    with pytest.raises(SyncFailed, match="more than 100000 files, each of 3 times"):
        fetch(scene.box, scene.job, scene.home)


def test_a_copy_of_another_attempt_of_that_name_is_kept_aside_and_not_taken_for_this_one(scene: Scene) -> None:
    older = fetch(scene.box, scene.job, scene.home)
    (scene.there / "new.txt").write_text("made after the record was restored", encoding="utf-8")
    scene.job = replace(scene.job, fence=scene.job.fence + 1)
    assert copied(scene.home, scene.job) is None
    newer = fetch(scene.box, scene.job, scene.home)
    assert newer.digest != older.digest
    assert (scene.home / "new.txt").is_file()
    assert not (scene.home.with_name(".1.before-1") / "new.txt").exists()
    assert (scene.home.with_name(".1.before-1") / "fetched.json").is_file()
