"""Looking at another machine through requests to whoever attends us there. What it answers is hostile data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from overnight.domain.errors import Rejected, Unavailable
from overnight.targets import remote_answers as answers
from overnight.targets.base import Artifact, Evidence, Offer, Progress, Room
from overnight.targets.link import RunnerRefused

SECONDS = 20.0
"""Longest wait for one answer."""
EVIDENCE_SECONDS = 60.0
"""The same where a whole log is read: about 1 s per 50 MB."""
CODE_SECONDS = 300.0
"""The same where all files of a frozen copy are read or copied there."""
PIECE = 512 * 1024
"""Bytes of a file that one answer brings at most."""
SHORT_PIECES = 8
"""Answers with less than a piece that may be among those of one request: at the end of a log, around a gap in it."""
MOST_WAITS = 24
"""Answers in a row, some 5 s apart, that an inventory may take without getting further: others are made before it."""
MOST_ROWS = 100_000
"""Files of one attempt that are believed."""

Fields = Mapping[str, Any]
T = TypeVar("T")
Ask = Callable[[str, float, Fields], Fields]
"""`ask(operation, seconds, fields)`: the reply. Raises Unavailable when the host is not reached, in a bounded time."""


class RemoteFiles:
    """`Files` of another machine, and what else can be asked of it. Safe to share between threads.

    Everything raises Unavailable when the machine is not reached, answers late, refuses, or answers nonsense, and
    Rejected where it says that it never will.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def evidence(self, folder: str, workdir: str, outputs: Sequence[str], record: Mapping[str, Any]) -> Evidence:
        """See `Files.evidence`."""
        fields = {"folder": folder, "workdir": workdir, "outputs": list(outputs), "record": dict(record)}
        return self._told("host.evidence", fields, lambda it: answers.evidence(it["evidence"]), EVIDENCE_SECONDS)

    def missing(self, workdir: str, paths: Sequence[str]) -> list[str]:
        """See `Files.missing`; names only what was asked for."""
        told = self._told(
            "host.missing", {"workdir": workdir, "paths": list(paths)}, lambda it: answers.texts(it["missing"])
        )
        return [path for path in paths if path in told]

    def done(self, workdir: str, outputs: Sequence[str]) -> bool:
        """See `Files.done`."""
        fields = {"workdir": workdir, "outputs": list(outputs)}
        return self._told("host.done", fields, lambda it: answers.truth(it["done"]))

    def room(self, path: str) -> Room:
        """See `Files.room`."""
        return self._told("host.room", {"path": path}, lambda it: answers.room(it["room"]))

    def progress(self, folder: str, workdir: str, outputs: Sequence[str]) -> Progress:
        """See `Files.progress`."""
        fields = {"folder": folder, "workdir": workdir, "outputs": list(outputs)}
        return self._told("host.progress", fields, lambda it: answers.progress(it["progress"]))

    def log(self, folder: str, offset: int, limit: int) -> tuple[bytes, int]:
        """See `Files.log`."""
        return self._pieces("host.log", {"folder": folder}, offset, limit)

    def part(self, folder: str, name: str, offset: int, limit: int) -> tuple[bytes, int]:
        """See `Files.part`."""
        return self._pieces("host.part", {"folder": folder, "name": name}, offset, limit)

    def left(self, folder: str, workdir: str, outputs: Sequence[str], during: tuple[float, float]) -> list[Artifact]:
        """See `Files.left`."""
        fields = {"folder": folder, "workdir": workdir, "outputs": list(outputs), "during": list(during)}
        return self._told("host.left", fields, lambda it: [answers.artifact(each) for each in it["left"]])

    def put(self, folder: str, name: str, text: str) -> None:
        """See `Files.put`."""
        self._told("host.put", {"folder": folder, "name": name, "text": text}, lambda _: None)

    def offers(self, target: str, slots: int, threshold_mib: int) -> list[Offer]:
        """Its GPUs and `slots` CPU slots, as devices of the target."""
        fields = {"target": target, "slots": slots, "threshold_mib": threshold_mib}
        return self._told("host.offers", fields, lambda it: answers.offers(it["offers"], target))

    def doing(self, pid: int) -> str:
        """What a process there and those below it do, see `targets.doing`."""
        return self._told("host.doing", {"pid": pid}, lambda it: answers.text(it["doing"])[:1024])

    def facts(self, paths: Sequence[str] = (), check: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Facts for whoever wonders about it, see `docs/notes/host.md`; each may be None, or nonsense.

        `check`: `argv` and `timeout` (seconds) of a command to run there.
        """
        seconds = SECONDS + (float(check["timeout"]) if check else 0.0)
        fields = {"paths": list(paths), "check": None if check is None else dict(check)}
        return self._told("host.facts", fields, lambda it: dict(it["facts"]), seconds)

    def inventory(self, folder: str, workdir: str, outputs: Sequence[str]) -> list[dict[str, Any]]:
        """What an attempt left: `root` (`run`, `work`, or `out`: anywhere else), `path` below it, `bytes`, `mode`,
        `mtime`, and `sha256`, or `problem`: why it cannot be read.

        Paths are as the host says: check them. Waits as long as the host goes on hashing.
        """
        fields = {"folder": folder, "workdir": workdir, "outputs": list(outputs)}
        rows: list[dict[str, Any]] = []
        first: int | None = 0
        while first is not None:
            page = self._page({**fields, "first": first})
            rows += page.files
            if len(rows) > MOST_ROWS or (page.next is not None and page.next != len(rows)):
                raise Unavailable("the host's list of files makes no sense")
            first = page.next
        return rows

    def _page(self, fields: Fields) -> answers.Page:
        """A page of the list, once there is one. Raises Unavailable when it gets no further for long."""
        hashed, waits = -1, 0
        while waits < MOST_WAITS:
            page = self._told("host.inventory", fields, answers.page)
            if page.working is None:
                return page
            waits = waits + 1 if page.working <= hashed else 0
            hashed = page.working
        raise Unavailable("the host gets no further with reading what an attempt left")

    def read(
        self, root: str, folder: str, workdir: str, path: str, offset: int, limit: int = PIECE
    ) -> tuple[bytes, int, int]:
        """Bytes of a file of the inventory, where the next read continues, and how long the file is now.

        No bytes and a later place to continue: a hole; what lies between is zeros. Neither: its end.
        """
        fields = {"root": root, "folder": folder, "workdir": workdir, "path": path, "offset": offset}
        return self._told(
            "host.read",
            {**fields, "limit": limit},
            lambda it: (*answers.piece(it, offset, limit), answers.count(it["bytes"])),
        )

    def code_have(self, identity: str) -> bool:
        """Whether a frozen copy is there, whole."""
        return self._told("host.code_have", {"identity": identity}, lambda it: answers.truth(it["have"]))

    def code_begin(self, identity: str, files: Sequence[Sequence[Any]], first: int, more: bool) -> answers.Begun | None:
        """Tell the part of a copy's list that begins at `first`; after the last one hear what is missing there."""
        fields = {"identity": identity, "files": files, "first": first, "more": more}
        return self._told("host.code_begin", fields, lambda it: None if more else answers.begun(it), CODE_SECONDS)

    def code_commit(self, identity: str) -> tuple[int, ...]:
        """Make a copy final; positions of files that are missing still, or not as listed: then it was not made."""
        return self._told(
            "host.code_commit", {"identity": identity}, lambda it: answers.counts(it["missing"]), CODE_SECONDS
        )

    def _pieces(self, operation: str, fields: Fields, offset: int, limit: int) -> tuple[bytes, int]:
        """At most `limit` bytes by as many requests as that takes; fewer where the host tells them in crumbs."""
        parts: list[bytes] = []
        for _ in range(2 * (limit // PIECE) + SHORT_PIECES):
            data, offset = self._one_piece(operation, fields, offset, min(PIECE, limit))
            parts.append(data)
            limit -= len(data)
            if not data or limit <= 0:
                break
        return b"".join(parts), offset

    def _one_piece(self, operation: str, fields: Fields, offset: int, limit: int) -> tuple[bytes, int]:
        asked = {**fields, "offset": offset, "limit": limit}
        return self._told(operation, asked, lambda it: answers.piece(it, offset, limit))

    def _told(self, operation: str, fields: Fields, read: Callable[[Fields], T], seconds: float = SECONDS) -> T:
        try:
            reply = self._ask(operation, seconds, fields)
        except RunnerRefused as refusal:
            if refusal.refusal == "rejected":
                raise Rejected(str(refusal)) from refusal
            raise
        try:
            return read(reply)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Unavailable(f"the host's answer to {operation} makes no sense: {error!r}") from error
