"""A server of one home as a process: `python serve_home.py PORT`. SIGUSR1 makes its store lose trust in the disk,
SIGUSR2 fills its disk, and frees it at the next one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from overnight import app
from overnight.config import load
from overnight.domain.errors import OvernightError
from overnight.surfaces.http.server import serve


def start(broken: Callable[[str], None], url: str) -> app.Plane:
    plane = app.start(load(os.environ), broken=broken, url=url)

    def break_store(*_: object) -> None:
        plane.context.store.broken = "the database could not be synced: test"  # type: ignore[misc]

    def fill_disk(*_: object) -> None:
        """The database may not grow: SQLite says exactly what it says on a full disk."""
        raw = plane.context.store._raw  # type: ignore[attr-defined]
        full = raw.pragma("max_page_count") < 1_000_000
        raw.pragma("max_page_count", 2**30 if full else 1)

    signal.signal(signal.SIGUSR1, break_store)
    signal.signal(signal.SIGUSR2, fill_disk)
    return plane


def main() -> int:
    host, port = sys.argv[1], int(sys.argv[2])
    try:
        return serve(
            start,
            host,
            port,
            insecure_bind="--insecure-bind" in sys.argv,
            trust_loopback="--trust-loopback" in sys.argv,
            say=lambda text: print(text, flush=True),
        )
    except OvernightError as error:
        print(f"error: {error.message}\nnext: {error.next_step}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
