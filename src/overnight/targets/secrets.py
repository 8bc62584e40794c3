"""Reading secrets that runs name by reference: `env:NAME` is a variable of the server, `file:PATH` a file beside it.

A value is read for one launch and handed to its runner; it is never stored, logged or put into an argument, and no
error says it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping

from overnight.domain.errors import Refused

NEVER = frozenset({"OVERNIGHT_TOKEN", "OVERNIGHT_DATABASE_URL"})
"""The server's own: no job gets them, whoever asks."""
LARGEST_SECRET = 64 * 1024
"""Bytes of a secret: keys and tokens are short, and the kernel bounds a variable at 128 KiB."""


def read_secrets(references: Iterable[tuple[str, str]], workdir: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Variable -> value of each (variable, reference). Raises Refused, naming the first that cannot be read."""
    return {name: read_secret(name, reference, workdir, environment) for name, reference in references}


def read_secret(name: str, reference: str, workdir: str, environment: Mapping[str, str]) -> str:
    """The value of one secret, without the newline that ends a file. Raises Refused naming variable and reference.

    A relative path starts at `workdir`; `~` is the server's home folder.
    """
    kind, _, where = reference.partition(":")
    if kind == "env" and where in NEVER:
        raise _refused(name, reference, "is the server's own")
    if kind == "env":
        value = environment.get(where)
    elif kind == "file":
        value = _content(name, reference, os.path.join(workdir, os.path.expanduser(where)))
    else:
        raise _refused(name, reference.partition(":")[0] + ":…", "is neither env:NAME nor file:PATH")
    if not value:
        raise _refused(name, reference, "is not set, or empty, where the server runs")
    if "\0" in value:
        raise _refused(name, reference, "holds a NUL, which no variable can")
    return value


def _content(name: str, reference: str, path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise _refused(name, reference, "is no regular file")
            data = file.read(LARGEST_SECRET + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no usable path"
        raise _refused(name, reference, f"cannot be read: {why.lower()}") from None
    if len(data) > LARGEST_SECRET:
        raise _refused(name, reference, f"is larger than {LARGEST_SECRET} bytes")
    return os.fsdecode(data).removesuffix("\n").removesuffix("\r")


def _refused(name: str, reference: str, what: str) -> Refused:
    return Refused(
        f"the secret {name} ({reference}) {what}", next_step="Provide it where the server runs, then: overnight retry"
    )
