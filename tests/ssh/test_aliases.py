"""Which machines the user's SSH configuration names."""

from __future__ import annotations

from pathlib import Path

import pytest

from overnight.targets.ssh.aliases import aliases, is_known


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    return tmp_path / ".ssh"


def test_literal_names_count_and_patterns_do_not(home: Path) -> None:
    text = """
    # Host commented
    Host gpu-a gpu-b *.lab !gpu-c gpu-?
      HostName 10.0.0.1
    host = gpu-d
    HOST\t"gpu-e" # a remark
    Match host gpu-f
    Hostx gpu-g
    Host -oProxyCommand=x
    Host 'unbalanced
    """
    (home / "config").write_text(text, encoding="utf-8")
    assert aliases() == {"gpu-a", "gpu-b", "gpu-d", "gpu-e"}


def test_included_files_count_and_a_circle_ends(home: Path) -> None:
    (home / "conf.d").mkdir()
    (home / "conf.d" / "one").write_text("Host one\nInclude ~/.ssh/config\n", encoding="utf-8")
    (home / "conf.d" / "two").write_text("Host two\n", encoding="utf-8")
    (home / "config").write_text("Include conf.d/* missing\nHost last\n", encoding="utf-8")
    assert aliases() == {"one", "two", "last"}


def test_what_cannot_be_read_names_nothing(home: Path, tmp_path: Path) -> None:
    assert aliases() == frozenset()
    assert aliases(str(tmp_path)) == frozenset()
    (home / "config").write_bytes(b"\xff\xfe Host x\nHost \xff y\0\n")
    assert aliases() == frozenset()


@pytest.mark.parametrize(
    ("name", "known"),
    [("box", True), ("ada@box", True), ("other", False), ("@box", True), ("-l@box", False), ("a b@box", False)],
)
def test_a_user_may_stand_before_a_known_name(name: str, known: bool) -> None:
    assert is_known(name, frozenset({"box"})) is known
