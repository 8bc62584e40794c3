"""Pages of logs: put together they are the log, each byte once, wherever they begin and end."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from overnight.service.log_pages import Bytes, Joined, Page, Text, page
from overnight.targets.files import LocalFiles

PIECES = ["a", "\r\n", "\n", "é", "€", "😀", "\ufffd", "\0", "\x1b[31m", "漢字"]
BROKEN = [b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\x80\x80\x80\x80\x80", b"\xed\xa0\x80"]


class Raw:
    """Some bytes as a log."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def size(self) -> int:
        return len(self.data)

    def read(self, offset: int, limit: int) -> tuple[bytes, int]:
        found = self.data[offset : offset + limit]
        return found, min(offset, len(self.data)) + len(found)


def invented(seed: int, *, broken: bool) -> bytes:
    rng = random.Random(seed)
    pieces = [rng.choice(PIECES).encode() for _ in range(30)] + [rng.choice(BROKEN) for _ in range(8 * broken)]
    rng.shuffle(pieces)
    return b"".join(pieces)


def walked(log: Bytes, limit: int, start: int = 0) -> list[Page]:
    """All pages of an ended log from a byte on."""
    pages = [page(log, start, limit, "finished")]
    while not pages[-1].last:
        assert len(pages) < 10_000
        pages.append(page(log, pages[-1].end, limit, "finished"))
    return pages


@pytest.mark.parametrize("broken", [False, True])
def test_pages_of_any_size_put_together_are_the_log(broken: bool) -> None:
    for seed in range(40):
        data = invented(seed, broken=broken)
        for limit in (1, 2, 3, 4, 5, 7, 64, 10_000):
            pages = walked(Raw(data), limit)
            assert "".join(it.content for it in pages) == data.decode("utf-8", errors="replace"), (seed, limit)
            assert [it.start for it in pages[1:]] == [it.end for it in pages[:-1]], (seed, limit)
            assert all(it.end - it.start <= max(limit, 4) for it in pages)


def test_a_page_that_is_asked_for_at_any_byte_begins_with_the_character_there() -> None:
    data = invented(1, broken=False)
    places = [len(data.decode()[:number].encode()) for number in range(len(data.decode()) + 1)]
    for offset in range(len(data) + 1):
        start = max(place for place in places if place <= offset)
        assert "".join(it.content for it in walked(Raw(data), 5, offset)).encode() == data[start:], offset


def test_a_page_from_the_end_has_no_more_bytes_than_asked_for_and_no_half_characters() -> None:
    data = invented(2, broken=False)
    for back in range(1, len(data) + 5):
        it = page(Raw(data), -back, back)
        assert it.content.encode() == data[it.start :]
        assert max(0, len(data) - back) <= it.start <= max(0, len(data) - back) + 3
        assert it.end == it.total == len(data)


@pytest.mark.parametrize("whole", ["é", "€", "😀"])
def test_a_character_that_is_not_whole_yet_waits_until_its_run_has_ended(whole: str) -> None:
    for cut in range(1, len(whole.encode())):
        data = b"ok" + whole.encode()[:cut]
        waits = page(Raw(data), 0, 100)
        assert (waits.content, waits.end, waits.total, waits.last) == ("ok", 2, 2 + cut, False)
        assert page(Raw(data), 2, 100).content == ""
        assert page(Raw(b"ok" + whole.encode()), waits.end, 100).content == whole
        over = page(Raw(data), 0, 100, "finished")
        assert over.content == "ok\ufffd"
        assert over.last


def test_nothing_is_behind_the_end() -> None:
    for offset in (3, 4, 100, 2**62):
        it = page(Text("abc"), offset, 10, "finished")
        assert (it.content, it.start, it.end, it.last) == ("", 3, 3, True)


def test_a_page_of_no_bytes_tells_the_size_only() -> None:
    it = page(Text("abc"), 1, 0)
    assert (it.content, it.start, it.end, it.total) == ("", 1, 1, 3)


def test_a_text_is_paged_like_a_log() -> None:
    assert "".join(it.content for it in walked(Text("äöü" * 10), 5)) == "äöü" * 10


def test_attempts_are_read_one_behind_the_other(tmp_path: Path) -> None:
    texts = ["first é", "", "half \xe9".encode("latin-1"), "last €\n"]
    folders = [tmp_path / str(number) for number in range(5)]
    for folder, text in zip(folders, texts, strict=False):
        folder.mkdir()
        (folder / "log").write_bytes(text if isinstance(text, bytes) else text.encode())
    log = Joined([(LocalFiles(), str(folder)) for folder in folders])
    for limit in (1, 3, 100):
        assert "".join(it.content for it in walked(log, limit)) == "first éhalf \ufffdlast €\n"
    assert page(log, -15, 15).content == "half \ufffdlast €\n"[-13:]


def test_what_was_given_back_of_a_capped_log_is_skipped_also_within_a_character(tmp_path: Path) -> None:
    head, tail = "kopf €".encode()[:-1], "ü ende\n".encode()[1:]
    with (tmp_path / "log").open("wb") as file:
        file.write(head)
        file.seek(1 << 20)
        file.write(tail)
    (tmp_path / "log.gap").write_text(f"{len(head)} {1 << 20}\n")
    log = Joined([(LocalFiles(), str(tmp_path))])
    for limit in (1, 2, 5, 100):
        assert "".join(it.content for it in walked(log, limit)) == "kopf \ufffd\ufffd ende\n", limit
    assert page(log, -100, 100).content == "\ufffd ende\n"
    assert log.size() == os.path.getsize(tmp_path / "log")
