"""Frozen copies of working folders: what they have, what they leave out, what they refuse."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import threading
from pathlib import Path

import pytest

from overnight.domain.errors import Refused, Rejected, Unavailable
from overnight.host import copies
from overnight.mirror import files, walk
from overnight.mirror.freeze import freeze, staged
from overnight.runner import snapshot


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A small working folder."""
    folder = tmp_path / "work"
    (folder / "pkg").mkdir(parents=True)
    (folder / "train.py").write_text("import pkg\n")
    (folder / "pkg" / "__init__.py").write_text("x = 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\npython train.py\n")
    (folder / "run.sh").chmod(0o755)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "code"


def paths(store: Path, identity: str) -> list[str]:
    return [it.listed.path for it in snapshot.read(str(store / identity))]


def tree(store: Path, identity: str) -> Path:
    return store / identity / "tree"


def test_a_copy_has_every_file_read_only_and_keeps_what_may_be_executed(work: Path, store: Path) -> None:
    made = tree(store, freeze(str(work), store))
    modes = {it.name: stat.S_IMODE(it.stat().st_mode) for it in made.rglob("*") if it.is_file()}
    assert modes == {"train.py": 0o444, "__init__.py": 0o444, "run.sh": 0o555}
    assert (made / "pkg" / "__init__.py").read_text() == "x = 1\n"
    assert snapshot.changed(str(made.parent), 5) == []


def test_equal_folders_have_one_copy_and_any_change_makes_another(work: Path, store: Path) -> None:
    first = freeze(str(work), store)
    assert freeze(str(work), store) == first
    (work / "train.py").chmod(0o755)
    second = freeze(str(work), store)
    (work / "train.py").write_text("import pkg, os\n")
    third = freeze(str(work), store)
    assert len({first, second, third}) == 3
    assert (tree(store, first) / "train.py").read_text() == "import pkg\n"
    assert stat.S_IMODE((tree(store, first) / "train.py").stat().st_mode) == 0o444


def test_a_copy_shares_no_block_with_the_working_folder(work: Path, store: Path) -> None:
    (work / "data.bin").write_bytes(os.urandom(copies.LINKED_FROM))
    made = tree(store, freeze(str(work), store))
    with (work / "data.bin").open("r+b") as file:
        file.write(b"changed in place")
    assert (work / "data.bin").stat().st_ino != (made / "data.bin").stat().st_ino
    assert snapshot.changed(str(made.parent), 5) == []


def test_large_files_are_kept_once_for_all_copies(work: Path, store: Path) -> None:
    (work / "data.bin").write_bytes(bytes(copies.LINKED_FROM))
    first = freeze(str(work), store)
    (work / "train.py").write_text("other\n")
    second = freeze(str(work), store)
    inodes = {(tree(store, it) / "data.bin").stat().st_ino for it in (first, second)}
    small = {(tree(store, it) / "run.sh").stat().st_ino for it in (first, second)}
    assert len(small) == 2
    assert len(inodes) == 1 or (tree(store, second) / "data.bin").stat().st_nlink == 1  # linked, or blocks shared


def test_what_is_no_code_is_left_out_and_patterns_decide_in_their_order(work: Path, store: Path) -> None:
    for name in (".git/config", "venv/bin/python", "pkg/__pycache__/a.pyc", "out/a.json", "out/keep.json", "b.log"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    (work / ".overnightignore").write_text("# results\n/out/*\n!keep.json\n")
    found = paths(store, freeze(str(work), store, exclude=["*.log"]))
    assert found == [".overnightignore", "out/keep.json", "pkg/__init__.py", "run.sh", "train.py"]


def test_declared_outputs_are_left_out_and_their_folder_stays(work: Path, store: Path) -> None:
    (work / "out").mkdir()
    (work / "out" / "a.json").write_text("{}")
    identity = freeze(str(work), store, outputs=["out/a.json"])
    assert "out/a.json" not in paths(store, identity)
    assert (tree(store, identity) / "out").is_dir()
    (work / "out" / "a.json").unlink()
    assert freeze(str(work), store, outputs=["out/a.json"]) == identity


def test_scripts_lose_the_line_endings_of_windows_and_nothing_else_does(work: Path, store: Path) -> None:
    (work / "go.sh").write_bytes(b"#!/bin/sh\r\necho a\r\n")
    (work / "data.csv").write_bytes(b"a,b\r\n1,2\r\n")
    (work / "packed").write_bytes(b"#!/bin/sh\r\n\0\r\n")
    made = tree(store, freeze(str(work), store))
    assert (made / "go.sh").read_bytes() == b"#!/bin/sh\necho a\n"
    assert (made / "data.csv").read_bytes() == b"a,b\r\n1,2\r\n"
    assert (made / "packed").read_bytes() == b"#!/bin/sh\r\n\0\r\n"


def test_links_that_stay_inside_are_links_and_one_from_the_root_becomes_relative(work: Path, store: Path) -> None:
    (work / "main.py").symlink_to("train.py")
    (work / "pkg" / "up.py").symlink_to(work / "train.py")
    made = tree(store, freeze(str(work), store))
    assert os.readlink(made / "main.py") == "train.py"
    assert os.readlink(made / "pkg" / "up.py") == "../train.py"
    assert (made / "pkg" / "up.py").read_text() == "import pkg\n"


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "pkg/../../secret", "round/../secret"])
def test_links_that_lead_out_are_refused_by_name(work: Path, store: Path, target: str) -> None:
    (work.parent / "secret").write_text("s")
    (work / "round").symlink_to(".")
    (work / "bad").symlink_to(target)
    with pytest.raises(Refused, match=r"bad in .* is a link that leads out of the folder") as refused:
        freeze(str(work), store)
    assert "exclude" in str(refused.value.next_step)
    assert freeze(str(work), store, exclude=["/bad"])


def test_pipes_and_sockets_are_no_part_of_a_copy(work: Path, store: Path) -> None:
    before = freeze(str(work), store)
    os.mkfifo(work / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(work / "s"))
    assert freeze(str(work), store) == before


def test_hostile_names_arrive_byte_by_byte(work: Path, store: Path) -> None:
    names = [b"-rf", b"a\nb", b"\xff\xfe", b"$(touch x)", b"'\"", b" ", b"\xe2\x80\xae", b"%s", b"..a", b"\x1b[2J"]
    for name in names:
        with open(os.path.join(os.fsencode(work), name), "wb") as file:
            file.write(name)
    made = os.fsencode(tree(store, freeze(str(work), store)))
    for name in names:
        with open(os.path.join(made, name), "rb") as file:
            assert file.read() == name


def test_a_folder_that_is_too_large_is_refused_with_its_largest_parts(
    work: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "data").mkdir()
    (work / "data" / "big").write_bytes(bytes(5000))
    monkeypatch.setattr(walk, "LARGEST", 4000)
    with pytest.raises(Refused, match=r"too large .* data") as refused:
        freeze(str(work), store)
    assert "exclude" in str(refused.value.next_step)
    monkeypatch.setattr(walk, "LARGEST", 10_000)
    monkeypatch.setattr(walk, "MOST_FILES", 3)
    with pytest.raises(Refused, match=r"more than 3 files"):
        freeze(str(work), store)


def test_the_home_of_the_server_is_not_opened(work: Path, store: Path) -> None:
    (work / "home").mkdir()
    (work / "home" / "record.db").write_text("rows")
    (work / "record.db-wal").write_text("rows")
    avoided = [work / "home", work / "record.db"]
    assert paths(store, freeze(str(work), store, avoided=avoided)) == ["pkg/__init__.py", "run.sh", "train.py"]


@pytest.mark.parametrize("inside", ["", "keys", "runs/R/1"])
def test_nothing_of_the_home_of_the_server_is_a_working_folder(tmp_path: Path, store: Path, inside: str) -> None:
    folder = tmp_path / "home" / inside
    folder.mkdir(parents=True)
    (folder / "token").write_text("canary")
    (tmp_path / "link").symlink_to(folder)
    for named in (folder, tmp_path / "link"):
        with pytest.raises(Refused, match="the home of the server"):
            freeze(str(named), store, avoided=[tmp_path / "home"])


def test_a_file_that_changes_while_it_is_read_is_read_again(
    work: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = iter(["first\n"])

    def changing(source: bytes, path: bytes, *, link: bool) -> None:
        if source.endswith(b"train.py") and (text := next(changes, None)):
            (work / "train.py").write_text(text)
        take(source, path, link=link)

    take = copies.take
    monkeypatch.setattr(copies, "take", changing)
    assert (tree(store, freeze(str(work), store)) / "train.py").read_text() == "first\n"


def test_a_file_that_never_stands_still_is_refused_by_name(
    work: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(range(100))

    def changing(source: bytes, path: bytes, *, link: bool) -> None:
        (work / "train.py").write_text(f"{next(numbers)}\n")
        take(source, path, link=link)

    take = copies.take
    monkeypatch.setattr(copies, "take", changing)
    with pytest.raises(Refused, match=r"train\.py in .* changes while it is read"):
        freeze(str(work), store)


def test_files_that_did_not_change_are_not_read_again(work: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in work.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    opened: list[bytes] = []

    def counted(path: bytes) -> object:
        opened.append(os.path.basename(path))
        return open_regular(path)

    open_regular = files.open_regular
    monkeypatch.setattr(files, "open_regular", counted)
    monkeypatch.setattr("overnight.mirror.hashes.FRESH_NANOSECONDS", -(10**12))  # changed long ago, as far as we say
    first = freeze(str(work), store)
    opened.clear()
    assert freeze(str(work), store) == first
    assert opened == []
    (work / "train.py").write_text("other!!\n!!!")
    assert freeze(str(work), store) != first
    assert set(opened) == {b"train.py"}


def test_files_that_changed_a_moment_ago_are_read_again(
    work: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two changes within one tick of the clock have one time of change."""
    freeze(str(work), store)
    opened: list[bytes] = []

    def counted(path: bytes) -> object:
        opened.append(os.path.basename(path))
        return open_regular(path)

    open_regular = files.open_regular
    monkeypatch.setattr(files, "open_regular", counted)
    freeze(str(work), store)
    assert sorted(opened) == [b"__init__.py", b"run.sh", b"train.py"]


def test_copies_made_at_the_same_time_are_one(work: Path, store: Path) -> None:
    for number in range(50):
        (work / f"{number}.py").write_text(str(number))
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(freeze(str(work), store))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert sorted(it.name for it in store.iterdir() if not it.name.startswith(".")) == [found[0]]
    assert list((store / ".partial").iterdir()) == []


def test_what_a_run_left_is_copied_as_it_is(tmp_path: Path, store: Path) -> None:
    folder = tmp_path / "run"
    (folder / "wandb").mkdir(parents=True)
    (folder / "wandb" / "x.pyc").write_bytes(b"1")
    (folder / "go.sh").write_bytes(b"#!/bin/sh\r\n")
    identity = staged(str(folder), store)
    assert paths(store, identity) == ["go.sh", "wandb/x.pyc"]
    assert (tree(store, identity) / "go.sh").read_bytes() == b"#!/bin/sh\r\n"


def test_what_cannot_be_read_is_refused_by_name(work: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(path: bytes) -> object:
        if path.endswith(b"train.py"):
            raise PermissionError(13, "Permission denied")
        return open_regular(path)

    open_regular = files.open_regular
    monkeypatch.setattr(files, "open_regular", refusing)
    with pytest.raises(Refused, match=r"train\.py in .* cannot be read \(Permission denied\)"):
        freeze(str(work), store)


def test_a_left_folder_that_cannot_be_copied_is_rejected_for_good(tmp_path: Path, store: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "latest").symlink_to("/elsewhere")
    with pytest.raises(Rejected, match="leads out of the folder"):
        staged(str(tmp_path / "run"), store)


def test_a_full_disk_may_have_room_later(work: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: bytes, path: bytes, *, link: bool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(copies, "take", full)
    with pytest.raises(Unavailable, match="No space left on device"):
        freeze(str(work), store)


def test_an_older_copy_that_was_altered_gives_nothing(work: Path, store: Path) -> None:
    older = tree(store, freeze(str(work), store)) / "train.py"
    older.chmod(0o644)
    older.write_text("import xyz\n")
    (work / "new.py").touch()
    newer = tree(store, freeze(str(work), store))
    assert (newer / "train.py").read_text() == "import pkg\n"
    assert older.read_text() == "import xyz\n"


def test_a_copy_that_was_altered_is_refused_before_runs_are_submitted_for_it(work: Path, store: Path) -> None:
    made = tree(store, freeze(str(work), store))
    (made / "train.py").chmod(0o644)
    (made / "train.py").write_text("import xyz\n")
    with pytest.raises(Refused, match=r"was altered: train\.py"):
        freeze(str(work), store)
    shutil.rmtree(made.parent)
    assert (tree(store, freeze(str(work), store)) / "train.py").read_text() == "import pkg\n"
