"""The files that stand for the devices of a host, in a folder that all its users may write to.

Nothing in it is trusted: another user may have made whatever lies there.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat

NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
"""What a device may be called here: a UUID as drivers write it."""
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def open_file(folder: str, device: str) -> int:
    """Return a descriptor of the device's file, which is made if there is none. Raises OSError."""
    if not NAME.fullmatch(device):
        raise OSError(errno.EINVAL, "that is no name of a device")
    inside = _open_folder(folder)
    try:
        descriptor = _open_file(inside, device)
    finally:
        os.close(inside)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def is_in_place(descriptor: int, folder: str, device: str) -> bool:
    """Tell whether the file is still that of the device: one that was removed meanwhile keeps nobody away."""
    try:
        there = os.stat(f"{folder}/{device}", follow_symlinks=False)
    except OSError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def lock(descriptor: int, kind: int) -> bool:
    """Lock a file (LOCK_EX or LOCK_SH) without waiting; False when somebody has it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open_folder(folder: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o1777)
    descriptor = os.open(folder, flags)
    there = os.fstat(descriptor)
    if there.st_uid == os.getuid() and stat.S_IMODE(there.st_mode) != 0o1777:
        os.fchmod(descriptor, 0o1777)  # whatever the umask said, and whoever of us died before this line
    return descriptor


def _open_file(inside: int, name: str) -> int:
    """Never O_CREAT on a file that is there: kernels refuse that for the files of others in such a folder."""
    try:
        return os.open(name, _FLAGS, dir_fd=inside)
    except FileNotFoundError:
        try:
            descriptor = os.open(name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=inside)
        except FileExistsError:
            return os.open(name, _FLAGS, dir_fd=inside)
    os.fchmod(descriptor, 0o666)
    return descriptor
