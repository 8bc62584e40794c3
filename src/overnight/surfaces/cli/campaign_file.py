"""Reads a campaign file from this machine, as operations take it."""

from __future__ import annotations

import os
from pathlib import Path

from overnight.domain.errors import Refused

LARGEST_BYTES = 4 * 1024 * 1024
"""What operations take at most."""


def read(file: str, chat: str | None = None) -> dict[str, str]:
    """The fields `file`, `path`, `directory` of a request, and `chat_session_id` where there is a conversation; Refused
    when the file cannot be read."""
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(LARGEST_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise Refused(f"{file} cannot be read: {reason}", place=file, next_step="Check the path.") from error
    if len(data) > LARGEST_BYTES:
        raise Refused(f"{file} is larger than {LARGEST_BYTES // 1024**2} MiB", place=file, next_step="Split it.")
    said = {"chat_session_id": chat} if chat else {}
    return {"file": text, "path": file, "directory": os.path.dirname(os.path.abspath(file)), **said}
