"""The `overnight` command: gives the commands the parts that only `overnight.app` may put together.

Nothing of it is imported before a command needs it, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from overnight.surfaces.cli.group import run

if TYPE_CHECKING:
    from overnight.app import Plane, Visit
    from overnight.config import Configuration


class App:
    """`surfaces.cli.doors.Doors`, by way of `overnight.app`."""

    def holder(self, configuration: Configuration) -> tuple[int, str] | None:
        """See `Doors.holder`."""
        from overnight.home import holder_of

        return holder_of(configuration)

    def token(self, configuration: Configuration) -> str:
        """See `Doors.token`."""
        from overnight.home import token_of

        return token_of(configuration)

    def start(self, configuration: Configuration, broken: Callable[[str], None], url: str = "") -> Plane:
        """See `Doors.start`."""
        from overnight.app import start

        return start(configuration, broken=broken, url=url)

    def visit(self, configuration: Configuration, *, changes: bool) -> Visit:
        """See `Doors.visit`."""
        from overnight.app import visit

        return visit(configuration, changes=changes)


def main() -> int:
    """Carry out the command line; returns the exit code."""
    return run(sys.argv[1:], App())


if __name__ == "__main__":
    sys.exit(main())
