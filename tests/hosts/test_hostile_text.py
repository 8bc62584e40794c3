"""Text that wants to be a command, an option or a path stays text on its way over SSH, into a job and back."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plane import Refusal
from tests.hosts.site import Site

pytestmark = pytest.mark.real("hosts", "network", "namespaces", "sshd")
STRINGS = 500
OF_ONE_RUN = 5
CANARY = "/tmp/overnight-canary"
TOUCH = f"touch {CANARY}"
PIECES = (
    f"$({TOUCH})", f"`{TOUCH}`", f"; {TOUCH};", f"' ; {TOUCH} ; '", f'" ; {TOUCH} ; "', f"\n{TOUCH}\n", f"|{TOUCH}",
    f"&& {TOUCH}", f"-oProxyCommand={TOUCH}", "--", "-", "-rf", "'", '"', "\\", "\\\\'", "\n", "\r\n", "\t", " ",
    "*", "?", "[a-z]", "~", "~root", "..", "../../etc", "/etc/passwd", "%h", "%n%%", "$HOME", "${HOME}", "$$", "!!",
    "#", ";", "&", "|", "<", ">", "\x1b]0;owned\x07", "\x7f", "\x01", "é", "日本", "🦉", "\u202e", "\ufeff",
    "EOF\n", "{}", "null", "a=b",
)  # fmt: skip


def strings(rng: random.Random) -> list[str]:
    """Each piece alone, then mixtures of some of them."""
    found = list(dict.fromkeys(PIECES))
    while len(found) < STRINGS:
        mixed = "".join(rng.choices(PIECES, k=rng.randint(2, 6)))
        if mixed not in found:
            found.append(mixed)
    return found


def plan(texts: list[str]) -> dict[str, Any]:
    cells = [
        {"n": first, **{f"p{at}": text for at, text in enumerate(texts[first : first + OF_ONE_RUN])}}
        for first in range(0, len(texts), OF_ONE_RUN)
    ]
    sweep = {
        "cells": cells,
        "name": "h${n}",
        "command": ["python3", "tell.py", *(f"${{p{at}}}" for at in range(OF_ONE_RUN))],
        "outputs": ["${run_dir}/told.json"],
        "breaker": None,
    }
    env = {f"TELL_{at}": text.replace("${", "$ {") for at, text in enumerate(texts)}
    alone = {"command": ["python3", "tell.py"], "env": env, "outputs": ["${run_dir}/told.json"]}
    return {"campaign": "hostile", "targets": ["box1", "box2"], "sweeps": {"arguments": sweep, "variables": alone}}


def told(site: Site, run: str) -> dict[str, Any]:
    shown = site.run(run)
    assert shown["state"] == "succeeded", shown
    text = (site.home / "runs" / run / "1" / "told.json").read_text(encoding="ascii")
    found: dict[str, Any] = json.loads(text)
    return found


def test_hostile_text_arrives_byte_for_byte_and_does_nothing(site: Site) -> None:
    shutil.copy(Path(__file__).with_name("tell.py"), site.code)
    texts = strings(random.Random(1))
    *runs, alone = site.campaign(plan(texts))
    site.settled()
    arrived = [argument for run in runs for argument in told(site, run)["arguments"]]
    assert arrived == [text.encode("utf-8").hex() for text in texts]
    variables = told(site, alone)["variables"]
    assert variables == {f"TELL_{at}": text.replace("${", "$ {").encode().hex() for at, text in enumerate(texts)}
    files = sorted(path.read_bytes() for run in runs for path in (site.home / "runs" / run / "1" / "files").iterdir())
    assert files == sorted(text.encode() for text in texts)
    for folder in (*(host.path("/tmp") for host in site.rack.hosts.values()), Path("/tmp")):
        assert not (folder / Path(CANARY).name).exists(), "text became a command"
    site.assert_verified()


def test_targets_that_could_be_options_or_commands_are_refused(site: Site) -> None:
    for name in ("-oProxyCommand=true", "a b", "box1;true", "../box1", "box1\n", "$(true)", "%h"):
        with pytest.raises(Refusal):
            site.campaign(site.work([(1, 0.0, "exit 0")], name))
