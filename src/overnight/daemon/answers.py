"""Puts answers to questions into the folders of the attempts that asked, where jobs wait for them.

Level-triggered: what was answered and is not marked as delivered is written, however often a crash came in between. A
thread of its own does it, so that a disk that hangs delays no run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from overnight.domain.errors import Rejected, Unavailable
from overnight.domain.questions import ANSWERS_FOLDER
from overnight.store import questions
from overnight.store.base import SYSTEM, Session, Store
from overnight.store.questions import Undelivered
from overnight.targets.base import Files

AGAIN_SECONDS = 5.0
"""How soon what could not be written is tried again."""


@dataclass(slots=True)
class Answers:
    """`turn` delivers what waits."""

    store: Store
    files_of: Callable[[str], Files | None]
    """Those of a target by its name, as it is known now: manifests bring in more while the server runs."""

    def turn(self) -> float | None:
        """Deliver what waits; answers the seconds after which to try the rest again, None when nothing is left."""
        waiting = self.store.read(questions.undelivered)
        done = {it.id: self._put(it) for it in waiting}
        told = [(it, why) for it in waiting if (why := done[it.id]) is not None]
        if told:
            self.store.write(SYSTEM, lambda session: _note(session, told))
        if len(told) < len(waiting):
            return AGAIN_SECONDS
        return 0.0 if len(waiting) >= questions.AT_ONCE else None

    def _put(self, it: Undelivered) -> str | None:
        """ "" when it lies there, the reason when it never will, None when it is to be tried again."""
        if it.folder is None or it.target is None:
            return "no attempt was made by us"
        files = self.files_of(it.target)
        if files is None:
            return f"there is no target {it.target}"
        try:
            files.put(it.folder, f"{ANSWERS_FOLDER}/{it.id}.response", it.response)
        except Rejected as error:
            return str(error)
        except Unavailable:
            return None
        return ""


def _note(session: Session, told: Sequence[tuple[Undelivered, str]]) -> None:
    for it, why_not in told:
        questions.delivered(session, it, why_not or None)
