"""Where a database may lie: a write-ahead log needs shared memory and honest locks, which network mounts lack."""

from __future__ import annotations

import os
from pathlib import Path

from overnight.domain.errors import StoreRefused

NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "glusterfs", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs",
})  # fmt: skip
"""File system types, as the kernel names them, on which a write-ahead log is not safe."""


def refuse_unsafe_place(path: str, *, mounts: str = "/proc/self/mountinfo") -> None:
    """Raise StoreRefused when the folder of `path` is missing, not writable or on a network file system.

    `mounts` is the kernel's table of mounts.
    """
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise StoreRefused(f"the folder {folder} does not exist", next_step="Make it, or choose another one.")
    if not os.access(folder, os.W_OK):
        raise StoreRefused(f"the folder {folder} cannot be written", next_step="Check its owner, mode and mount.")
    kind = type_of(str(folder), Path(mounts).read_text(encoding="utf-8", errors="replace"))
    if kind in NETWORK:
        raise StoreRefused(
            f"{folder} is on a network file system ({kind}), where SQLite can lose or corrupt data",
            next_step="Choose an OVERNIGHT_HOME on a local disk, or use PostgreSQL (OVERNIGHT_DATABASE_URL).",
        )


def type_of(folder: str, mountinfo: str) -> str:
    """The file system type below `folder`, read from the text of `/proc/self/mountinfo`; "" when none fits."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split()
        if len(fields) < 5 or not right:
            continue
        mount = fields[4].replace("\\040", " ")
        inside = folder == mount or folder.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, right.split()[0]
    return kind
