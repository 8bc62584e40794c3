"""Bringing a frozen copy to another machine: only what no older copy there has, each file proven by its hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from overnight.domain.errors import Rejected, Unavailable
from overnight.mirror.transfer import Load, by_rsync, by_stream
from overnight.runner import snapshot
from overnight.runner.snapshot import Listed

ROWS = 2_000
"""Entries of a list that one request carries: some 200 KiB, so that nothing else on the channel waits for long."""
OURS = "OVERNIGHT_"
"""Variables that may hold tokens: OpenSSH might be told to send them along."""
ROUNDS = 3
"""How often what is missing is sent: a file that arrives wrong that often never arrives."""


class Begun(Protocol):
    """What the host lacks, see `remote_answers.Begun`."""

    @property
    def missing(self) -> Sequence[int]:
        """Positions in the list."""

    @property
    def tree(self) -> str | None:
        """Where rsync may put files there."""

    @property
    def unpack(self) -> Sequence[str]:
        """The command there that takes in a stream of them."""


class Host(Protocol):
    """The requests about copies; `RemoteFiles` makes them. All raise Unavailable and Rejected."""

    def code_have(self, identity: str) -> bool:
        """Whether it is there."""

    def code_begin(self, identity: str, files: Sequence[Sequence[Any]], first: int, more: bool) -> Begun | None:
        """Tell a part of the list."""

    def code_commit(self, identity: str) -> Sequence[int]:
        """Make it final, or hear what is missing."""


@dataclass(frozen=True, slots=True)
class Box:
    """A machine that copies are brought to."""

    host: Host
    address: str
    """As OpenSSH is told it."""
    session: Callable[..., Sequence[str]]
    """`session(*words)`: the command for a second session that executes these words there."""
    shell: Callable[[], Sequence[str]]
    """The same without address and words, for rsync."""
    environment: Mapping[str, str]
    """Variables of what is started here."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What had to travel."""

    files: int
    bytes: int


def ship(identity: str, copies: Path, box: Box) -> Shipped:
    """Have the copy on a machine: one request when it is there. What arrived before a cut is not sent again.

    Blocks for as long as the bytes take; a connection that stands still ends it. Raises Unavailable (try again later)
    and Rejected (it never will).
    """
    if box.host.code_have(identity):
        return Shipped(0, 0)
    listed = [it.listed for it in _list(copies, identity)]
    begun = _begin(identity, listed, box.host)
    missing, sent = begun.missing, Shipped(0, 0)
    for number in range(ROUNDS):
        if missing:
            load = Load(copies / identity / snapshot.TREE, _chosen(listed, missing))
            sent = _send(load, begun, box, rsync=number == 0)
        missing = box.host.code_commit(identity)
        if not missing:
            return sent
    raise Unavailable(f"{len(missing)} files of the frozen copy {identity} did not arrive whole")


def _list(copies: Path, identity: str) -> Sequence[snapshot.Recorded]:
    try:
        return snapshot.read(str(copies / identity))
    except snapshot.ListError as error:
        raise Rejected(f"the frozen copy {identity} is not here: {error}") from error


def _begin(identity: str, listed: Sequence[Listed], host: Host) -> Begun:
    begun = None
    for first in range(0, max(len(listed), 1), ROWS):
        rows = [list(it) for it in listed[first : first + ROWS]]
        begun = host.code_begin(identity, rows, first, first + ROWS < len(listed))
    if begun is None:
        raise Unavailable("the host does not say what it lacks")
    return begun


def _chosen(listed: Sequence[Listed], missing: Sequence[int]) -> Sequence[tuple[int, Listed]]:
    try:
        return [(index, listed[index]) for index in missing]
    except IndexError as error:
        raise Unavailable("the host lacks files that it was not told of") from error


def _session(words: Sequence[str], box: Box) -> Sequence[str]:
    try:
        return box.session(*words)
    except ValueError as error:
        raise Rejected(f"nothing can be unpacked there: {error}") from error


def _send(load: Load, begun: Begun, box: Box, *, rsync: bool) -> Shipped:
    """By rsync where both sides have it, else, or when that fails, as a stream."""
    tree = begun.tree if rsync else None
    variables = {name: value for name, value in box.environment.items() if not name.startswith(OURS)}
    if tree is None or not by_rsync(load, box.shell(), f"{box.address}:{tree}", variables):
        by_stream(load, _session(begun.unpack, box), variables)
    return Shipped(len(load.files), sum(it.size for _, it in load.files))
