"""Watches live attempts: says once what is slow, silent or idle, and ends what hangs where that was declared.

Nothing is ever ended because of a line in a log or a clock: `planner.watch` decides, from what was seen here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from overnight.daemon.launches import Claimed, launch_names, outputs_of, own
from overnight.daemon.world import World
from overnight.domain.alerts import AlertKind
from overnight.domain.nouns import Attempt
from overnight.domain.reasons import Mark, Reason
from overnight.domain.states import ATTEMPT
from overnight.planner.rules import Rule
from overnight.planner.watch import Glimpse, Limits, Notice, Watched, all_idle, first_look, next_look, notices
from overnight.store import questions, runs
from overnight.store.base import Session
from overnight.store.marks import alert, mark
from overnight.store.moves import move
from overnight.targets.base import Offer, Progress

AT_ONCE = 16
"""Attempts that one turn looks at; the others follow in the next."""
FRESH_SECONDS = 60.0
"""A GPU's utilisation that was read longer ago says nothing about now."""
NOTHING = Progress(0, None, None)
_TITLES = {
    AlertKind.SLOW: "is slow",
    AlertKind.SILENT: "is silent",
    AlertKind.IDLE: "leaves its GPUs idle",
    AlertKind.HANG: "hangs and is stopped",
}


_Turn = tuple[Attempt, Claimed]
"""An attempt whose turn it is to be looked at."""
Moved = tuple[Attempt, Claimed, Progress]
"""One that was looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be said of one attempt."""

    attempt: Attempt
    notice: Notice
    doing: str = ""
    """What its processes do, where that can be seen."""


@dataclass(slots=True)
class Watch:
    """What this server saw of every live attempt. After a restart it begins anew, so that nothing is ended too soon."""

    due: dict[str, float] = field(default_factory=dict)
    """Attempt -> when it is looked at next, on the boot clock."""
    _seen: dict[str, Watched] = field(default_factory=dict)
    _said: dict[str, set[Mark | Reason]] = field(default_factory=dict)
    _used: dict[str, tuple[float, int | None]] = field(default_factory=dict)
    """GPU -> when it was last read, and its utilisation in percent."""

    def note(self, offers: Mapping[str, Sequence[Offer]], now: float) -> None:
        """Keep how much the GPUs were used."""
        for offered in offers.values():
            self._used |= {it.id: (now, it.utilisation) for it in offered if it.kind == "gpu"}

    def next(self, claims: Mapping[str, Claimed], now: float) -> float:
        """When one of these must be looked at, on the boot clock; infinity when nobody lives."""
        self._follow(claims, now)
        return min(self.due.values(), default=float("inf"))

    def _follow(self, claims: Mapping[str, Claimed], now: float) -> None:
        """Watch these attempts and no others."""
        if claims.keys() == self.due.keys():
            return
        for ended in self.due.keys() - claims.keys():
            del self.due[ended]
            self._seen.pop(ended, None)
            self._said.pop(ended, None)
        for begun, claimed in claims.items():
            if begun not in self.due:
                limits = limits_of(claimed)
                self.due[begun] = now + limits.pace if limits.any else float("inf")

    def send(self, world: World, claims: Mapping[str, Claimed], now: float) -> None:
        """Have those looked at whose turn it is, the longest overdue first, on targets that answer."""
        if self.next(claims, now) > now:
            return
        turn = sorted((it for it, due in self.due.items() if due <= now), key=lambda it: self.due[it])[:AT_ONCE]
        attempts = world.store.read(lambda session: [runs.get_attempt(session, it) for it in turn])
        by_target: dict[str, list[_Turn]] = {}
        for name, attempt in zip(turn, attempts, strict=True):
            claimed = claims[name]
            self.due[name] = now + limits_of(claimed).pace
            if attempt and attempt.state == "running" and claimed.target in world.reachable:
                by_target.setdefault(claimed.target, []).append((attempt, claimed))
        for target, turns in by_target.items():
            near = world.places[target].near
            world.errands.send(f"{target} looks", ("watch", target), partial(_moved, world, turns), near=near)

    def judge(self, world: World, seen: Sequence[Moved], now: float) -> list[Found]:
        """What is to be said of attempts that were looked at."""
        return [found for attempt, claimed, moved in seen for found in self._judge(world, attempt, claimed, moved, now)]

    def _judge(self, world: World, attempt: Attempt, claimed: Claimed, moved: Progress, now: float) -> list[Found]:
        limits = limits_of(claimed)
        glimpse = self._glimpse(claimed, moved, now)
        before = self._seen.get(attempt.id)
        if before is None:
            age = world.clock.wall() - (attempt.started_at or world.clock.wall())
            seen = first_look(glimpse, age, now)
        else:
            seen = next_look(before, glimpse, limits, now)
        self._seen[attempt.id] = seen
        new = [it for it in notices(limits, seen) if it.kind not in self._said.get(attempt.id, ())]
        doing = world.places[claimed.target].doing if any(it.kind is Reason.HANG for it in new) else None
        return [Found(attempt, it, doing(attempt.pid) if doing and attempt.pid else "") for it in new]

    def _glimpse(self, claimed: Claimed, moved: Progress, now: float) -> Glimpse:
        used = [self._used.get(device.id, (0.0, None)) for device in claimed.devices if device.kind == "gpu"]
        idle = all_idle([percent if now - read < FRESH_SECONDS else None for read, percent in used])
        return Glimpse(moved.log_size, moved.files_at, moved.whole, idle)

    def take_in(self, session: Session, found: Sequence[Found]) -> bool:
        """Put it on record; returns whether the end of an attempt was ordered."""
        ordered = False
        for it in found:
            current = runs.get_attempt(session, it.attempt.id)
            if current is not None and (current.fence, current.state) == (it.attempt.fence, "running"):
                ordered = _say(session, it) or ordered
            self._said.setdefault(it.attempt.id, set()).add(it.notice.kind)
        return ordered

    def forget(self) -> None:
        """What was said may not have reached the record: say it again."""
        self._said.clear()


def _moved(world: World, turns: Sequence[_Turn]) -> list[Moved]:
    """When something of these attempts last moved. Raises Unavailable."""
    return [(attempt, claimed, _progress(world, claimed)) for attempt, claimed in turns]


def _progress(world: World, claimed: Claimed) -> Progress:
    limits = limits_of(claimed)
    if limits.stale_after is None and limits.hang is None:
        return NOTHING
    outputs = outputs_of(claimed.config, launch_names(claimed))
    place = world.places[claimed.target]
    return place.files.progress(claimed.folder, place.whole(claimed.workdir), outputs)


def limits_of(claimed: Claimed) -> Limits:
    """What a run declares about its pace."""
    return Limits(own(claimed, "estimate"), own(claimed, "stale_after"), claimed.settings.hang)


def _say(session: Session, found: Found) -> bool:
    attempt, notice = found.attempt, found.notice
    if isinstance(notice.kind, Mark):
        if mark(session, attempt.id, attempt.run_id, notice.kind, notice.detail):
            _alert(session, found)
            if notice.kind is Mark.SILENT:
                _ask(session, found)
        return False
    payload = {"reason": notice.kind, "detail": notice.detail, "doing": found.doing}
    if not move(session, ATTEMPT, attempt.id, "order_stop", fence=attempt.fence, run=attempt.run_id, **payload):
        return False
    session.rows("attempt_ordered", id=attempt.id, fence=attempt.fence, detail=notice.detail)
    _alert(session, found)
    return True


def _ask(session: Session, found: Found) -> None:
    """Whether it should go on; the id is made of the attempt's, which is asked about this once. Its alert is told."""
    run = runs.get(session, found.attempt.run_id)
    question_id = f"{run.id}{found.attempt.number:020x}"
    questions.ask_by_rule(session, run, question_id, Rule.SILENT, found.notice.detail, quiet=True)


def _alert(session: Session, found: Found) -> None:
    run = runs.get(session, found.attempt.run_id)
    kind = AlertKind(found.notice.kind)
    title = f"{run.name} {_TITLES[kind]}"
    detail = found.notice.detail + (f"; {found.doing}" if found.doing else "")
    alert(session, kind, found.attempt.id, campaign_id=run.campaign_id, title=title, detail=detail)
