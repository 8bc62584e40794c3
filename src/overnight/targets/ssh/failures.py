"""Why a host is not reached, read from what OpenSSH and the host's first words said. Pure; facts, no guesses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from overnight.targets.status import Why

LONGEST = 300
"""Characters of somebody else's words that are repeated."""


@dataclass(frozen=True, slots=True)
class Site:
    """Names for sentences and commands."""

    name: str
    """Of the target."""
    host: str
    """As it is given to `ssh` by hand, with everything that says where it is."""
    known_as: str
    """In a file of known hosts."""
    known_hosts: str = "~/.ssh/known_hosts"
    """That file."""


@dataclass(frozen=True, slots=True)
class _Sign:
    code: str
    words: re.Pattern[str]
    sentence: str
    step: Callable[[Site], str]


def _sign(code: str, words: str, sentence: str, step: Callable[[Site], str]) -> _Sign:
    return _Sign(code, re.compile(words, re.MULTILINE), sentence, step)


def _look(site: Site) -> str:
    return f"Try it by hand: ssh {site.host}"


_SIGNS = (
    _sign(
        "host_key_changed",
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|differs from the key for the IP address",
        "the host key is another one than before",
        lambda site: (
            f"If that is right, forget the old one: ssh-keygen -R '{site.known_as}' -f {site.known_hosts}; "
            f"then: ssh {site.host}"
        ),
    ),
    _sign(
        "host_key_unknown",
        r"Host key verification failed|No \S+ host key is known for",
        "the host key is not known here",
        lambda site: f"Log in once and compare it: ssh {site.host}",
    ),
    _sign(
        "permission_denied",
        r"^[^\n:]*: Permission denied \(|Too many authentication failures|No more authentication methods",
        "it lets nobody in without a key, or without an open master connection",
        lambda site: f"Add a key, or open a master connection (ControlMaster) by logging in once: ssh {site.host}",
    ),
    _sign("unresolved", r"Could not resolve hostname", "its name cannot be resolved", _look),
    _sign(
        "refused",
        r"Connection refused",
        "it refuses the connection",
        lambda site: f"Is its sshd running, on this port? {_look(site)}",
    ),
    _sign("no_route", r"No route to host|Network is unreachable", "there is no way to it", _look),
    _sign(
        "timed_out",
        r"[Tt]imed out|Timeout, server .* not responding",
        "it does not answer",
        lambda site: f"Is it up, is the network? {_look(site)}",
    ),
    _sign(
        "bad_config",
        r"Bad configuration option|terminating, \d+ bad configuration|Bad owner or permissions",
        "OpenSSH does not accept its configuration",
        _look,
    ),
    _sign(
        "no_python",
        r"^overnight: no python",
        "it has no python3 of at least 3.9",
        lambda site: f'Install one there, or name it: python = "/path/of/python3" in [targets.{site.name}]',
    ),
    _sign(
        "no_room",
        r"^overnight: no room|No space left on device|Disk quota exceeded",
        "there is no room for our folder",
        lambda site: f'Make room there, or name another folder: folder = "/…" in [targets.{site.name}]',
    ),
    _sign(
        "no_folder",
        r"^overnight: no folder",
        "our folder there cannot be made or written",
        lambda site: f'Name another one: folder = "/…" in [targets.{site.name}]',
    ),
    _sign("no_runner", r"^overnight: no runner", "the runner there cannot be started", _look),
    _sign(
        "folder_unsafe",
        r"^overnight: unsafe",
        "our folder there is not safe to use",
        lambda site: f"It must be ours alone (mode 0700, no link): {_look(site)}",
    ),
)
"""In the order of their weight: a host key that changed is also one whose verification failed."""


def unreached(site: Site, said: str, *, otherwise: str, code: str = "ended") -> Why:
    """Why, from the words of OpenSSH and of the host's start; `otherwise` where none of them is known."""
    for sign in _SIGNS:
        if sign.words.search(said):
            return Why(sign.code, _sentence(site, sign.sentence, _telling(sign.words, said)), sign.step(site))
    return Why(code, _sentence(site, otherwise, last_words(said)), _look(site))


def last_words(said: str) -> str:
    """The last line that says something, fit to be shown."""
    lines = [line for line in said.splitlines() if line.strip()]
    return shown(lines[-1]) if lines else ""


def shown(line: str) -> str:
    """A line of somebody else's, bounded, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "·" for letter in line.strip())[:LONGEST]


def _telling(words: re.Pattern[str], said: str) -> str:
    return next((shown(line) for line in said.splitlines() if words.search(line)), "")


def _sentence(site: Site, what: str, words: str) -> str:
    return f"{site.name} is not reached: {what}" + (f" ({words.strip(' @')})" if words else "")
