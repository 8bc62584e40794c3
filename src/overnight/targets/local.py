"""This machine as a target: a runner of our own beside the jobs, found or started."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from overnight.clock import Clock
from overnight.domain.errors import Unavailable, Uncertain
from overnight.targets.base import Absent, Alive, Dead, Ended, Handle, Launch, News, Offer, Refused, Seen, Unknown
from overnight.targets.link import Link, RunnerRefused, connect

ASK_SECONDS = 10.0
"""Longest wait for an answer of the runner."""
START_SECONDS = 10.0
"""Longest wait for a runner that was just started to open its socket."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Back-off between attempts to reach or start the runner, in seconds."""
FORGOTTEN_AT_ONCE = 64
"""Ended attempts that are forgotten with one message."""
POLL_SECONDS = 0.01
"""How often the socket of a runner that is being started is tried."""

Offers = Callable[[], list[Offer]]


class LocalTarget:
    """Carries attempts out through the runner of this home."""

    def __init__(
        self,
        *,
        folder: Path,
        offers: Offers,
        clock: Clock,
        session: Callable[[int], int],
        pause: Callable[[float], None],
        wake: Callable[[], None] = lambda: None,
        name: str = "here",
    ) -> None:
        """`folder` is the runner's own; `session(floor)` gives a number above all given before and above `floor`."""
        self._name = name
        self._folder = folder
        self._offers = offers
        self._clock = clock
        self._session = session
        self._sleep = pause
        self.wake = wake
        self._link: Link | None = None
        self._boot_id = ""
        self._generation = 0
        self._news: deque[News] = deque()
        self._over: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._back_off = 0.0
        self._not_before = 0.0
        self._lock = threading.RLock()

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def generation(self) -> int:
        """See `Target.generation`."""
        return self._generation

    def offers(self) -> list[Offer]:
        """See `Target.offers`."""
        return self._offers()

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Target.start`."""
        link = self._connected()
        fences = {launch.attempt: launch.fence for launch in launches}
        with suppress(Uncertain):
            link.tell(
                "start", lambda reply: self._answered(fences, reply), launches=[_wire(launch) for launch in launches]
            )
        if len(self._over) >= FORGOTTEN_AT_ONCE:
            self._forget_over(link)

    def _answered(self, fences: Mapping[str, int], reply: Mapping[str, Any]) -> None:
        """Turn what the runner would not start into news; what it accepted is told by its events."""
        for attempt, result in reply.get("results", {}).items():
            if not result["ok"]:
                code, message = result["error"]["code"], result["error"]["message"]
                self._news.append(News(attempt, fences[attempt], _understood(code, message)))
                self.wake()

    def observe(self, handles: Sequence[Handle]) -> dict[str, Seen]:
        """See `Target.observe`."""
        if not handles:
            return {}
        asked = [{"attempt": h.attempt, "fence": h.fence, "folder": h.folder, "boot_id": h.boot_id} for h in handles]
        try:
            states = self._connected().ask("observe", ASK_SECONDS, attempts=asked)["states"]
        except (Unavailable, Uncertain) as error:
            return {handle.attempt: Unknown(str(error)) for handle in handles}
        return {handle.attempt: self._seen(states.get(handle.attempt)) for handle in handles}

    def _seen(self, state: Mapping[str, Any] | None) -> Seen:
        word = state.get("state") if state else None
        if state is None or word not in {"alive", "ended", "dead", "absent"}:
            return Unknown(str(state.get("proof")) if state else "the runner did not say")
        if word == "ended":
            return Ended(state["record"])
        if word == "dead":
            return Dead(state["proof"])
        return Absent() if word == "absent" else Alive(state.get("pid"), None, self._boot_id)

    def stop(self, handle: Handle, grace: float, reason: str) -> None:
        """See `Target.stop`."""
        try:
            self._connected().ask("stop", ASK_SECONDS, attempt=handle.attempt, grace=grace, reason=reason)
        except Uncertain as error:
            raise Unavailable(str(error)) from error

    def owned(self) -> list[Handle]:
        """See `Target.owned`."""
        try:
            link = self._connected()
            self._forget_over(link)
            found = link.ask("owned", ASK_SECONDS)["attempts"]
        except Uncertain as error:
            raise Unavailable(str(error)) from error
        return [Handle(attempt, it["fence"], it["folder"], self._boot_id) for attempt, it in found.items()]

    def forget(self, attempts: Sequence[str]) -> None:
        """See `Target.forget`."""
        self._over += attempts

    def _forget_over(self, link: Link) -> None:
        """Tell the runner in one message what it need not remember; what gets lost is told later."""
        over, self._over = self._over, []
        if over:
            with suppress(Unavailable, Uncertain):
                link.tell("forget", lambda _: None, attempts=over)

    def news(self) -> list[News]:
        """See `Target.news`."""
        return [self._news.popleft() for _ in range(len(self._news))]

    def close(self) -> None:
        """Leave the runner and its attempts alone; only the connection ends."""
        if self._link is not None:
            self._link.close()

    def _heard(self, message: Mapping[str, Any]) -> None:
        kind, attempt, fence = message["event"], message["attempt"], message["fence"]
        if kind == "started":
            self._news.append(News(attempt, fence, Alive(message["pid"], message["at"], self._boot_id)))
        elif kind == "ended":
            self._news.append(News(attempt, fence, Ended(message["record"])))
            self.wake()
        elif kind == "dead":
            self._news.append(News(attempt, fence, Dead(message["proof"])))
            self.wake()

    def _lost(self) -> None:
        self._generation += 1
        self.wake()

    def _connected(self) -> Link:
        """The open link, made anew where needed; Unavailable at once while a back-off lasts."""
        with self._lock:
            if self._link is not None and self._link.is_open:
                return self._link
            if self._clock.boot() < self._not_before:
                raise Unavailable("the runner cannot be reached yet")
            try:
                self._link = self._open()
            except (OSError, Unavailable, Uncertain) as error:
                self._back_off = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self._back_off))
                self._not_before = self._clock.boot() + self._back_off
                raise Unavailable(f"the runner of {self._folder} cannot be reached: {error}") from error
            self._back_off = 0.0
            self._generation += 1
            return self._link

    def _open(self) -> Link:
        link = Link(self._connect_or_start(), self._heard, self._lost)
        try:
            hello = self._greet(link)
        except BaseException:
            link.close()
            raise
        self._boot_id = hello["boot_id"]
        return link

    def _greet(self, link: Link) -> Mapping[str, Any]:
        """Say hello with a session above every one that the runner has seen, and leave every token that it has seen
        behind: after an old copy of the record was restored they must not come again (R35)."""
        session = self._session(0)
        try:
            hello = link.ask("hello", ASK_SECONDS, session=session)
        except RunnerRefused as refusal:
            if refusal.refusal != "stale_session":
                raise
            session = self._session(int(refusal.fields.get("session", 0)))
            hello = link.ask("hello", ASK_SECONDS, session=session)
        if hello.get("highest_fence", 0) > session:
            self._session(int(hello["highest_fence"]))
        return hello

    def _connect_or_start(self) -> Any:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            return connect(str(self._folder))
        except (FileNotFoundError, ConnectionRefusedError):
            self._spawn()
        deadline = self._clock.boot() + START_SECONDS
        while True:
            try:
                return connect(str(self._folder))
            except (FileNotFoundError, ConnectionRefusedError):
                if self._clock.boot() > deadline:
                    raise
                self._sleep(POLL_SECONDS)

    def _spawn(self) -> None:
        """Start a runner in a session of its own; it outlives us."""
        if self._process is not None:
            self._process.poll()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OVERNIGHT_")}
        with (self._folder / "runner.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "overnight.runner", str(self._folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=environment,
                start_new_session=True,
            )


def _understood(code: str, message: str) -> Seen:
    """What a start that was not carried out says of its attempt.

    A stale token proves the end of an attempt that nobody knows any more: it was here once and was forgotten, or a
    newer one was. Sending it again, as an absent one, would go on for ever.
    """
    if code == "bad_launch":
        return Refused(message)
    return Dead(message) if code == "stale_fence" else Unknown(f"{code}: {message}")


def _wire(launch: Launch) -> dict[str, Any]:
    return {
        "attempt": launch.attempt,
        "run": launch.run,
        "number": launch.number,
        "fence": launch.fence,
        "argv": launch.argv,
        "env": launch.env,
        "cwd": launch.cwd,
        "folder": launch.folder,
        "time_limit": launch.time_limit,
        "grace": launch.grace,
        "log_cap": launch.log_cap,
        "check": launch.check,
    }


def fixed(offers: Iterable[Offer]) -> Offers:
    """Offers that never change: a target without GPUs."""
    kept = list(offers)
    return lambda: list(kept)
