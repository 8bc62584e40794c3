"""How OpenSSH is called, and what it makes of that: asked with `ssh -G`, which connects to nobody."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from overnight.domain.remote import SshSettings
from overnight.targets.ssh.command import environment, resolve, session

pytestmark = pytest.mark.real("sshd")


def understood(settings: SshSettings, strict: str = "yes") -> dict[str, list[str]]:
    """What OpenSSH would do for a session of ours."""
    done = subprocess.run(
        [*session(settings, strict), "-G", "--", settings.host], capture_output=True, check=True, encoding="utf-8"
    )
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value)
    return found


def config(tmp_path: Path, text: str) -> str:
    path = tmp_path / "ssh config"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_what_a_user_configured_is_kept_where_nothing_else_was_said(tmp_path: Path) -> None:
    text = "Host box\n  HostName 10.0.0.7\n  ProxyJump gate\n  ControlPath ~/cm-%C\n  ControlMaster auto\n  User ada\n"
    found = understood(SshSettings("box", ssh_config=config(tmp_path, text)))
    assert found["hostname"] == ["10.0.0.7"]
    assert found["proxyjump"] == ["gate"]
    assert found["user"] == ["ada"]
    assert found["controlpath"][0].startswith(str(Path("~/cm-").expanduser()))
    assert found["controlmaster"] == ["false"]


def test_nothing_of_this_machine_is_lent_and_nobody_is_asked(tmp_path: Path) -> None:
    text = (
        "Host *\n  ForwardAgent yes\n  ForwardX11 yes\n  LocalForward 8080 x:80\n  RemoteCommand tmux\n"
        "  RequestTTY force\n  PermitLocalCommand yes\n  BatchMode no\n  StrictHostKeyChecking no\n"
    )
    found = understood(SshSettings("box", ssh_config=config(tmp_path, text)))
    told = {key: found[key] for key in ("forwardagent", "forwardx11", "permitlocalcommand", "batchmode", "requesttty")}
    assert told == {
        "forwardagent": ["no"],
        "forwardx11": ["no"],
        "permitlocalcommand": ["no"],
        "batchmode": ["yes"],
        "requesttty": ["false"],
    }
    assert found["stricthostkeychecking"] == ["true"]
    assert found["clearallforwardings"] == ["yes"]
    assert found.get("remotecommand", ["none"]) == ["none"]


def test_a_table_says_the_same_as_options(tmp_path: Path) -> None:
    key, known = str(tmp_path / "a key"), str(tmp_path / "known hosts")
    settings = SshSettings("10.0.0.7", 2222, "ada", key, known, "bob@gate:2200,inner", ssh_config="/dev/null")
    found = understood(settings)
    assert (found["port"], found["user"], found["identityfile"]) == (["2222"], ["ada"], [key])
    assert found["userknownhostsfile"] == [known]
    assert found["proxyjump"] == ["bob@gate:2200,inner"]
    assert found["identitiesonly"] == ["yes"]


@pytest.mark.parametrize(
    ("said", "strict"), [("no", "yes"), ("off", "yes"), ("ask", "yes"), ("yes", "yes"), ("accept-new", "accept-new")]
)
def test_host_keys_are_checked_however_the_user_logs_in(tmp_path: Path, said: str, strict: str) -> None:
    text = f"Host box\n  HostName 10.0.0.7\n  Port 2222\n  StrictHostKeyChecking {said}\n"
    resolved = resolve(SshSettings("box", ssh_config=config(tmp_path, text)))
    assert (resolved.strict, resolved.known_as) == (strict, "[10.0.0.7]:2222")


def test_a_configuration_that_openssh_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Bad configuration option: frobnicate"):
        resolve(SshSettings("box", ssh_config=config(tmp_path, "Frobnicate yes\n")))


def test_our_secrets_stay_here() -> None:
    assert environment({"HOME": "/h", "OVERNIGHT_TOKEN": "t", "SSH_AUTH_SOCK": "/s"}) == {
        "HOME": "/h",
        "SSH_AUTH_SOCK": "/s",
    }
