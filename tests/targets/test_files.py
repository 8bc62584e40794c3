"""Looking into attempts' files: fresh outputs, numbers, logs with a gap, hostile files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from overnight.domain.metrics import MOST_METRICS
from overnight.targets.base import Evidence
from overnight.targets.files import LARGEST_RESULTS, MOST_OUTPUTS, LocalFiles, is_fresh, numbers_in, read_bounded

FILES = LocalFiles()


def write(path: Path, text: str, at: float | None = None) -> Path:
    path.write_text(text, encoding="utf-8")
    if at is not None:
        os.utime(path, (at, at))
    return path


def test_only_this_attempts_own_whole_files_are_fresh(tmp_path: Path) -> None:
    write(tmp_path / "new.json", "{}", 100.0)
    write(tmp_path / "old.json", "{}", 99.0)
    write(tmp_path / "empty.json", "", 100.0)
    (tmp_path / "folder.json").mkdir()
    assert is_fresh(str(tmp_path / "new.json"), 100.0)
    assert is_fresh(str(tmp_path / "n*.json"), 100.0)
    for name in ("old.json", "empty.json", "folder.json", "missing.json", "x*.json"):
        assert not is_fresh(str(tmp_path / name), 100.0)


def test_a_pattern_crosses_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    write(tmp_path / "a" / "b" / "out.pt", "x")
    assert is_fresh(str(tmp_path / "**" / "out.pt"), 0.0)


def test_missing_outputs_are_named_as_they_were_declared(tmp_path: Path) -> None:
    write(tmp_path / "there.txt", "x")
    found = FILES.evidence(str(tmp_path), str(tmp_path), ["there.txt", "gone.txt"], {"started_at": 1.0})
    assert found.missing == ("gone.txt",)


def test_results_override_the_log(tmp_path: Path) -> None:
    write(tmp_path / "log", '{"loss": 3}\n---\naccuracy: 0.5\n')
    write(tmp_path / "results.json", '{"accuracy": 0.75, "f1": NaN}')
    found = FILES.evidence(str(tmp_path), "/", [], {"started_at": 1.0, "log": {"size": 30}}).metrics
    assert found["accuracy"] == 0.75
    assert found["loss"] == 3.0
    assert found["f1"] != found["f1"]


def test_a_log_is_read_from_both_ends(tmp_path: Path) -> None:
    write(tmp_path / "log", "0123456789")
    assert FILES.log(str(tmp_path), 2, 3) == (b"234", 5)
    assert FILES.log(str(tmp_path), -4, 100) == (b"6789", 10)
    assert FILES.log(str(tmp_path), -100, 4) == (b"0123", 4)
    assert FILES.log(str(tmp_path), 50, 4) == (b"", 10)
    assert FILES.log(str(tmp_path / "gone"), 0, 4) == (b"", 0)


def test_what_a_capped_log_gave_back_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "log", "head\0\0\0\0\0\0tail")
    write(tmp_path / "log.gap", "4 10\n")
    assert FILES.log(str(tmp_path), 0, 100) == (b"head", 4)
    assert FILES.log(str(tmp_path), 4, 100) == (b"tail", 14)
    assert FILES.log(str(tmp_path), 7, 2) == (b"ta", 12)


@pytest.mark.parametrize("text", ["", "1", "a b", "1 2 3"])
def test_a_broken_gap_is_no_gap(tmp_path: Path, text: str) -> None:
    write(tmp_path / "log", "0123")
    write(tmp_path / "log.gap", text)
    assert FILES.log(str(tmp_path), 0, 100) == (b"0123", 4)


def test_links_and_pipes_of_a_job_are_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", '{"a": 1}')
    run = tmp_path / "run"
    run.mkdir()
    (run / "results.json").symlink_to(secret)
    os.mkfifo(run / "log")
    found = FILES.evidence(str(run), "/", [], {"started_at": 1.0, "log": {"size": 9}})
    assert found.metrics == {}


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    assert read_bounded(str(write(tmp_path / "a", "12345")), 5) == "12345"
    assert read_bounded(str(write(tmp_path / "a", "123456")), 5) == ""


# Why it failed


def failed(folder: Path, code: int | None = 1) -> Evidence:
    return FILES.evidence(str(folder), str(folder), [], {"started_at": 1.0, "code": code, "log": {"size": 1}})


def test_a_failed_exit_has_its_whole_log_read(tmp_path: Path) -> None:
    more = "step 1 loss 0.5\n" * 200_000
    write(tmp_path / "log", f"{more}RuntimeError: CUDA out of memory.\n{more}the end 7\n")
    found = failed(tmp_path)
    assert found.clues == {"vram_oom": "RuntimeError: CUDA out of memory."}
    assert found.signature == "the end <n>"


def test_what_was_given_back_of_a_capped_log_is_no_part_of_it(tmp_path: Path) -> None:
    head, tail = b"CUDA out of me", b"mory\nMemoryError\n"
    (tmp_path / "log").write_bytes(head + b"\0" * 4096 + tail)
    write(tmp_path / "log.gap", f"{len(head)} {len(head) + 4096}\n")
    assert "host_oom" in failed(tmp_path).clues


def test_a_good_exit_is_not_judged_by_its_log(tmp_path: Path) -> None:
    write(tmp_path / "log", "RuntimeError: CUDA out of memory.\n")
    found = failed(tmp_path, 0)
    assert (found.clues, found.signature, found.rooms) == ({}, None, ())


def test_the_room_where_it_writes_is_looked_at_when_it_failed(tmp_path: Path) -> None:
    work, run = tmp_path / "work", tmp_path / "run"
    work.mkdir()
    run.mkdir()
    found = FILES.evidence(str(run), str(work), [], {"code": 1})
    assert [room.path for room in found.rooms] == [str(work), str(run)]
    found = FILES.evidence(str(run), str(work), ["gone"], {"code": 0})
    assert [room.path for room in found.rooms] == [str(work)]


def test_why_an_environment_could_not_be_activated_is_told(tmp_path: Path) -> None:
    assert failed(tmp_path, 126).environment is None
    write(tmp_path / "environment_failed", "conda was not found\n")
    assert failed(tmp_path, 126).environment == "conda was not found\n"


# Numbers of outputs


def numbers(folder: Path, *outputs: str) -> Mapping[str, float]:
    record = {"started_at": 100.0, "code": 0, "log": {"size": 1}}
    return FILES.evidence(str(folder), str(folder), outputs, record).metrics


def test_numbers_of_outputs_come_above_those_of_the_log_and_below_results(tmp_path: Path) -> None:
    write(tmp_path / "log", '{"loss": 3, "acc": 0.1, "f1": 0.1}\n')
    write(tmp_path / "eval.json", '{"acc": 0.2, "f1": 0.2, "name": "x", "per_class": [1]}')
    write(tmp_path / "results.json", '{"f1": 0.3}')
    assert numbers(tmp_path, "eval.json") == {"loss": 3.0, "acc": 0.2, "f1": 0.3}


def test_the_last_row_of_a_csv_output_gives_its_numbers(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n / 10},x\n" for n in range(50_000))
    write(tmp_path / "curve.CSV", f"epoch,acc,note\n{rows}")
    assert numbers(tmp_path, "*.CSV") == {"epoch": 49_999.0, "acc": 4_999.9}


def test_outputs_that_are_stale_large_or_no_numbers_give_none(tmp_path: Path) -> None:
    write(tmp_path / "old.json", '{"acc": 1}', 50.0)
    write(tmp_path / "model.pt", '{"acc": 1}')
    write(tmp_path / "broken.json", '{"acc": 1')
    write(tmp_path / "list.json", "[1]")
    os.truncate(write(tmp_path / "large.json", '{"acc": 1}'), LARGEST_RESULTS + 1)
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    names = [path.name for path in tmp_path.iterdir()]
    assert numbers(tmp_path, *names, "*.json", "gone.csv") == {}


def test_an_output_may_be_a_link_to_a_file_elsewhere(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    write(there / "eval.json", '{"acc": 0.5}')
    (tmp_path / "eval.json").symlink_to(there / "eval.json")
    assert numbers(tmp_path, "eval.json") == {"acc": 0.5}


def test_numbers_of_many_outputs_are_bounded(tmp_path: Path) -> None:
    for place in range(MOST_OUTPUTS + 5):
        write(tmp_path / f"{place}.json", json.dumps({f"m{place}_{n}": n for n in range(MOST_METRICS)}))
    assert len(numbers(tmp_path, "*.json")) == MOST_METRICS


def test_a_csv_that_vanishes_gives_nothing(tmp_path: Path) -> None:
    assert numbers_in(str(tmp_path / "gone.csv")) == numbers_in("a\0b.csv") == {}
