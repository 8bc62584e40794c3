"""What is put into an attempt's folder lands there, whole, whatever its job made of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overnight.domain.errors import Rejected, Unavailable
from overnight.targets.files import LocalFiles

FILES = LocalFiles()


@pytest.mark.parametrize("name", ["answer", "alerts/1.response"])
def test_a_file_is_written_and_replaced(tmp_path: Path, name: str) -> None:
    for text in ("Stop run", "Ignore ü\n", ""):
        FILES.put(str(tmp_path), name, text)
        assert (tmp_path / name).read_text(encoding="utf-8") == text
    assert [it.name for it in (tmp_path / name).parent.iterdir()] == [Path(name).name]


def test_what_a_crash_left_half_written_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts" / ".1.response.new").write_text("Sto")
    FILES.put(str(tmp_path), "alerts/1.response", "Stop run")
    assert [it.name for it in (tmp_path / "alerts").iterdir()] == ["1.response"]


@pytest.mark.parametrize(
    "name", ["", "/", "..", ".", "../x", "a/../x", "/etc/x", "a/b/c", "alerts/", "alerts/..", "../", "a\0b", "./x"]
)
def test_nothing_is_written_outside_of_the_folder(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(Rejected):
        FILES.put(str(inner), name, "x")
    assert [str(it) for it in tmp_path.rglob("*")] == [str(inner)]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "alerts").symlink_to(outside)
    with pytest.raises(Rejected):
        FILES.put(str(folder), "alerts/1.response", "x")
    (tmp_path / "run2").symlink_to(outside)
    with pytest.raises(Rejected):
        FILES.put(str(tmp_path / "run2"), "alerts/1.response", "x")
    assert list(outside.iterdir()) == []


def test_a_link_that_has_the_name_of_the_file_is_replaced_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("untouched")
    folder = tmp_path / "run"
    (folder / "alerts").mkdir(parents=True)
    for name in ("1.response", ".1.response.new"):
        (folder / "alerts" / name).symlink_to(secret)
    FILES.put(str(folder), "alerts/1.response", "Ignore")
    assert secret.read_text() == "untouched"
    assert (folder / "alerts" / "1.response").read_text() == "Ignore"
    assert not (folder / "alerts" / "1.response").is_symlink()


@pytest.mark.parametrize("there", ["file", "folder", "pipe"])
def test_what_else_a_job_put_in_the_way_is_refused_for_good(tmp_path: Path, there: str) -> None:
    (tmp_path / "alerts").mkdir()
    if there == "folder":
        (tmp_path / "alerts" / "1.response").mkdir()
    else:
        (tmp_path / "alerts").rmdir()
        os.mkfifo(tmp_path / "alerts") if there == "pipe" else (tmp_path / "alerts").write_text("")
    with pytest.raises(Rejected):
        FILES.put(str(tmp_path), "alerts/1.response", "x")


def test_a_folder_that_is_gone_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Rejected):
        FILES.put(str(tmp_path / "gone"), "alerts/1.response", "x")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable):
        FILES.put(str(tmp_path), "answer", "x")
    assert not (tmp_path / "answer").exists()


def test_part_reads_a_regular_file_of_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to("/etc/hostname")
    assert FILES.part(str(tmp_path), "metrics.jsonl", 2, 3) == (b"234", 5)
    assert FILES.part(str(tmp_path), "metrics.jsonl", -4, 100) == (b"6789", 10)
    assert FILES.part(str(tmp_path), "metrics.jsonl", 50, 100) == (b"", 10)
    for name in ("link", "none", "", "..", "../metrics.jsonl", "/etc/hostname", "a\0b"):
        assert FILES.part(str(tmp_path), name, 0, 10) == (b"", 0)
