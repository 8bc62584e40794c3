"""A target in front of a fake host that lies as a network does, within what `targets.base` promises.

It loses requests and answers, tells late, twice, in another order or never, and does not know. What it never does is to
call an attempt absent whose start is still under way: orders of an earlier connection are read or gone before the next
one gets its first answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overnight.domain.errors import Unavailable
from overnight.targets.base import (
    Absent,
    Alive,
    Artifact,
    Dead,
    Ended,
    Evidence,
    Handle,
    Launch,
    News,
    Offer,
    Progress,
    Room,
    Seen,
    Unknown,
)
from overnight.testing.chance import Chance
from overnight.testing.copies import entries_of
from overnight.testing.host import FakeHost, Wire
from overnight.testing.leases import EVERY
from overnight.testing.waits import is_there

NEWS_LOSS_HEALS = 3600.0
"""Seconds by which the latest news are late."""


@dataclass(slots=True, eq=False)
class FakeTarget:
    """The server's end of the connection. It dies with the server; the host stays."""

    host: FakeHost
    chance: Chance
    session: Callable[[int], int]
    """As `RunnerTarget`'s: a number above all given before and above the argument."""
    point: Callable[[str], None]
    """Called before and after each effect: the server may die there, and others may act."""
    heard: Callable[[News], None] = lambda _: None
    """Told of the news that the server gets."""
    generation: int = 0
    woken: bool = False
    found_out: float | None = None
    """When an open connection by which nothing comes and goes any more will be found out; None = it is none."""
    _inbox: list[tuple[float, News]] = field(default_factory=list)
    _open: bool = False
    beat_at: float | None = None
    """When the newest beat came that was answered, in true seconds."""

    @property
    def name(self) -> str:
        """See `Target.name`."""
        return self.host.machine.name

    @property
    def _now(self) -> float:
        return self.host.machine.clock.true

    @property
    def near(self) -> bool:
        """Whether it is the server's own machine: its files and cards are looked at without any connection."""
        return self.name == "here"

    @property
    def renewed(self) -> float | None:
        """See `Target.renewed`."""
        self._beat()
        clock = self.host.machine.clock
        return None if self.beat_at is None else clock.boot() - (clock.true - self.beat_at)

    def _beat(self) -> None:
        """Answer the beats that came by now."""
        sent = self.host.tenancies.beat(self._now)
        if sent is not None and self._open:
            self._note_beat(sent)

    def _note_beat(self, sent: float) -> None:
        """A beat came at the moment at which it was sent, which is the worst that can be: the host counts from then."""
        self.beat_at = sent if self.beat_at is None else max(self.beat_at, sent)

    def offers(self) -> list[Offer]:
        """See `Target.offers`."""
        self.point("offers")
        self._looked()
        if self.chance.hits("offers_unavailable"):
            raise Unavailable("the driver does not answer")
        return self.host.offers()

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Target.start`."""
        self.point("start")
        self._connected()
        if self.chance.hits("start_not_sent"):
            raise Unavailable("nothing was sent")
        if self.found_out is not None:
            self.chance.meet("order_swallowed")
            return
        late = self.chance.hits("start_late")
        delay = self.chance.rng.choice((0.05, 1.0, 25.0) if self.near else (0.05, 25.0, 600.0)) if late else 0.0
        fences = {launch.attempt: launch.fence for launch in launches}
        beat = self._now if any(launch.lease is not None for launch in launches) else None
        if beat is not None:
            self._note_beat(beat)
        wire = Wire(self._now + delay, tuple(launches), lambda refused: self._answered(fences, refused), beat)
        self.host.wires.append(wire)
        if self.chance.hits("start_twice"):
            self.host.wires.append(Wire(wire.due, wire.launches, wire.answered, beat))
        if self.chance.hits("start_cut_off"):
            self.lose()
        elif not delay:
            self.host.read_all()
        self.point("started")

    def _answered(self, fences: Mapping[str, int], refused: Mapping[str, str]) -> None:
        for attempt, why in refused.items():
            seen = Dead(why) if why == "stale_fence" else Unknown(why)
            self._inbox.append((self._now, News(attempt, fences[attempt], seen)))
            self.woken = True

    def observe(self, handles: Sequence[Handle]) -> dict[str, Seen]:
        """See `Target.observe`."""
        if not handles:
            return {}
        self.point("observe")
        try:
            self._ask()
        except Unavailable as error:
            return {handle.attempt: Unknown(str(error)) for handle in handles}
        if self.chance.hits("observe_unknown"):
            if self.chance.rng.random() < 0.5:
                self.lose()
            return {handle.attempt: Unknown("no answer came") for handle in handles}
        self.host.read_all()
        seen = {handle.attempt: self.host.observe(handle) for handle in handles}
        for attempt in list(seen):
            if self.chance.hits("observe_silent"):
                seen[attempt] = Unknown("the folder cannot be read")
        self._note(handles, seen)
        self.point("observed")
        return seen

    def _note(self, handles: Sequence[Handle], seen: Mapping[str, Seen]) -> None:
        for handle in handles:
            what = seen[handle.attempt]
            if handle.boot_id is None and isinstance(what, Alive | Ended):
                self.chance.meet("late_start_adopted")
            elif isinstance(what, Absent):
                self.chance.meet("uncertain_start_sent_again")

    def stop(self, handle: Handle, grace: float, reason: str) -> None:
        """See `Target.stop`."""
        self.point("stop")
        self._ask()
        if self.chance.hits("stop_not_sent"):
            raise Unavailable("nothing was sent")
        self.host.read_all()
        entry = self.host.entries.get(handle.attempt)
        if entry is not None and not entry.final and reason == "not on record":
            self.chance.meet("stranger_stopped")
        self.host.stop(handle.attempt, grace, reason)
        if self.chance.hits("stop_reply_lost"):
            raise Unavailable("no answer came")
        self.point("stopped")

    def owned(self) -> list[Handle]:
        """See `Target.owned`."""
        self.point("owned")
        self._ask()
        if self.chance.hits("owned_unavailable"):
            raise Unavailable("no answer came")
        self.host.read_all()
        return self.host.owned()

    def forget(self, attempts: Sequence[str]) -> None:
        """See `Target.forget`."""
        self.point("forget")
        if self._open and self.found_out is None and not self.chance.hits("forget_lost"):
            self.host.read_all()
            self.host.forget(attempts)

    def news(self) -> list[News]:
        """See `Target.news`."""
        if self.found_out is not None and self.found_out <= self._now:
            self.lose()
        self.woken = False
        due = [item for item in self._inbox if item[0] <= self._now]
        self._inbox = [item for item in self._inbox if item[0] > self._now]
        told = [news for _, news in due]
        if len(told) > 1 and self.chance.hits("news_shuffled"):
            self.chance.rng.shuffle(told)
        for news in told:
            self.heard(news)
        return told

    def evidence(self, folder: str, workdir: str, outputs: Sequence[str], record: Mapping[str, Any]) -> Evidence:  # noqa: ARG002
        """See `Files.evidence`: the outputs are there or not, and the log says what it says, as the process left it."""
        self._looked()
        wanted = (record.get("attempt"), record.get("fence"))
        found = [it for it in self.host.machine.history if (it.attempt, it.fence) == wanted]
        there = bool(found) and found[-1].behaviour.output
        says = found[-1].behaviour.says if found and record["code"] else None
        clues = {str(says): f"the line of {says}"} if says else {}
        loss = {"loss": float(len(found))} if found else {}
        return Evidence(loss, () if there else tuple(outputs), clues, says and f"signature of {says}")

    def missing(self, workdir: str, paths: Sequence[str]) -> list[str]:  # noqa: ARG002
        """See `Files.missing`: what lies there is told by the paths themselves."""
        self._looked()
        if self.chance.hits("files_unavailable"):
            raise Unavailable("the folder cannot be read")
        return [path for path in paths if not is_there(path, self._now)]

    def done(self, workdir: str, outputs: Sequence[str]) -> bool:  # noqa: ARG002
        """See `Files.done`."""
        self._looked()
        return bool(outputs) and all(is_there(path, self._now) for path in outputs)

    def room(self, path: str) -> Room:
        """See `Files.room`."""
        self._looked()
        low = self.chance.hits("room_low")
        return Room(path, 0 if low else 2**40, 2**30)

    def progress(self, folder: str, workdir: str, outputs: Sequence[str]) -> Progress:  # noqa: ARG002
        """See `Files.progress`: everything moves, but for what hangs; sometimes not all can be seen."""
        self._looked()
        whole = not self.chance.hits("observe_silent")
        still = any(it.behaviour.hangs and it.folder == folder for it in self.host.machine.live)
        return Progress(0, None, None, whole) if still else Progress(0, self._now, self._now, whole)

    def log(self, folder: str, offset: int, limit: int) -> tuple[bytes, int]:  # noqa: ARG002
        """See `Files.log`: nothing was ever written."""
        return b"", 0

    def part(self, folder: str, name: str, offset: int, limit: int) -> tuple[bytes, int]:  # noqa: ARG002
        """See `Files.part`: nothing was ever written."""
        return b"", 0

    def left(self, folder: str, workdir: str, outputs: Sequence[str], during: tuple[float, float]) -> list[Artifact]:  # noqa: ARG002
        """See `Files.left`: nothing was ever written."""
        return []

    def put(self, folder: str, name: str, text: str) -> None:
        """See `Files.put`: nobody reads it."""

    def inventory(self, folder: str, workdir: str, outputs: Sequence[str]) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002
        """See `daemon.copying.Box`."""
        self._copying()
        if self.chance.hits("copy_unreadable"):
            return [{"root": "run", "path": "model", "problem": "permission denied"}]
        return entries_of(self.host.left.get(folder, {}), changed=self.chance.hits("copy_changed"))

    def read(self, root: str, folder: str, workdir: str, path: str, offset: int, limit: int) -> tuple[bytes, int, int]:  # noqa: ARG002
        """See `daemon.copying.Box`."""
        self._copying()
        whole = self.host.left[folder][path]
        data = whole[offset : offset + limit]
        if self.chance.hits("copy_wrong_bytes"):
            data = bytes(byte ^ 1 for byte in data)
        return data, offset + len(data), len(whole)

    def _copying(self) -> None:
        self.point("copy")
        self._ask()
        if self.chance.hits("copy_cut"):
            self.lose()
            raise Unavailable("the connection ended")

    def next_due(self) -> float:
        """When late news arrive, or a silent connection is found out."""
        found_out = float("inf") if self.found_out is None else self.found_out
        return min((due for due, _ in self._inbox), default=found_out)

    def lose(self) -> None:
        """The connection breaks. Orders under way are read some time, or never."""
        if self._open:
            if self.found_out is None:
                self._cut()
            self._open, self.found_out = False, None
            self.generation += 1
            self.woken = True

    def fall_silent(self) -> None:
        """Nothing comes and goes by the connection any more, and nobody has noticed yet."""
        if self._open and self.found_out is None:
            self._cut()
            self.found_out = self._now + self.chance.rng.choice((1.0, 12.0, 20.0))

    def _cut(self) -> None:
        """From now on the host hears of nothing but what is under way, which it may hear late."""
        tenancies = self.host.tenancies
        tenancies.beat(self._now - EVERY)
        if self.chance.hits("renewal_late"):
            self._note_beat(self._now)
            tenancies.late.append((self._now + self.chance.rng.choice((5.0, 85.0, 200.0)), self._now))
        elif self.chance.hits("renewal_lost"):
            self._note_beat(self._now)
        else:
            self._beat()
        tenancies.since = None
        self.host.hear = None
        for wire in self.host.wires:
            wire.answered = None

    def _ask(self) -> None:
        """Have a connection that answers. Raises Unavailable."""
        self._connected()
        if self.found_out is not None:
            raise Unavailable("no answer came")

    def _looked(self) -> None:
        """What is asked of another machine goes by the connection too. Raises Unavailable."""
        if not self.near:
            self._ask()

    def _connected(self) -> None:
        if self.found_out is not None and self.found_out <= self._now:
            self.lose()
        if self._open:
            return
        if self.host.unreached_until > self._now:
            raise Unavailable("the host cannot be reached")
        if not self.host.runner_up:
            self.host.start_runner()
        session = self.session(0)
        if not self.host.hello(session):
            session = self.session(self.host.session)
            self.host.hello(session)
        if self.host.highest_fence > session:
            self.session(self.host.highest_fence)
        for wire in list(self.host.wires):
            if self.chance.rng.random() < 0.5:
                self.host.read(wire)
        self.host.wires.clear()
        self.host.tenancies.late.clear()
        self.host.tenancies.since = self._now
        self._open = True
        self.host.hear = self._hear
        self._beat()
        self.generation += 1

    def _hear(self, news: News) -> None:
        if self.chance.hits("news_lost"):
            return
        late = self.chance.hits("news_late")
        delay = self.chance.rng.choice((0.5, 30.0, NEWS_LOSS_HEALS)) if late else 0.0
        self._inbox.append((self._now + delay, news))
        if self.chance.hits("news_twice"):
            self._inbox.append((self._now + self.chance.rng.choice((0.0, 40.0, NEWS_LOSS_HEALS)), news))
        self.woken = True
