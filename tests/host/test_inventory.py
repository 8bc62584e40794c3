"""Lists of what an attempt left, and reading it: everything regular, nothing that lies elsewhere."""

from __future__ import annotations

import base64
import glob
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Rejected
from overnight.host import inventory
from overnight.host.inventory import Inventories
from overnight.host.reading import read


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working folder, with the attempt's folder elsewhere."""
    (tmp_path / "run" / "sub").mkdir(parents=True)
    (tmp_path / "run" / "log").write_bytes(b"log")
    (tmp_path / "run" / "sub" / "-x\n.txt").write_bytes(b"x")
    (tmp_path / "work").mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    return tmp_path / "work"


def listed(work: Path, *outputs: str) -> dict[tuple[str, str], Any]:
    found, first, asked = [], 0, Inventories()
    while first is not None:
        answer = asked.ask(str(work.parent / "run"), str(work), outputs, first)
        found += answer["files"]
        first = answer["next"]
    assert len({(it["root"], it["path"]) for it in found}) == len(found)
    return {(it["root"], it["path"]): it for it in found}


def test_every_regular_file_has_its_size_and_hash(work: Path) -> None:
    (work / "out.csv").write_bytes(b"a,b\n")
    (work / "out.csv").chmod(0o640)
    found = listed(work, "out.csv", "*.csv", "none")
    assert set(found) == {("run", "log"), ("run", "sub/-x\n.txt"), ("work", "out.csv")}
    row = found["work", "out.csv"]
    assert row["sha256"] == hashlib.sha256(b"a,b\n").hexdigest()
    assert (row["bytes"], row["mode"], row["mtime"]) == (4, 0o640, (work / "out.csv").stat().st_mtime)


def test_links_and_pipes_are_left_out_and_no_pattern_goes_in_circles(work: Path) -> None:
    run = work.parent / "run"
    (run / "link").symlink_to(work.parent / "secret")
    (run / "folder").symlink_to(work.parent)
    (work / "up").symlink_to(work.parent)
    os.mkfifo(run / "pipe")
    os.mkfifo(work / "pipe")
    assert set(listed(work, "**", "pipe", "gone")) == {("run", "log"), ("run", "sub/-x\n.txt")}


def test_an_output_that_lies_elsewhere_is_called_by_where_it_lies(work: Path) -> None:
    (work / "out").symlink_to(work.parent / "secret")
    elsewhere = str(work.parent / "secret").removeprefix("/")
    outputs = ("out", str(work.parent / "secret"), str(work.parent / "secre?"))
    assert set(listed(work, *outputs)) - set(listed(work)) == {("out", elsewhere)}
    assert content(work, "out", elsewhere) == b"secret"


def test_an_output_in_the_attempts_folder_is_listed_once(work: Path) -> None:
    assert listed(work, "../run/log") == listed(work)


@pytest.mark.parametrize(
    "pattern",
    ["**", "**/*.bin", "a/**", "**/b/*.bin", "*/b/x.bin", "**/**/x.bin", "a/./b//x.bin", ".h/*", "*", "none/*"],
)
def test_patterns_name_what_glob_finds(work: Path, pattern: str) -> None:
    for path in ("a/b/x.bin", "a/y.bin", "b/z.bin", ".h/x.bin", "a/.hidden.bin", "x.bin"):
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(b"x")
    found = {os.path.normpath(it) for it in glob.glob(pattern, root_dir=work, recursive=True) if (work / it).is_file()}
    assert {path for root, path in listed(work, pattern) if root == "work"} == found


def test_a_link_to_another_output_is_read_as_what_it_leads_to(work: Path) -> None:
    (work / "epoch3.pt").write_bytes(b"weights")
    (work / "best.pt").symlink_to("epoch3.pt")
    assert listed(work, "best.pt")["work", "best.pt"]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert content(work, "work", "best.pt") == b"weights"


def test_pages_follow_each_other(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "PAGE", 3)
    for number in range(10):
        (work / f"{number}.bin").write_bytes(bytes(number))
    found = listed(work, "*.bin")
    assert [found["work", f"{number}.bin"]["bytes"] for number in range(10)] == list(range(10))


def test_a_page_of_a_list_that_is_gone_is_refused(work: Path) -> None:
    with pytest.raises(Rejected, match="first page"):
        Inventories().ask(str(work.parent / "run"), str(work), (), 2_000)


def test_too_many_files_are_refused_clearly(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "MOST_FILES", 1)
    asked = Inventories()
    for _ in range(2):  # and nothing of it is kept
        with pytest.raises(Rejected, match="more than 1 files"):
            asked.ask(str(work.parent / "run"), str(work), ())


def test_a_folder_that_is_gone_is_said(work: Path) -> None:
    with pytest.raises(Rejected, match="not there any more"):
        listed(work.parent / "nowhere" / "work")


def test_a_list_that_takes_long_is_waited_for_by_asking_again(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = threading.Event()
    found = inventory._files
    monkeypatch.setattr(inventory, "_files", lambda *it: (going_on.wait(20), found(*it))[1])
    asked = Inventories()
    arguments = (str(work.parent / "run"), str(work), ())
    assert asked.ask(*arguments, patience=0.01) == {"working": 0}
    going_on.set()
    assert len(asked.ask(*arguments)["files"]) == 2
    (work.parent / "run" / "new").write_bytes(b"")
    assert len(asked.ask(*arguments)["files"]) == 3


def content(work: Path, root: str, path: str, piece: int = 5) -> bytes:
    data, offset, size = b"", 0, 1
    while offset < size:
        answer = read(root, str(work.parent / "run"), str(work), path, offset, piece)
        data = data.ljust(answer["next"] - len(base64.b64decode(answer["data"])), b"\0")
        data += base64.b64decode(answer["data"])
        offset, size = answer["next"], answer["bytes"]
    return data


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "link", "up/secret", "pipe", ".", "", "sub/.."])
def test_nothing_elsewhere_is_read(work: Path, path: str) -> None:
    (work / "link").symlink_to(work.parent / "secret")
    (work / "up").symlink_to(work.parent)
    (work / "sub").mkdir()
    os.mkfifo(work / "pipe")
    with pytest.raises(Rejected):
        content(work, "work", path)


def test_there_is_no_other_root(work: Path) -> None:
    with pytest.raises(Rejected):
        content(work, "home", "log")


def test_a_hole_is_passed_over_at_once(work: Path) -> None:
    with (work / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(128 << 20)
    if (work / "sparse").stat().st_blocks * 512 >= 64 << 20:
        pytest.skip("this file system keeps no holes")
    answers = [read("work", str(work), str(work), "sparse", offset, 1 << 19) for offset in (1 << 20, 96 << 20)]
    assert [(it["data"], it["next"]) for it in answers] == [("", 64 << 20), ("", 128 << 20)]
    whole = content(work, "work", "sparse", 1 << 19)
    assert whole == (work / "sparse").read_bytes()
