"""Bringing frozen copies to another machine, with the host's own code behind pipes of this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Rejected, Unavailable
from overnight.host import copies
from overnight.host.code import Code
from overnight.host.listing import CopyError
from overnight.mirror import ship as shipping
from overnight.mirror.freeze import freeze
from overnight.mirror.ship import Box, Shipped, ship
from overnight.mirror.transfer import Load, by_rsync
from overnight.runner import snapshot
from overnight.targets.link import RunnerRefused
from overnight.targets.remote_files import RemoteFiles

SHELL = ["sh", "-c", 'shift; exec "$@"', "ssh"]
"""What rsync takes for its remote shell: the address is dropped, the rest executed here."""


class There:
    """A machine that is a folder of this one."""

    def __init__(self, folder: Path, *, rsync: bool = False) -> None:
        self.copies = folder / "there" / "code"
        self.copies.mkdir(parents=True)
        self.rsync = rsync
        self.code = Code(str(self.copies))
        self.asked: list[str] = []
        self.wrapped: Sequence[str] = ()

    def ask(self, op: str, _: float, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append(op)
        try:
            told = getattr(self.code, op.removeprefix("host.code_"))(**json.loads(json.dumps(fields)))
        except CopyError as error:
            raise RunnerRefused("rejected", str(error), {}) from error
        told = dict(json.loads(json.dumps(told)))
        return {**told, "tree": told["tree"] if self.rsync else None} if "tree" in told else told

    def session(self, *words: str) -> list[str]:
        return [*self.wrapped, *words]

    @property
    def box(self) -> Box:
        return Box(RemoteFiles(self.ask), "box", self.session, lambda: SHELL, os.environ)

    def tree(self, identity: str) -> Path:
        return self.copies / identity / "tree"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "pkg").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / "nothing").touch()
    (folder / "train.py").write_text("import pkg\n")
    (folder / "pkg" / "__init__.py").write_text("x = 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("pkg/__init__.py")
    for name in (b"-rf", b"a\nb", b"\xff\xfe", b"$(touch x)", b"'\"", b" ", b"*", b"--files-from=x", b"#a", b";b"):
        with open(os.path.join(os.fsencode(folder), name), "wb") as file:
            file.write(name)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "code"


def content(tree: Path) -> dict[bytes, tuple[int, bytes]]:
    found = {}
    for folder, _, names in os.walk(os.fsencode(tree)):
        for name in names:
            path = os.path.join(folder, name)
            data = os.readlink(path) if os.path.islink(path) else Path(os.fsdecode(path)).read_bytes()
            found[path[len(os.fsencode(tree)) :]] = (os.lstat(path).st_mode, data)
    return found


@pytest.mark.parametrize("rsync", [pytest.param(True, marks=pytest.mark.real("rsync")), False])
def test_a_copy_arrives_byte_by_byte_whatever_its_files_are_called(
    tmp_path: Path, work: Path, store: Path, rsync: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = There(tmp_path, rsync=rsync)
    if rsync:
        monkeypatch.setattr(shipping, "by_stream", None)  # it must not be needed
    identity = freeze(str(work), store)
    sent = ship(identity, store, there.box)
    assert sent.files == 14
    assert content(there.tree(identity)) == content(store / identity / "tree")
    assert (there.tree(identity) / "empty").is_dir()
    assert snapshot.changed(str(there.copies / identity), 1) == []
    assert not (work / "x").exists()
    assert not (tmp_path / "x").exists()


def test_a_copy_that_is_there_costs_one_request(tmp_path: Path, work: Path, store: Path) -> None:
    there = There(tmp_path)
    identity = freeze(str(work), store)
    ship(identity, store, there.box)
    there.asked.clear()
    assert ship(identity, store, there.box) == Shipped(0, 0)
    assert there.asked == ["host.code_have"]


def test_only_what_changed_travels_and_the_older_copy_stays(tmp_path: Path, work: Path, store: Path) -> None:
    there = There(tmp_path)
    (work / "data.bin").write_bytes(bytes(copies.LINKED_FROM))
    first = freeze(str(work), store)
    ship(first, store, there.box)
    before = content(there.tree(first))
    (work / "train.py").write_text("import pkg, os\n")
    second = freeze(str(work), store)
    assert ship(second, store, there.box) == Shipped(1, len("import pkg, os\n"))
    assert content(there.tree(first)) == before
    assert content(there.tree(second)) == content(store / second / "tree")


def test_long_lists_travel_in_pieces(tmp_path: Path, work: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "ROWS", 4)
    there = There(tmp_path)
    identity = freeze(str(work), store)
    ship(identity, store, there.box)
    assert there.asked.count("host.code_begin") == 4
    assert content(there.tree(identity)) == content(store / identity / "tree")


def test_what_arrived_before_a_cut_is_not_sent_again(tmp_path: Path, work: Path, store: Path) -> None:
    for number in range(20):
        (work / f"{number}.bin").write_bytes(os.urandom(4096))
    there = There(tmp_path)
    there.wrapped = ["sh", "-c", 'head -c 60000 | "$@"', "cut"]
    identity = freeze(str(work), store)
    with pytest.raises(Unavailable, match="could not be sent"):
        ship(identity, store, there.box)
    assert not there.tree(identity).exists()
    there.wrapped = ()
    assert 0 < ship(identity, store, there.box).files < 20
    assert content(there.tree(identity)) == content(store / identity / "tree")


def test_a_file_that_arrives_wrong_is_sent_again_and_never_believed(tmp_path: Path, work: Path, store: Path) -> None:
    there = There(tmp_path)
    identity = freeze(str(work), store)
    staged = there.copies / ".partial" / identity / "tree"
    staged.mkdir(parents=True)
    (staged / "train.py").write_text("import xxx\n")  # of the right size
    (staged / "foreign.py").write_text("x")
    ship(identity, store, there.box)
    assert content(there.tree(identity)) == content(store / identity / "tree")


def test_an_older_copy_that_was_altered_there_gives_nothing(tmp_path: Path, work: Path, store: Path) -> None:
    there = There(tmp_path)
    (work / "data.bin").write_bytes(bytes(copies.LINKED_FROM))
    first = freeze(str(work), store)
    ship(first, store, there.box)
    for name in ("run.sh", "data.bin"):
        (there.tree(first) / name).chmod(0o644)
        (there.tree(first) / name).write_bytes(b"altered by hand")
    (work / "new.py").touch()
    second = freeze(str(work), store)
    ship(second, store, there.box)
    assert content(there.tree(second)) == content(store / second / "tree")
    assert (there.tree(first) / "run.sh").read_bytes() == b"altered by hand"


def test_a_full_disk_there_is_said_and_nothing_is_made(tmp_path: Path, work: Path, store: Path) -> None:
    there = There(tmp_path)
    there.wrapped = ["sh", "-c", "cat >/dev/null; echo 'overnight: No space left on device' >&2; exit 1", "full"]
    identity = freeze(str(work), store)
    with pytest.raises(Unavailable, match="No space left on device"):
        ship(identity, store, there.box)
    assert not there.tree(identity).exists()


def test_a_program_there_that_reads_nothing_is_given_up(
    tmp_path: Path, work: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overnight.mirror.transfer.STILL_SECONDS", 0.1)
    (work / "large.bin").write_bytes(bytes(4 * 1024 * 1024))
    there = There(tmp_path)
    there.session = lambda *_: ["sleep", "60"]  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match=r"nothing moved for 0\.1 s"):
        ship(freeze(str(work), store), store, there.box)


def test_a_copy_that_is_not_here_is_rejected(tmp_path: Path, store: Path) -> None:
    with pytest.raises(Rejected, match="is not here"):
        ship("0" * 32, store, There(tmp_path).box)


ROW = ["a", "f", 1, "0" * 64, ""]


@pytest.mark.parametrize(
    "row",
    [
        ["/etc/x", *ROW[1:]],
        ["../x", *ROW[1:]],
        ["a/../../x", *ROW[1:]],
        ["", *ROW[1:]],
        ["a//b", *ROW[1:]],
        ["a\0b", *ROW[1:]],
        ["\ud800", *ROW[1:]],
        ["x" * 5000, *ROW[1:]],
        ["a", "l", 0, "0" * 64, "/etc/passwd"],
        ["a", "l", 0, "0" * 64, "../x"],
        ["a", "p", 1, "0" * 64, ""],
        ["a", "f", -1, "0" * 64, ""],
        ["a", "f", True, "0" * 64, ""],
        ["a", "f", 1, "abc", ""],
        [1, *ROW[1:]],
        ["a"],
        ["a", *ROW[1:], "more"],
    ],
    ids=lambda row: str(row)[:30].encode("ascii", "backslashreplace").decode(),
)
def test_lists_that_lead_out_of_the_folder_are_refused(tmp_path: Path, row: list[Any]) -> None:
    with pytest.raises(CopyError):
        Code(str(tmp_path / "code")).begin("0" * 32, [row])


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    link = snapshot.Listed("a", "l", 0, "0" * 64, "b")
    listed = [link, snapshot.Listed("a/x", "f", 0, "0" * 64), snapshot.Listed("b", "d", 0, "")]
    with pytest.raises(CopyError, match="both a folder with files and something else"):
        Code(str(tmp_path / "code")).begin(snapshot.identity_of(listed), [list(it) for it in listed])


def test_a_list_of_another_identity_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CopyError, match="not that of the identity"):
        Code(str(tmp_path / "code")).begin("0" * 32, [ROW])
    with pytest.raises(CopyError, match="no identity"):
        Code(str(tmp_path / "code")).have("../../etc")


def test_a_stream_with_something_else_in_it_is_refused(tmp_path: Path, work: Path, store: Path) -> None:
    there = There(tmp_path)
    identity = freeze(str(work), store)
    listed = [it.listed for it in snapshot.read(str(store / identity))]
    there.code.begin(identity, [list(it) for it in listed])
    (tmp_path / "evil").write_text("x")
    packed = subprocess.run(["tar", "-cPf", "-", str(tmp_path / "evil")], capture_output=True, check=True).stdout
    argv = [sys.executable, "-m", "overnight.host", "unpack", str(there.copies), identity]
    done = subprocess.run(argv, input=packed, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"not asked for" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.real("rsync")
def test_a_transfer_that_was_cut_and_ends_late_does_not_harm_a_copy_that_was_made_meanwhile(
    tmp_path: Path, work: Path, store: Path
) -> None:
    (work / "pkg" / "weights").write_bytes(os.urandom(3_000_000))
    there = There(tmp_path, rsync=True)
    identity = freeze(str(work), store)
    flag = tmp_path / "the cut is noticed"
    script = tmp_path / "shell"
    script.write_text(
        f"shift; (dd bs=65536 count=30 2>/dev/null; until test -e '{flag}'; do sleep 0.02; done) | \"$@\""
    )
    begun = [it.listed for it in snapshot.read(str(store / identity))]
    tree = Path(there.code.begin(identity, [list(it) for it in begun])["tree"])
    load = Load(store / identity / "tree", list(enumerate(it for it in begun if it.path == "pkg/weights")))
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(by_rsync, load, ["sh", str(script)], f"box:{tree}", os.environ)
        try:
            eventually(lambda: any(it.stat().st_size > 100_000 for it in tree.rglob("*weights*")))
            there.rsync = False
            ship(identity, store, there.box)
        finally:
            flag.touch()
        assert late.result(60) is False
    assert snapshot.changed(str(there.copies / identity), 1) == []
    assert content(there.tree(identity))[b"/pkg/weights"] == content(store / identity / "tree")[b"/pkg/weights"]


def eventually(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 10.0
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)
