"""A target that carries attempts out through a runner, wherever that is: only the way to it differs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from overnight.clock import Clock
from overnight.domain.errors import Unavailable, Uncertain
from overnight.targets.base import Alive, Handle, Launch, News, Offer, Seen, Unknown
from overnight.targets.keeper import Keeper, Patience, Way
from overnight.targets.link import Link
from overnight.targets.status import Status
from overnight.targets.told import asked, handles_of, news_of, refusals, seen_of, wire

ASK_SECONDS = 10.0
"""Longest wait for an answer of the runner."""
FORGOTTEN_AT_ONCE = 64
"""Ended attempts that are forgotten with one message."""
MOST_NEWS = 100_000
"""Pieces of news that wait to be taken; a host that floods us loses its connection, and is asked after the next."""

Offers = Callable[[], list[Offer]]


class RunnerTarget:
    """Carries attempts out through a runner, by one connection that is made anew where needed."""

    def __init__(
        self,
        name: str,
        way: Way,
        *,
        clock: Clock,
        session: Callable[[int], int],
        patience: Patience,
        offers: Offers,
        luck: Callable[[], float] = lambda: 0.5,
    ) -> None:
        """`session(floor)` gives a number above all given before and above `floor`; see `Keeper`."""
        self._name = name
        self._offers = offers
        self._clock = clock
        self._news: deque[News] = deque()
        self._over: list[str] = []
        self._keeper = Keeper(
            way,
            clock=clock,
            session=session,
            heard=self._heard,
            changed=self._ended,
            patience=patience,
            luck=luck,
        )
        self.wake: Callable[[], None] = lambda: None
        """Called when there is news, or the connection ended."""
        self.renewed: float | None = None
        """When the newest beat came that its runner was answered, on the boot clock: its leases last from then on."""

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def generation(self) -> int:
        """See `Target.generation`."""
        return self._keeper.generation

    def status(self) -> Status:
        """Whether it is reached; answers at once and asks nobody."""
        return self._keeper.status()

    def retry_now(self) -> None:
        """Somebody waits for it: do not sit a back-off out."""
        self._keeper.retry_now()

    def close(self) -> None:
        """Leave the runner and its attempts alone; only the connection ends."""
        self._keeper.close()

    def ask(self, op: str, timeout: float, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The reply to a request that may be repeated. Raises Unavailable."""
        try:
            return self._keeper.link().ask(op, timeout, **fields)
        except Uncertain as error:
            raise Unavailable(str(error)) from error

    def offers(self) -> list[Offer]:
        """See `Target.offers`."""
        return self._offers()

    def start(self, launches: Sequence[Launch]) -> None:
        """See `Target.start`."""
        link = self._keeper.link()
        if any(launch.lease is not None for launch in launches):
            self._begin_leases(link)
        fences = {launch.attempt: launch.fence for launch in launches}
        with suppress(Uncertain):
            link.tell(
                "start", lambda reply: self._tell(refusals(fences, reply)), launches=[wire(it) for it in launches]
            )
        if len(self._over) >= FORGOTTEN_AT_ONCE:
            self._forget_over(link)

    def observe(self, handles: Sequence[Handle]) -> dict[str, Seen]:
        """See `Target.observe`."""
        if not handles:
            return {}
        try:
            states = self.ask("observe", ASK_SECONDS, {"attempts": [asked(it) for it in handles]}).get("states")
        except Unavailable as error:
            return {handle.attempt: Unknown(str(error)) for handle in handles}
        told = states if isinstance(states, dict) else {}
        return {handle.attempt: seen_of(told.get(handle.attempt), self._keeper.boot_id) for handle in handles}

    def stop(self, handle: Handle, grace: float, reason: str) -> None:
        """See `Target.stop`."""
        self.ask("stop", ASK_SECONDS, {"attempt": handle.attempt, "grace": grace, "reason": reason})

    def owned(self) -> list[Handle]:
        """See `Target.owned`."""
        self._forget_over(self._keeper.link())
        try:
            return handles_of(self.ask("owned", ASK_SECONDS, {}).get("attempts"), self._keeper.boot_id)
        except ValueError as error:
            raise Unavailable(str(error)) from error

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

    def _heard(self, link: Link, message: Mapping[str, Any]) -> None:
        if message.get("event") == "beat":
            self._renew(link, message.get("n"))
            return
        news = news_of(message, self._keeper.boot_id)
        if len(self._news) >= MOST_NEWS:
            link.close()
        elif news is not None:
            self._news.append(news)
            if not isinstance(news.seen, Alive):
                self.wake()

    def _renew(self, link: Link, beat: Any) -> None:
        """Answer a beat: the runner counts its leases from the moment at which it sent it, which was before now."""
        if not isinstance(beat, int):
            return
        self.renewed = self._clock.boot()  # first: an answer that gets lost only lets us wait longer
        link.hint("renew", lambda _: None, n=beat)

    def _begin_leases(self, link: Link) -> None:
        """Nothing with a lease starts before a beat was answered: the host counts from that, and so do we."""
        try:
            beat = link.ask("beat", ASK_SECONDS).get("n")
            self.renewed = self._clock.boot()
            link.tell("renew", lambda _: None, n=beat)
        except Uncertain as error:
            raise Unavailable(str(error)) from error

    def _ended(self) -> None:
        self.wake()

    def _tell(self, news: Sequence[News]) -> None:
        self._news.extend(news)
        if news:
            self.wake()
