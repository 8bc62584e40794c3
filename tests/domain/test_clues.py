"""Reading whole logs: pieces, long lines, hostile text, signatures. What the lines mean is in `tests/classify`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.domain.clues import ENDING_BYTES, LONGEST, MOST_LOOKS, Scanner, read_log
from overnight.domain.endings import ending_of
from overnight.domain.reasons import Reason
from overnight.domain.signatures import LONGEST_LINE, plain, quoted, signature_of
from tests.classify.corpus import corpus, noise

OOM = b"RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"


def clues(*pieces: bytes, code: int | None = 1) -> dict[str, str]:
    return dict(read_log(pieces, code).clues)


def test_every_case_of_the_corpus_is_read_without_complaint() -> None:
    assert all(case.judged().detail or case.reason == Reason.OK for case in corpus())


def test_an_empty_log_says_nothing() -> None:
    assert read_log([], 1) == read_log([b"", b"\n \n"], 1)
    assert read_log([], 1).signature is None
    assert clues() == {}


def test_the_first_convincing_line_is_kept() -> None:
    found = clues(b"CUDA out of memory, skipping batch\n", OOM + b"\n", noise(100).encode(), b"\nCUDA out of memory\n")
    assert found == {Reason.VRAM_OOM: OOM.decode()}


def test_a_line_far_up_in_a_large_log_is_found() -> None:
    half = noise(15_000_000).encode()
    whole = half + b"\n" + OOM + b"\n" + half
    assert clues(*(whole[n : n + 2**20] for n in range(0, len(whole), 2**20))) == {Reason.VRAM_OOM: OOM.decode()}


@pytest.mark.parametrize("place", [0, 100, 3 * LONGEST, 10 * LONGEST])
def test_a_log_of_one_endless_line_is_looked_through(place: int) -> None:
    whole = b"x" * place + b" CUDA out of memory " + b"y" * (20 * LONGEST)
    for size in (100, LONGEST, len(whole)):
        assert Reason.VRAM_OOM in clues(*(whole[n : n + size] for n in range(0, len(whole), size)))


def test_a_log_full_of_the_same_words_is_not_looked_at_line_by_line_for_ever() -> None:
    innocent = b"on_oom: handle CUDA out of memory\n" * (MOST_LOOKS + 100)
    assert clues(innocent, OOM + b"\n", noise(2 * ENDING_BYTES).encode()) == {}
    assert clues(innocent, b"Traceback (most recent call last):\n", OOM) == {Reason.VRAM_OOM: OOM.decode()}


def test_an_exception_further_up_than_the_end_was_survived() -> None:
    failed = b"Traceback (most recent call last):\nKeyError: 'x'\n"
    assert clues(failed) == {Reason.CODE_ERROR: "KeyError: 'x'"}
    assert clues(failed, noise(2 * ENDING_BYTES).encode()) == {}


def test_what_comes_after_the_last_exception_counts() -> None:
    found = clues(b"KeyError: 'x'\n", b"slurmstepd: error: *** JOB 1 ON n CANCELLED AT x DUE TO PREEMPTION ***\n")
    assert set(found) == {Reason.CODE_ERROR, Reason.PREEMPTED}


def test_a_scanner_keeps_little() -> None:
    scanner = Scanner()
    for _ in range(50):
        scanner.feed(b"z" * 100_000)
    assert len(scanner._rest) + len(scanner._tail) <= 2 * LONGEST + ENDING_BYTES


@given(st.binary(max_size=3_000), st.one_of(st.none(), st.integers(0, 255)))
def test_no_bytes_break_the_reading(data: bytes, code: int | None) -> None:
    found = read_log([data], code)
    assert found == read_log([data[:100], data[100:]], code)
    assert all("\n" not in line and len(line) <= LONGEST_LINE for line in found.clues.values())


@given(st.lists(st.text(max_size=80), max_size=20))
def test_no_lines_break_the_ending(lines: list[str]) -> None:
    ending = ending_of(lines, 1)
    assert -1 <= ending.after < max(1, len(lines))


# Lines that can be shown


def test_a_shown_line_has_no_colours_and_no_control_characters() -> None:
    assert plain("\x1b[1;31mred\x1b[0m\x07\ttab\x1b]0;title\x07") == "red     tab"
    assert quoted("  " + "x" * 500) == "x" * LONGEST_LINE


@pytest.mark.parametrize(
    ("line", "signature"),
    [
        ("ValueError: got 3 rows at 0x7f31c2b3a710", "ValueError: got <n> rows at <n>"),
        ("FileNotFoundError: '/data/runs/41/a b.pt'", "FileNotFoundError: '<path> b.pt'"),
        ("[rank3]: KeyError: 'x'", "KeyError: 'x'"),
        ("2026-01-12 03:14:15,926 ERROR job 7f3a9c1e failed", "job <id> failed"),
        ("run 123e4567-e89b-12d3-a456-426614174000 at 12:30:01", "run <id> at <n>"),
        ("(EngineCore_0 pid=17) ERROR 09-28 15:47:24 [core.py:718] no", "no"),
        ("", ""),
    ],
)
def test_a_signature_leaves_out_what_differs(line: str, signature: str) -> None:
    assert signature_of(line) == signature


def test_a_signature_is_bounded() -> None:
    assert len(signature_of("ab " * 10_000)) <= LONGEST_LINE


def test_failures_of_the_same_kind_have_the_same_signature_and_others_have_not() -> None:
    def signature(text: bytes) -> str | None:
        return read_log([text], 1).signature

    assert signature(b"step 17\nValueError: bad row 17\n") == signature(b"step 4\nValueError: bad row 4\n")
    assert signature(b"ValueError: bad row 17\n") != signature(b"ValueError: bad column 17\n")
    assert signature(b"the last words 3\n\n\n") == "the last words <n>"
