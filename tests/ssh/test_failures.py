"""Why a host is not reached, from the words of real OpenSSH clients and of our own start."""

from __future__ import annotations

import pytest

from overnight.targets.ssh.failures import LONGEST, Site, unreached

SITE = Site("lab", "ada@gpu-box", "[10.0.0.7]:2222")
CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Host key for [10.0.0.7]:2222 has changed and you have requested strict checking.
Host key verification failed.
"""


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (CHANGED, "host_key_changed"),
        ("No ED25519 host key is known for box and you have requested strict checking.", "host_key_unknown"),
        ("Host key verification failed.", "host_key_unknown"),
        ("ada@box: Permission denied (publickey,keyboard-interactive).", "permission_denied"),
        ("Received disconnect from 10.0.0.7: 2: Too many authentication failures", "permission_denied"),
        ("ssh: Could not resolve hostname box: Name or service not known", "unresolved"),
        ("ssh: connect to host box port 22: Connection refused", "refused"),
        ("ssh: connect to host box port 22: No route to host", "no_route"),
        ("ssh: connect to host box port 22: Connection timed out", "timed_out"),
        ("Connection timed out during banner exchange", "timed_out"),
        ("Timeout, server 10.0.0.7 not responding.", "timed_out"),
        ("/home/ada/.ssh/config: line 3: Bad configuration option: foo", "bad_config"),
        ("overnight: no python3 of at least 3.9", "no_python"),
        ("overnight: no folder: /data/x: Permission denied", "no_folder"),
        ("overnight: unsafe: /data/x is open to others; close it with: chmod 700 /data/x", "folder_unsafe"),
        ("overnight: no room: write: No space left on device", "no_room"),
        ("cat: write error: No space left on device", "no_room"),
        ("kex_exchange_identification: Connection closed by remote host", "ended"),
        ("sh: 1: exec: foo: Permission denied", "ended"),
        ("", "ended"),
    ],
)
def test_known_words_have_a_code_a_sentence_and_a_next_step(said: str, code: str) -> None:
    why = unreached(SITE, said, otherwise="the connection ended")
    assert why.code == code
    assert why.sentence.startswith("lab is not reached: ")
    assert "ssh" in why.next_step or "python =" in why.next_step or "folder =" in why.next_step


def test_a_changed_key_says_how_to_forget_the_old_one() -> None:
    why = unreached(SITE, CHANGED, otherwise="")
    assert "ssh-keygen -R '[10.0.0.7]:2222'" in why.next_step
    assert why.sentence.endswith("(WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!)")


def test_what_a_host_says_is_shown_bounded_and_inert() -> None:
    why = unreached(SITE, "\x1b]0;owned\x07" + "x" * 100_000, otherwise="the connection ended")
    assert "\x1b" not in why.sentence
    assert "\x07" not in why.sentence
    assert len(why.sentence) < LONGEST + 100
