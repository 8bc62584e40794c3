"""Files of another machine, asked for over a channel, are what they are here; nonsense of a host is an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import Rejected, Unavailable
from overnight.targets.base import Files
from overnight.targets.files import LocalFiles
from overnight.targets.link import RunnerRefused
from overnight.targets.remote_files import PIECE, RemoteFiles
from tests.host.box import Box

RECORD = {"started_at": 0.0, "code": 1, "log": {"size": 1}}
LOG = b"step 1\nRuntimeError: CUDA error: out of memory\n---\nloss: nan\naccuracy: 0.5\n"


@pytest.fixture(scope="module")
def files(shared: Box) -> RemoteFiles:
    return shared.files()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """An attempt's folder with a log and a result, and a working folder with outputs."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "log").write_bytes(LOG)
    (folder / "results.json").write_text('{"loss": -Infinity, "epochs": 3}', encoding="utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    (tmp_path / "out" / "b \udcff.bin").write_bytes(b"b")
    return folder


def test_what_is_there_is_told_as_by_this_machine(files: RemoteFiles, run: Path) -> None:
    here: Files = LocalFiles()
    workdir, outputs = str(run.parent), ["out/*", "none.txt", "out/a.csv"]
    found = files.evidence(str(run), workdir, outputs, RECORD)
    local = here.evidence(str(run), workdir, outputs, RECORD)
    assert found.metrics.pop("loss") == local.metrics.pop("loss") == -math.inf  # type: ignore[attr-defined]
    free = [replace(it, free_bytes=0, free_inodes=0) for it in found.rooms]
    assert free == [replace(it, free_bytes=0, free_inodes=0) for it in local.rooms]
    assert replace(found, rooms=()) == replace(local, rooms=())
    assert found.clues
    assert found.signature
    assert files.missing(workdir, outputs) == here.missing(workdir, outputs) == ["none.txt"]
    assert files.done(workdir, ["out/*"]) is True
    assert files.done(workdir, outputs) is False
    assert files.room(f"{workdir}/not/there").path == workdir
    assert files.progress(str(run), workdir, ["out/*"]) == here.progress(str(run), workdir, ["out/*"])
    during = (0.0, 2e9)
    assert files.left(str(run), workdir, outputs, during) == here.left(str(run), workdir, outputs, during)


def test_a_number_that_is_none_stays_none(files: RemoteFiles, run: Path) -> None:
    (run / "results.json").unlink()
    assert math.isnan(files.evidence(str(run), str(run.parent), [], RECORD).metrics["loss"])


@pytest.mark.parametrize(
    ("offset", "limit"), [(0, 10), (5, PIECE + 7), (-10, 100), (-PIECE - 9, 2 * PIECE), (0, 9 * PIECE), (10**9, 5)]
)
def test_a_log_comes_whole_in_pieces(files: RemoteFiles, run: Path, offset: int, limit: int) -> None:
    (run / "log").write_bytes(bytes(range(256)) * 5000)
    here = LocalFiles()
    assert files.log(str(run), offset, limit) == here.log(str(run), offset, limit)
    (run / "log").rename(run / "table.csv")
    assert files.part(str(run), "table.csv", offset, limit) == here.part(str(run), "table.csv", offset, limit)


def test_a_small_file_is_written_or_refused_for_good(files: RemoteFiles, run: Path) -> None:
    files.put(str(run), "answers/a.json", "ä\n")
    assert (run / "answers" / "a.json").read_text(encoding="utf-8") == "ä\n"
    with pytest.raises(Rejected):
        files.put(str(run), "../a.json", "x")


def test_what_an_attempt_left_is_listed_and_can_be_read(files: RemoteFiles, run: Path) -> None:
    (run / "big").write_bytes(b"0123456789" * PIECE)
    rows = files.inventory(str(run), str(run.parent), ["out/*"])
    found = {}
    for row in rows:
        data, offset, size = b"", 0, 1
        while offset < size:
            piece, offset, size = files.read(row["root"], str(run), str(run.parent), row["path"], offset)
            data += piece
        assert len(data) == row["bytes"] == size
        found[row["root"], row["path"]] = data
    assert found["run", "log"] == LOG
    assert found["work", "out/a.csv"] == b"x,y\n1,2\n"
    assert found["work", "out/b \udcff.bin"] == b"b"
    assert found["run", "big"] == b"0123456789" * PIECE


def test_its_devices_carry_the_name_of_the_target(files: RemoteFiles) -> None:
    offers = files.offers("gpu-box", 2, 500)
    assert [it.id for it in offers if it.kind == "slot"] == ["gpu-box/slot0", "gpu-box/slot1"]


def test_what_processes_do_is_told(files: RemoteFiles, shared: Box) -> None:
    assert str(shared.runner()) in files.doing(shared.runner())
    assert files.doing(2**30) == ""


def answering(reply: Any) -> RemoteFiles:
    return RemoteFiles(lambda *_: reply)


NONSENSE: list[Mapping[str, Any]] = [
    {},
    {"room": None, "done": None, "progress": [], "missing": 3, "data": 5, "offers": [{}], "files": [{}], "next": 1},
    {"room": {"path": "/", "free_bytes": -1, "free_inodes": 0, "total_bytes": 0, "total_inodes": 0}, "done": 1},
    {"progress": {"log_size": 1e300, "log_at": None, "files_at": None, "whole": True}, "data": "//", "next": -1},
    {"progress": {"log_size": 0, "log_at": math.nan, "files_at": None, "whole": True}, "data": "ä", "next": 1},
    {"data": "AAAAAAAAAAAAAAAA", "next": 12, "bytes": 12, "left": [{"name": "x" * 100_000}], "doing": None},
    {"evidence": {"metrics": {"a": "x"}}, "offers": [{"id": "other/slot0", "kind": "slot"}], "next": [], "files": []},
]


@pytest.mark.parametrize("reply", NONSENSE)
def test_nonsense_of_a_host_is_an_answer_that_did_not_come(reply: Mapping[str, Any]) -> None:
    files = answering(reply)
    calls = [
        lambda: files.evidence("/r", "/w", [], {}),
        lambda: files.missing("/w", ["a"]),
        lambda: files.done("/w", ["a"]),
        lambda: files.room("/w"),
        lambda: files.progress("/r", "/w", []),
        lambda: files.log("/r", 0, 4),
        lambda: files.left("/r", "/w", [], (0.0, 1.0)),
        lambda: files.offers("box", 1, 500),
        lambda: files.inventory("/r", "/w", []),
        lambda: files.read("run", "/r", "/w", "log", 0, 4),
        lambda: files.doing(1),
        files.facts,
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            call()


def test_what_a_host_says_of_an_end_is_bounded_and_can_be_kept() -> None:
    many = [f"\ud800\0{number}" for number in range(10_000)]
    told = {
        **{"metrics": dict.fromkeys(many, 1.0), "clues": dict.fromkeys(many, "\udc00"), "missing": many, "stale": many},
        **{"signature": "\0", "environment": "\ud800", "rooms": []},
    }
    found = answering({"evidence": told}).evidence("/r", "/w", [], {})
    assert max(map(len, (found.metrics, found.clues, found.missing, found.stale))) <= 200
    texts = [*found.metrics, *found.clues, *found.clues.values(), *found.missing, *found.stale, found.signature or ""]
    assert not any("\0" in it or it.encode("utf-8", "replace").decode() != it for it in texts)


def test_a_log_that_comes_in_crumbs_is_not_waited_for() -> None:
    asked = []
    crumb = {"data": "eA==", "next": 1}
    files = RemoteFiles(lambda *request: asked.append(request) or crumb)  # type: ignore[func-returns-value]
    data, _ = files.log("/r", 0, 4 * PIECE)
    assert data == b"x" * len(asked)
    assert len(asked) < 20


def test_more_devices_than_a_machine_has_are_none() -> None:
    slot = {"id": "box/slot0", "kind": "slot"}
    with pytest.raises(Unavailable, match="more devices"):
        answering({"offers": [slot] * 5_000}).offers("box", 1, 500)


def test_a_list_that_gets_no_further_is_given_up() -> None:
    with pytest.raises(Unavailable, match="no further"):
        answering({"working": 5}).inventory("/r", "/w", [])


def test_a_list_whose_pages_do_not_follow_each_other_is_given_up() -> None:
    with pytest.raises(Unavailable, match="no sense"):
        answering({"files": [], "next": 7}).inventory("/r", "/w", [])


def test_only_names_that_were_asked_for_are_missing() -> None:
    assert answering({"missing": ["b", "/etc/passwd"]}).missing("/w", ["a", "b"]) == ["b"]


def test_what_the_host_refuses_for_now_may_come_later() -> None:
    def ask(op: str, seconds: float, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RunnerRefused("busy", "another copy is being made", {})

    with pytest.raises(Unavailable) as raised:
        RemoteFiles(ask).room("/")
    assert not isinstance(raised.value, Rejected)
