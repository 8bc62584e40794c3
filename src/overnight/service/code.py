"""The identity of the code that runs will execute: git commit and difference, or a hash of the folder's content."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GIT_SECONDS = 10.0
"""Longest wait for one git command."""
DIFF_BYTES = 256 * 1024
"""Bytes of the difference that are kept as text; its hash covers all of it."""
HASHED_FILES, HASHED_BYTES = 2_000, 64 * 1024 * 1024
"""A folder without git is hashed up to this many files and bytes; beyond that only names, sizes and times are."""


def identify(folder: str, untouchable: Sequence[Path] = ()) -> dict[str, Any]:
    """What code lies in `folder`, as far as that can be told within seconds; never raises for an odd folder.

    An `untouchable` folder or database (with the files that stand beside it) is no code and is not opened.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is not None:
        return _of_repository(folder, commit.decode().strip())
    return _of_content(Path(folder), tuple(os.path.realpath(path) for path in untouchable))


def _of_repository(folder: str, commit: str) -> dict[str, Any]:
    difference = _git(folder, "diff", "--no-color", "--no-ext-diff", "HEAD", "--", ".") or b""
    untracked = _git(folder, "ls-files", "--others", "--exclude-standard", "--", ".") or b""
    return {
        "kind": "git",
        "commit": commit,
        "dirty": bool(difference),
        "diff_sha256": hashlib.sha256(difference).hexdigest() if difference else None,
        "diff": difference[:DIFF_BYTES].decode("utf-8", errors="replace"),
        "untracked_files": len(untracked.splitlines()),
    }


HEAD_SECONDS = 2.0
"""The same where a person waits for the answer."""
FRESH_SECONDS = 5.0
"""How long a commit is believed without a new look."""
MOST_KNOWN = 1_000
"""Folders whose commits are remembered."""


@dataclass(frozen=True, slots=True)
class Head:
    """The commit that a folder stands at, and whether its files differ from it; None = unknown."""

    sha: str | None = None
    dirty: bool | None = None


class Heads:
    """At which commits folders stand: looked at anew after some seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Head]] = {}

    def of(self, folder: str, now: float) -> Head:
        """`now` is the clock's `boot`. Never raises for an odd folder."""
        known = self._known.get(folder)
        if known and now - known[0] < FRESH_SECONDS:
            return known[1]
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        head = _head(folder)
        self._known[folder] = (now, head)
        return head


def _head(folder: str) -> Head:
    asked = ("status", "--porcelain=v2", "--branch", "--untracked-files=no", "--ignore-submodules=all", "--", ".")
    lines = (_git(folder, *asked, seconds=HEAD_SECONDS) or b"").decode(errors="replace").splitlines()
    sha = next((line.split()[2] for line in lines if line.startswith("# branch.oid ")), None)
    if sha is None or not sha.isalnum():
        return Head()
    return Head(sha, any(not line.startswith("#") for line in lines))


def _git(folder: str, *arguments: str, seconds: float = GIT_SECONDS) -> bytes | None:
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-C", folder, *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, env=environment)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _of_content(folder: Path, untouchable: tuple[str, ...]) -> dict[str, Any]:
    digest, files, size, whole = hashlib.sha256(), 0, 0, True
    for path in _walk(folder, untouchable):
        try:
            found = path.stat()
            files, size = files + 1, size + found.st_size
            whole = files <= HASHED_FILES and size <= HASHED_BYTES
            # What has no length is not read: files of /proc have none, and some of them never end.
            data = path.read_bytes() if whole and found.st_size else b""
            content = hashlib.sha256(data).hexdigest() if whole else f"{found.st_size} {found.st_mtime_ns}"
        except OSError as error:
            content = type(error).__name__
        digest.update(f"{path.relative_to(folder)}\0{content}\n".encode(errors="surrogateescape"))
        if files > 10 * HASHED_FILES:
            break
    return {"kind": "content", "sha256": digest.hexdigest(), "files": files, "whole": whole}


def _walk(folder: Path, untouchable: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        if _belongs(root, untouchable):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        paths = [Path(root, name) for name in sorted(names)]
        found += [it for it in paths if os.path.isfile(it) and not _belongs(it, untouchable)]
        if len(found) > 10 * HASHED_FILES:
            break
    return found


def _belongs(path: str | Path, untouchable: tuple[str, ...]) -> bool:
    """Whether it is one of these, in one of these folders, or a file that SQLite keeps beside one (`-wal`, `-shm`)."""
    real = os.path.realpath(path)
    return any(real == it or real.startswith((f"{it}{os.sep}", f"{it}-")) for it in untouchable)
