"""Where the runner says what went wrong when nobody listens."""

from __future__ import annotations

import sys
import traceback


def complain(sentence: str) -> None:
    """Write a sentence to the runner's log; a full disk swallows it, since nothing may fail because of a complaint."""
    try:
        print(sentence, file=sys.stderr, flush=True)
    except OSError:
        return


def complain_of_exception() -> None:
    """Write the exception that is being handled to the runner's log."""
    complain(traceback.format_exc())
