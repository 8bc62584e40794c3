"""What goes wrong with a machine reached over SSH: nothing that runs there is harmed, and what is not known is said."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from overnight.domain.errors import Rejected, Unavailable
from overnight.targets import keeper
from overnight.targets.base import Alive, Ended, Unknown
from overnight.targets.ssh import way
from overnight.targets.ssh.target import SshTarget
from overnight.targets.status import Status
from overnight.testing.target_contract import Bench
from tests.ssh.bench import clear, disconnect, end_runner, moments, runner_pid, target_of
from tests.ssh.conftest import Box, children, keygen, know
from tests.ssh.waiting import eventually

pytestmark = pytest.mark.real("sshd")
HOMES = count(1)


@pytest.fixture
def home(box: Box) -> Iterator[str]:
    """A home of the test's own on the box that all share."""
    name = f"{next(HOMES):012x}"
    yield name
    end_runner(box, name)


@pytest.fixture
def bench(box: Box, home: str, tmp_path: Path) -> Iterator[Bench]:
    target = target_of(box, home=home)
    target.owned()
    yield Bench(target, tmp_path, lambda: disconnect(target), moments)
    clear(target)
    target.close()


def reached(target: SshTarget) -> bool:
    target.retry_now()
    try:
        target.owned()
    except Unavailable:
        return False
    return True


def unreached(target: SshTarget) -> Status:
    """Its status after a try that must fail."""
    with pytest.raises(Unavailable):
        target.owned()
    return target.status()


def code_of(status: Status) -> str:
    assert status.why is not None
    return status.why.code


def test_jobs_outlive_sshd_and_end_with_their_true_code(bench: Bench, box: Box) -> None:
    launch = bench.launch("while [ ! -e go ]; do sleep 0.02; done; exit 9")
    bench.target.start([launch])
    bench.hear(launch.attempt, Alive)
    box.end()
    target = bench.target
    assert isinstance(target, SshTarget)
    eventually(lambda: target.status().state == "unknown", "the end of sshd is noticed")
    assert isinstance(bench.see(launch, [Unknown]), Unknown)
    (bench.folder / "go").touch()
    box.start()
    eventually(lambda: reached(target), "it is reached again")
    seen = bench.see(launch, [Ended])
    assert isinstance(seen, Ended)
    assert seen.record["code"] == 9
    assert target.status().state == "reachable"


def test_a_runner_that_was_killed_there_is_replaced_and_its_attempts_go_on(bench: Bench, box: Box, home: str) -> None:
    launch = bench.launch("sleep 0.5; exit 5")
    bench.target.start([launch])
    bench.hear(launch.attempt, Alive)
    os.kill(runner_pid(box, home), signal.SIGKILL)
    seen = bench.see(launch, [Ended])
    assert isinstance(seen, Ended)
    assert seen.record["code"] == 5


def test_a_channel_that_was_killed_is_opened_anew(bench: Bench) -> None:
    before = bench.target.generation
    (channel,) = [pid for pid in children(os.getpid()) if command_of(pid) == "ssh"]
    os.kill(channel, signal.SIGKILL)
    eventually(lambda: bench.target.generation > before, "its end is noticed")
    assert bench.target.owned() == []


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()


def test_a_half_open_channel_is_given_up_and_replaced(
    box: Box, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("overnight.targets.ssh.target.PATIENCE", keeper.Patience(silence=0.6, first=0.1))
    target = target_of(box, home=home)
    target.owned()
    frozen = box.sessions()
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: target.status().state == "unknown", "the silence is noticed")
        assert code_of(target.status()) == "timed_out"
        eventually(lambda: reached(target), "another channel is open")
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGKILL)
        target.close()


def test_what_start_files_and_banners_print_is_skipped(new_box: Callable[..., Box], tmp_path: Path) -> None:
    banner = tmp_path / "banner"
    banner.write_text("Welcome!\n" * 4000, encoding="ascii")
    box = new_box(more=f"Banner {banner}")
    text = (
        "i=0; while [ $i -lt 3000 ]; do echo '{\"id\": 1, \"ok\": true}'; i=$((i+1)); done; printf 'no end of line'\n"
    )
    for name in (".bashrc", ".zshenv", ".profile"):
        (box.home / name).write_text(text, encoding="ascii")
    target = target_of(box)
    assert target.owned() == []
    target.close()
    end_runner(box)


def test_a_host_that_never_answers_is_given_up_and_says_what_it_printed(
    new_box: Callable[..., Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way, "OPEN_SECONDS", 2.0)
    box = new_box(more="ForceCommand echo maintenance tonight; sleep 60")
    status = unreached(target_of(box))
    assert code_of(status) == "protocol"
    assert status.why is not None
    assert "maintenance tonight" in status.why.sentence


def test_an_account_without_a_shell_says_so(new_box: Callable[..., Box]) -> None:
    box = new_box(more="ForceCommand echo This account is not available.; exit 1")
    status = unreached(target_of(box))
    assert status.why is not None
    assert "This account is not available" in status.why.sentence


def test_a_changed_host_key_is_refused_and_left_alone(new_box: Callable[..., Box]) -> None:
    box = new_box()
    keygen(box.folder / "other")
    know(box, box.folder / "other.pub")
    target = target_of(box)
    assert code_of(unreached(target)) == "host_key_changed"
    know(box, box.folder / "host.pub")
    assert code_of(unreached(target)) == "host_key_changed"
    target.retry_now()
    assert target.owned() == []
    assert target.status().why is None
    target.close()
    end_runner(box)


def test_an_unknown_host_key_is_refused_and_accept_new_is_respected(new_box: Callable[..., Box]) -> None:
    box = new_box()
    (box.folder / "known_hosts").write_text("", encoding="ascii")
    assert code_of(unreached(target_of(box))) == "host_key_unknown"
    with (box.folder / "ssh_config").open("a", encoding="utf-8") as config:
        config.write("  StrictHostKeyChecking accept-new\n")
    target = target_of(box)
    assert target.owned() == []
    target.close()
    end_runner(box)


def test_whoever_has_no_key_is_told_so(new_box: Callable[..., Box]) -> None:
    box = new_box()
    (box.folder / "id.pub").unlink()
    assert code_of(unreached(target_of(box))) == "permission_denied"


def test_an_open_master_connection_is_used_without_another_login(new_box: Callable[..., Box]) -> None:
    box = new_box()
    path = box.folder / "cm"
    with (box.folder / "ssh_config").open("a", encoding="utf-8") as config:
        config.write(f"  ControlPath {path}\n")
    ssh = ["ssh", "-F", str(box.folder / "ssh_config"), "-o", "ControlPersist=yes", "-MN", "-f", "box"]
    subprocess.run(ssh, check=True, stdin=subprocess.DEVNULL)
    try:
        (box.folder / "id.pub").unlink()
        target = target_of(box)
        assert target.owned() == []
        disconnect(target)
        eventually(lambda: reached(target), "it is reached again")
        target.close()
        end_runner(box)
    finally:
        subprocess.run(["ssh", "-F", str(box.folder / "ssh_config"), "-O", "exit", "box"], check=True)


def test_a_host_without_python_says_so(new_box: Callable[..., Box], box: Box) -> None:
    bare = new_box(variables="PATH=/nonexistent")
    assert code_of(unreached(target_of(bare))) == "no_python"
    settings = replace(box.settings, python="/nonexistent/python3")
    assert code_of(unreached(target_of(box, settings=settings))) == "no_python"


def test_a_folder_that_others_may_write_is_not_used(new_box: Callable[..., Box]) -> None:
    box = new_box()
    folder = box.home / ".overnight-host"
    folder.mkdir()
    folder.chmod(0o777)
    assert code_of(unreached(target_of(box))) == "folder_unsafe"


def test_a_further_session_goes_the_same_way_and_takes_plain_words_alone(box: Box) -> None:
    target = target_of(box)
    done = subprocess.run(target.session("/bin/cat"), input=b"bytes\0", capture_output=True, check=True)
    assert done.stdout == b"bytes\0"
    assert target.session("x")[: len(target.remote_shell())] == target.remote_shell()
    for word in ("a b", "$(id)", "a;b", "'", "~", "*", "a\nb"):
        with pytest.raises(Rejected):
            target.session("/bin/echo", word)


def test_nobody_is_tried_while_a_back_off_lasts(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_of(box, settings=replace(box.settings, host="127.0.0.1", port=1))
    assert code_of(unreached(target)) == "refused"
    started: list[object] = []
    monkeypatch.setattr(way, "Child", started.append)
    assert code_of(unreached(target)) == "refused"
    assert started == []


def test_two_homes_on_one_box_see_nothing_of_each_other(bench: Bench, box: Box) -> None:
    other = f"{next(HOMES):012x}"
    launch = bench.launch("sleep 30")
    bench.target.start([launch])
    bench.hear(launch.attempt, Alive)
    theirs = target_of(box, home=other)
    try:
        assert theirs.owned() == []
        assert [handle.attempt for handle in bench.target.owned()] == [launch.attempt]
    finally:
        theirs.close()
        end_runner(box, other)


def test_a_newer_server_of_the_same_home_takes_over(bench: Bench, box: Box, home: str) -> None:
    launch = bench.launch("sleep 30")
    bench.target.start([launch])
    bench.hear(launch.attempt, Alive)
    newer = target_of(box, home=home)
    assert [handle.attempt for handle in newer.owned()] == [launch.attempt]
    target = bench.target
    assert isinstance(target, SshTarget)
    eventually(lambda: target.status().state == "unknown", "the older one is cut off")
    newer.close()
