"""JSON lines: how messages are written, split and refused."""

from __future__ import annotations

import json
from typing import Any

Message = dict[str, Any]
"""One decoded line."""

MAX_LINE = 16 * 1024 * 1024
"""Bytes of the longest request; a longer one ends its connection."""

PIECE = 65536
"""Bytes read at once from a socket: below the size from which a buffer costs three system calls of its own."""

_ENCODER = json.JSONEncoder(separators=(",", ":"))


class ProtocolError(Exception):
    """A request that is answered with an error; code is for programs, message is one sentence for people."""

    def __init__(self, code: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = fields

    def wire(self) -> Message:
        """Return the error as it stands in a reply."""
        return {"code": self.code, "message": self.message, **self.fields}


class LineTooLong(Exception):
    """More than MAX_LINE bytes came without a line end."""


def text(value: object) -> str:
    """Return value as compact JSON in ASCII, on one line."""
    return _ENCODER.encode(value)


def line(message: Message) -> bytes:
    """Return one message with its line end."""
    return _ENCODER.encode(message).encode("ascii") + b"\n"


def decode(data: bytes) -> Message:
    """Return the message in one line. Raises ProtocolError when it is no JSON object."""
    try:
        message = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("malformed", f"The line is not JSON: {error}.") from error
    if not isinstance(message, dict):
        raise ProtocolError("malformed", "A request must be a JSON object.")
    return message


class LineBuffer:
    """Collects bytes and hands out whole lines."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that data completes, without line ends. Raises LineTooLong."""
        *lines, rest = data.split(b"\n")
        if lines and self._parts:
            lines[0] = b"".join(self._parts) + lines[0]
        if lines:
            self._parts, self._size = [], 0
        if rest:
            self._parts.append(rest)
            self._size += len(rest)
        if self._size > MAX_LINE or any(len(whole) > MAX_LINE for whole in lines):
            raise LineTooLong
        return lines
