"""What is executed on a host: `attend ROOT HOME NONCE`, `runner STATE_DIR …`, `unpack COPIES IDENTITY`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Carry out one of the three; returns the exit code. Each imports what it needs and no more."""
    word, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    if word == "attend" and len(rest) == 3:
        from overnight.host.attend import attend

        return attend(*rest)
    if word == "runner":
        from overnight.runner.__main__ import main as run

        return run(rest)
    if word == "unpack":
        from overnight.host.code import main as unpack

        return unpack(rest)
    print("overnight: attend ROOT HOME NONCE | runner STATE_DIR [OPTIONS] | unpack COPIES IDENTITY", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
