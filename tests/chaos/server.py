"""A server process without a port, for tests that kill it: operations come in on stdin, answers go out on stdout.

`python -m tests.chaos.server HOME`. Each line in is `{"name", "fields", "key"}`; each line out is `{"answer"}`, or
`{"error": {"code", "message"}}`. The first line out is `{"ready": PID}`. Ends at the end of stdin with 0, and with
STOPPED as soon as the loop cannot go on.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from overnight import app
from overnight.config import load
from overnight.domain.errors import OvernightError
from overnight.service.context import Context
from overnight.service.dispatch import perform

STOPPED = 70
"""Exit code after the record could not be kept any more (R17)."""
REFUSED = 2
"""Exit code of a home that cannot be served."""


def _stop(why: str) -> None:
    print(f"server: {why}", file=sys.stderr, flush=True)
    os._exit(STOPPED)


def _tell(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)


def _answer(context: Context, line: str) -> dict[str, Any]:
    asked = json.loads(line)
    try:
        return {"answer": perform(context, asked["name"], asked["fields"], key=asked["key"])}
    except OvernightError as error:
        return {"error": {"code": error.code, "message": error.message}}


def main(home: str) -> int:
    """Serve until stdin ends."""
    try:
        plane = app.start(load({"OVERNIGHT_HOME": home}), broken=_stop)
    except OvernightError as error:
        print(f"server: {error.code}: {error.message}", file=sys.stderr, flush=True)
        return REFUSED
    _tell({"ready": os.getpid()})
    for line in sys.stdin:
        _tell(_answer(plane.context, line))
    plane.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
