"""Where a simulated server keeps copies of what attempts left on other machines. It outlives the server.

Only the copying itself is pretended (`daemon.copying` has threads and a disk); what a host lists is read by the rules
of `domain.fetch`, and every byte comes through a connection that lies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overnight.daemon.copying import TRIES, Box
from overnight.domain.errors import Unavailable
from overnight.domain.fetch import Fetched, Job, LeftFile, SyncFailed, listed, summary_of
from overnight.testing.chance import Chance

PIECE = 16
"""Bytes that are asked for at once."""


class _Changed(Exception):
    """A file is not what its host listed."""


@dataclass(slots=True)
class FakeCopies:
    """As `daemon.copying.fetch`, in memory."""

    chance: Chance
    whole: dict[str, tuple[Job, Fetched, dict[str, bytes]]] = field(default_factory=dict)
    """Folder here -> whose copy it is, what it holds by its manifest, and the bytes."""
    given_up: set[str] = field(default_factory=set)
    """Attempts whose hosts lied to the last, or cannot read what they have."""
    _partial: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def fetch(self, box: Box, job: Job, home: Path, reserve: int) -> Fetched:  # noqa: ARG002
        """See `daemon.copying.fetch`."""
        if str(home) in self.whole:
            return self.whole[str(home)][1]
        if self.chance.hits("copy_no_room"):
            raise Unavailable("no room here")
        for _ in range(TRIES):
            try:
                return self._made(box, job, str(home))
            except _Changed:
                continue
            except SyncFailed:
                self.given_up.add(job.attempt)
                raise
        self.given_up.add(job.attempt)
        raise SyncFailed(f"it was another one each of {TRIES} times")

    def _made(self, box: Box, job: Job, home: str) -> Fetched:
        files = listed(box.inventory(job.folder, job.workdir, job.outputs))
        there = self._partial.setdefault(home, {})
        for file in files:
            self._bring(box, job, file, there)
        del self._partial[home]
        fetched = summary_of(files)
        self.whole[home] = (job, fetched, {file.place: there[file.place] for file in files})
        return fetched

    def _bring(self, box: Box, job: Job, file: LeftFile, there: dict[str, bytes]) -> None:
        if 0 < len(there.get(file.place, b"")) < file.bytes:
            self.chance.meet("copy_went_on")
        while len(there.setdefault(file.place, b"")) < file.bytes:
            at = len(there[file.place])
            data, _, _ = box.read(file.root, job.folder, job.workdir, file.path, at, min(PIECE, file.bytes - at))
            if not data:
                raise _Changed
            there[file.place] += data
        if hashlib.sha256(there[file.place]).hexdigest() != file.sha256:
            del there[file.place]
            raise _Changed


def entries_of(files: Mapping[str, bytes], *, changed: bool) -> Sequence[Mapping[str, Any]]:
    """Files as a host lists them; `changed`: the last of them was another one a moment before."""
    rows = [
        {
            "root": "run",
            "path": name,
            "bytes": len(data),
            "mode": 0o600,
            "mtime": 0.0,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        for name, data in sorted(files.items())
    ]
    if changed and rows:
        rows[-1]["sha256"] = hashlib.sha256(b"before").hexdigest()
    return rows
