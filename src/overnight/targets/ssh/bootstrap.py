"""How our program starts on a host: one constant line for whatever login shell is there, and a loader that proves what
it executes.

The line finds a Python and hands the loader over as one word of base64, so that it holds no sign that sh, bash, zsh,
fish or csh would change. The loader reads one JSON line from its stdin, says whether our program is there, takes it in
where it is not, and becomes it. Its answers begin with a nonce, since start files may print anything before.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from pathlib import Path

from overnight.domain.remote import PYTHON
from overnight.targets.ssh.shipment import Shipment

LEAST = (3, 9)
"""The oldest Python that our program runs on."""
NEWEST = 14
"""Minor version of the newest Python whose name is tried where `python3` is missing or too old."""
NO_PYTHON = 97
"""Exit code when there is no Python that is new enough."""
LOADER = Path(__file__).with_name("loader.py")
"""What is handed over; it imports nothing of ours."""

_CHECK = f"import sys;sys.exit(sys.version_info<{LEAST})"
_BECOME = "import base64,sys;exec(base64.b64decode(sys.argv[1]))"
_SCRIPT = (
    "for name in {names}; do"
    ' python=$(command -v "$name") || continue;'
    ' "$python" -I -S -c "{check}" </dev/null >/dev/null 2>/dev/null || continue;'
    ' exec "$python" -I -S -X utf8 -c "{become}" {loader};'
    ' done; echo "overnight: no python3 of at least 3.9 among: {names}" >&2; exit {code}'
)


@cache
def command(python: str | None = None) -> str:
    """The command for the host, the same for every home and every version of the archive.

    `python`: name or path of the only interpreter that may be used. Raises ValueError for one that a shell could read
    as something else.
    """
    if python is not None and not PYTHON.fullmatch(python):
        raise ValueError(f"{python!r} is no name or path of an interpreter in plain letters")
    names = python or " ".join(["python3", *(f"python3.{minor}" for minor in range(NEWEST, LEAST[1] - 1, -1))])
    loader = base64.b64encode(LOADER.read_bytes()).decode("ascii")
    script = _SCRIPT.format(names=names, check=_CHECK, become=_BECOME, loader=loader, code=NO_PYTHON)
    return f"exec /bin/sh -c '{script}'"


def header(*, nonce: str, shipment: Shipment, root: str, home: str) -> bytes:
    """The line that the loader reads. `root`: folder there, absolute or below `~/`; `home`: id of our home."""
    words = {"nonce": nonce, "hash": shipment.hash, "size": shipment.size, "root": root, "home": home}
    return json.dumps(words).encode("ascii") + b"\n"
