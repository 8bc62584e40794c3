"""Where files of another machine lie here: never anywhere but below the folder of their attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from overnight.domain.fetch import (
    LONGEST_PATH,
    MANIFEST,
    SyncFailed,
    digest_of,
    listed,
    place_of,
    shown,
    summary_of,
)

HASH = "ab" * 32


def entry(path: Any = "log", **changes: Any) -> dict[str, Any]:
    return {"root": "run", "path": path, "bytes": 3, "mode": 0o600, "mtime": 1.5, "sha256": HASH, **changes}


def test_files_are_listed_in_the_order_of_their_places() -> None:
    files = listed([entry("z"), entry("a/b"), entry("c", root="work"), entry("data/d", root="out")])
    assert [file.place for file in files] == ["a/b", "outside/data/d", "work/c", "z"]
    assert [file.path for file in files] == ["a/b", "data/d", "c", "z"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"root": "home"}, "not understood"),
        ({"path": 7}, "not understood"),
        ({"bytes": -1}, "not understood"),
        ({"bytes": "many"}, "not understood"),
        ({"mode": -1}, "not understood"),
        ({"mtime": float("nan")}, "not understood"),
        ({"mtime": 1e300}, "not understood"),
        ({"bytes": float("inf")}, "not understood"),
        ({"sha256": None}, "no hash of log"),
        ({"sha256": "ab"}, "no hash of log"),
        ({"sha256": "AB" * 32}, "no hash of log"),
        ({"problem": "permission denied"}, "cannot read log: permission denied"),
        ({"path": MANIFEST}, "the name of our list"),
        ({"path": "\ud800"}, "cannot be written"),
        ({"path": "/".join(["long"] * LONGEST_PATH)}, "too long"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SyncFailed, match=said):
        listed([entry(**changes)])


def test_an_entry_that_lacks_something_is_refused() -> None:
    with pytest.raises(SyncFailed, match="not understood"):
        listed([{"root": "run", "path": "log"}])


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", ".", "a/..", "../a", "a/./b", "a\0"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    for root in ("run", "work", "out"):
        with pytest.raises(SyncFailed, match="no file below its folder"):
            place_of(root, path)


def test_two_files_of_one_place_are_refused() -> None:
    with pytest.raises(SyncFailed, match="both be work/a"):
        listed([entry("work/a"), entry("a", root="work")])


def test_a_file_that_is_a_folder_too_is_refused() -> None:
    with pytest.raises(SyncFailed, match="a as a file and as a folder"):
        listed([entry("a"), entry("a/b/c")])


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overnight.domain.fetch.MOST_FILES", 3)
    assert len(listed(entry(f"f{number}") for number in range(3))) == 3
    with pytest.raises(SyncFailed, match="more than 3 files"):
        listed(entry(f"f{number}") for number in range(4))


def test_a_digest_is_that_of_the_list_in_any_order() -> None:
    files = listed([entry("a"), entry("b")])
    assert digest_of(files) == digest_of(files[::-1])
    for changes in ({"place": "c"}, {"bytes": 4}, {"sha256": "cd" * 32}):
        assert digest_of([files[0], replace(files[1], **changes)]) != digest_of(files)
    assert summary_of(files).bytes == 6
    assert digest_of(listed([entry("caf\udce9")])) != digest_of([])


def test_names_are_shown_short_and_harmless() -> None:
    assert shown("a\x1b[31m\n\udcff") == "a?[31m??"
    assert shown("x" * 121) == "x" * 117 + "..."
    assert shown("x" * 120) == "x" * 120
