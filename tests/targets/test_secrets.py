"""Secrets are read where the server runs; what cannot be read is named, never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from overnight.domain.errors import Refused
from overnight.targets.secrets import LARGEST_SECRET, read_secret, read_secrets


def read(reference: str, workdir: Path, **environment: str) -> str:
    return read_secret("KEY", reference, str(workdir), environment)


def test_a_variable_of_the_server_is_read_as_it_is(tmp_path: Path) -> None:
    assert read("env:TOKEN", tmp_path, TOKEN=" a:b\n") == " a:b\n"


@pytest.mark.parametrize("name", ["OVERNIGHT_TOKEN", "OVERNIGHT_DATABASE_URL"])
def test_what_opens_the_server_itself_is_given_to_no_job(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="the server's own"):
        read(f"env:{name}", tmp_path, **{name: "a"})


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_the_newline_that_ends_a_file_is_no_part_of_the_secret(tmp_path: Path, ending: str) -> None:
    (tmp_path / "key").write_bytes(f"a\nb{ending}".encode())
    assert read("file:key", tmp_path) == "a\nb"
    assert read(f"file:{tmp_path}/key", Path("/")) == "a\nb"


def test_bytes_that_are_no_text_reach_the_job_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    assert os.fsencode(read("file:key", tmp_path)) == b"\xff\xfe"


def test_several_are_read_at_once(tmp_path: Path) -> None:
    found = read_secrets([("A", "env:X"), ("B", "env:Y")], str(tmp_path), {"X": "1", "Y": "2"})
    assert found == {"A": "1", "B": "2"}


def test_what_cannot_be_read_is_refused_by_variable_and_reference(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "large").write_bytes(b"x" * (LARGEST_SECRET + 1))
    (tmp_path / "nul").write_bytes(b"hunter2\0")
    for reference in ("env:GONE", "file:gone", "file:pipe", "file:folder", "file:empty", "file:large", "file:nul"):
        with pytest.raises(Refused) as refusal:
            read(reference, tmp_path)
        assert f"KEY ({reference})" in str(refusal.value)
        assert "hunter2" not in str(refusal.value)
        assert refusal.value.__cause__ is None


def test_a_literal_that_was_taken_for_a_reference_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refusal:
        read("literal:hunter2", tmp_path)
    assert "hunter2" not in str(refusal.value)
