"""The first words with a host: a Python is found, our program taken in and proven, and nothing unsafe executed."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

import pytest

from overnight.targets.ssh import bootstrap
from overnight.targets.ssh.shipment import Shipment, shipment
from tests.host.box import NONCE, Box, Start


def test_the_command_is_one_line_in_which_no_login_shell_finds_anything_of_its_own() -> None:
    for python in (None, "/opt/python+3.9/bin/python3"):
        command = bootstrap.command(python)
        assert command.count("'") == 2
        assert not set("!\\`\n\r\t") & set(command)


@pytest.mark.parametrize("python", ["", "a b", "$(id)", "-c", "python3;id", "../python3\n", "'x'"])
def test_no_name_of_an_interpreter_is_text_for_a_shell(python: str) -> None:
    with pytest.raises(ValueError, match="no name or path"):
        bootstrap.command(python)


@pytest.mark.parametrize("shell", [it for it in map(shutil.which, ("sh", "bash", "zsh", "fish", "tcsh")) if it])
def test_it_starts_whatever_the_login_shell_is(box: Box, shell: str) -> None:
    start = Start(box, bootstrap.command(), box.variables, shell=shell)
    box.starts.append(start)
    start.say(bootstrap.header(nonce=NONCE, shipment=shipment(), root="~/host", home="ab"))
    assert start.line() == f"{NONCE} need\n"


def test_a_host_without_python_says_so(box: Box) -> None:
    (box.home / "bin").mkdir()
    start = Start(box, bootstrap.command(), {"HOME": str(box.home), "PATH": str(box.home / "bin")})
    box.starts.append(start)
    code, words = start.ended()
    assert code == bootstrap.NO_PYTHON
    assert words.startswith("overnight: no python3 of at least 3.9 among: python3 python3.14")


def test_an_interpreter_that_is_too_old_or_broken_is_passed_over(box: Box) -> None:
    folder = box.home / "bin"
    folder.mkdir()
    program(folder / "python3", "exit 1")  # what an old one answers to the question for its version
    (folder / "python3.12").symlink_to(sys.executable)
    box.variables["PATH"] = str(folder)
    assert box.start(python=None).line() == f"{NONCE} need\n"


def test_the_named_interpreter_is_the_only_one(box: Box) -> None:
    program(box.home / "python3", "exit 1")
    code, words = box.start(python=str(box.home / "python3")).ended()
    assert code == bootstrap.NO_PYTHON
    assert str(box.home / "python3") in words


def program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


def test_what_came_is_kept_for_the_next_time(box: Box) -> None:
    box.ready()
    kept = box.root / "bin" / f"{shipment().hash}.pyz"
    assert kept.stat().st_mode & 0o777 == 0o500
    assert kept.read_bytes() == shipment().data
    assert box.start().line() == f"{NONCE} have\n"


def test_a_program_that_was_changed_there_is_not_executed_but_replaced(box: Box) -> None:
    box.ready()
    kept = box.root / "bin" / f"{shipment().hash}.pyz"
    kept.chmod(0o700)
    kept.write_bytes(shipment().data.replace(b"overnight", b"overtight", 1))
    assert box.start().line() == f"{NONCE} need\n"


def test_a_program_that_is_a_link_is_not_executed(box: Box) -> None:
    box.ready()
    kept = box.root / "bin" / f"{shipment().hash}.pyz"
    kept.rename(box.home / "elsewhere")
    kept.symlink_to(box.home / "elsewhere")
    assert box.start().line() == f"{NONCE} need\n"


def test_what_is_not_the_announced_program_is_not_kept(box: Box) -> None:
    announced = Shipment(b"print('hello')", hashlib.sha256(b"something else").hexdigest())
    start = box.start(shipment=announced)
    assert start.line() == f"{NONCE} need\n"
    start.say(announced.data)
    assert start.ended() == (98, "overnight: protocol: the program that came is not the one that was announced\n")
    assert not list((box.root / "bin").iterdir())


def test_a_channel_that_is_cut_meanwhile_leaves_nothing(box: Box) -> None:
    start = box.start()
    assert start.line() == f"{NONCE} need\n"
    start.say(shipment().data[:1000])
    start.socket.close()
    assert start.ended() == (98, "overnight: protocol: the program did not come whole\n")
    assert not list((box.root / "bin").iterdir())


def test_a_folder_that_others_may_write_into_is_refused(box: Box) -> None:
    box.root.mkdir()
    box.root.chmod(0o770)
    code, words = box.start().ended()
    assert code == 98
    assert words == f"overnight: unsafe: {box.root} is open to others; close it with: chmod 700 {box.root}\n"


def test_a_folder_that_is_a_link_is_refused(box: Box) -> None:
    (box.home / "elsewhere").mkdir(mode=0o700)
    box.root.symlink_to(box.home / "elsewhere")
    code, words = box.start().ended()
    assert code == 98
    assert words.startswith(f"overnight: unsafe: {box.root} is no folder, or a link")


def test_a_folder_that_cannot_be_made_is_named(box: Box) -> None:
    (box.home / "file").write_text("", encoding="utf-8")
    code, words = box.start(root="~/file/host").ended()
    assert code == 98
    assert words.startswith("overnight: no folder: ")


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b'{"nonce": "x"}\n', b"x" * 20_000])
def test_a_header_that_makes_no_sense_ends_it(box: Box, line: bytes) -> None:
    start = Start(box, bootstrap.command(sys.executable), box.variables)
    box.starts.append(start)
    start.say(line)
    code, words = start.ended()
    assert code == 98
    assert words.startswith("overnight: protocol: ")
