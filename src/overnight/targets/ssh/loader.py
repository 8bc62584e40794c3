"""Runs on a host before anything of ours is there: takes our program in, proves it, and becomes it.

It is sent as text and imports nothing of ours. One JSON line comes on stdin: nonce, hash, size, root, home. The answer
is `NONCE have` or `NONCE need`; after the latter the program's bytes follow on stdin. What is wrong is said in one line
on stderr that begins with `overnight:`, and ends it with exit code 98.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import sys
from contextlib import suppress
from typing import Any, NoReturn

LONGEST_HEADER = 16 * 1024
"""Bytes of the first line."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a program that is taken in."""
FAILED = 98
"""Exit code."""


def fail(words: str) -> NoReturn:
    """Say why and end."""
    sys.stderr.write(f"overnight: {words}\n")
    sys.exit(FAILED)


def read_header() -> Any:
    """The first line of stdin, byte by byte: what follows it is not ours to read."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece or len(line) > LONGEST_HEADER:
            fail("protocol: no header came")
        line += piece
    return json.loads(line)


def own_folder(path: str) -> None:
    """Make a folder, or see that it is ours alone: whoever could write into it could have us execute anything."""
    with suppress(FileExistsError):
        os.makedirs(path, 0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        fail(f"unsafe: {path} is no folder, or a link: name the folder itself")
    if found.st_uid != os.geteuid():
        fail(f"unsafe: {path} belongs to another user")
    if found.st_mode & 0o077:
        fail(f"unsafe: {path} is open to others; close it with: chmod 700 {path}")


def is_there(path: str, digest: str) -> bool:
    """Whether exactly this program lies there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
        return ours and hashlib.sha256(file.read(LARGEST + 1)).hexdigest() == digest


def receive(size: int) -> bytes:
    """So many bytes of stdin and not one more."""
    pieces = []
    while size:
        piece = os.read(0, min(size, 1 << 20))
        if not piece:
            fail("protocol: the program did not come whole")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def keep(path: str, data: bytes) -> None:
    """Write it whole and durably, beside whoever else does."""
    temporary = f"{path}.{os.getpid()}.new"
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o500), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(folder)
    os.close(folder)


def main() -> None:
    """Take the program in and become it."""
    mask = os.umask(0o077)
    header = read_header()
    nonce, digest, size, home = str(header["nonce"]), str(header["hash"]), int(header["size"]), str(header["home"])
    if not re.fullmatch("[0-9a-f]{64}", digest) or not re.fullmatch("[0-9a-f]{1,64}", home) or size > LARGEST:
        fail("protocol: the header makes no sense")
    root = os.path.abspath(os.path.expanduser(header["root"]))
    path = f"{root}/bin/{digest}.pyz"
    for folder in (root, f"{root}/bin"):
        own_folder(folder)
    there = is_there(path, digest)
    os.write(1, f"{nonce} {'have' if there else 'need'}\n".encode())
    if not there:
        data = receive(size)
        if hashlib.sha256(data).hexdigest() != digest:
            fail("protocol: the program that came is not the one that was announced")
        keep(path, data)
    os.umask(mask)  # jobs have the user's own
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-X", "utf8", path, "attend", root, home, nonce])


def start() -> None:
    """Do it, and tell in words what is in the way."""
    try:
        main()
    except OSError as error:
        what = "no room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "no folder"
        fail(f"{what}: {error.filename or 'writing'}: {error.strerror}")
    except (ValueError, KeyError, TypeError) as error:
        fail(f"protocol: {error!r}")


if __name__ == "__main__":
    start()
