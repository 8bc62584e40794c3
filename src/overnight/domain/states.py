"""Every state machine of Overnight, as tables.

A machine is a tuple of arrows `(transition, sources, target)`. The SQL guard, the event's name, the schema's
`CHECK`s, the
terminal states and the diagrams of `docs/states.md` all come from here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Arrow:
    """One permitted change: from any of `sources` to `target`."""

    transition: str
    sources: tuple[str, ...]
    target: str
    why: str


@dataclass(frozen=True, eq=False)
class Machine:
    """The life of one kind of thing; `column` is where its table keeps the state.

    A machine is equal to itself alone, so that looking it up costs nothing.
    """

    noun: str
    table: str
    column: str
    initial: tuple[str, ...]
    terminal: frozenset[str]
    """Write-once: only an arrow named in `reopening`, taken by a person or agent, leaves them."""
    arrows: tuple[Arrow, ...]
    reopening: frozenset[str] = frozenset()

    @property
    def states(self) -> tuple[str, ...]:
        """All states, in order of first appearance."""
        names = [*self.initial]
        for arrow in self.arrows:
            names += [*arrow.sources, arrow.target]
        return tuple(dict.fromkeys(names))

    def arrow(self, transition: str) -> Arrow:
        """The arrow of that name; KeyError for a transition that this machine does not have."""
        for arrow in self.arrows:
            if arrow.transition == transition:
                return arrow
        raise KeyError(f"{self.noun} has no transition {transition!r}")


RUN = Machine(
    noun="run",
    table="runs",
    column="state",
    initial=("waiting", "queued", "ready"),
    terminal=frozenset({"succeeded", "failed", "cancelled"}),
    reopening=frozenset({"retry"}),
    arrows=(
        Arrow("enqueue", ("ready",), "queued", "its start was asked for"),
        Arrow("release", ("waiting",), "queued", "everything it needs has succeeded, every path it requires is there"),
        Arrow("skip", ("waiting",), "succeeded", "its outputs were there already, and that was declared to suffice"),
        Arrow("claim", ("queued",), "running", "an attempt was given devices and a fence"),
        Arrow("requeue", ("running",), "queued", "the attempt never started, or was interrupted"),
        Arrow("delay", ("running",), "delayed", "the attempt failed and a retry is due later"),
        Arrow("wake", ("delayed",), "queued", "the back-off is over"),
        Arrow("collect", ("running", "cancelling"), "collecting", "it ended well on another machine; its files come"),
        Arrow("succeed", ("running", "cancelling", "collecting"), "succeeded", "exit 0 and all outputs are there"),
        Arrow("fail", ("running", "collecting"), "failed", "no retry is left, or its files never came whole"),
        Arrow("refuse", ("queued",), "failed", "what its command asks for is not there and never will be"),
        Arrow("block", ("waiting", "queued"), "blocked", "what it needs cannot succeed, or the budget is used up"),
        Arrow("unblock", ("blocked",), "waiting", "what blocked it was retried"),
        Arrow("recall", ("queued", "delayed", "blocked"), "waiting", "its file, or what it needs, was changed"),
        Arrow(
            "cancel",
            ("waiting", "queued", "delayed", "blocked", "ready", "external", "collecting"),
            "cancelled",
            "asked for before it ran, while somebody else carried it out, or before its files had come",
        ),
        Arrow("order_stop", ("running",), "cancelling", "asked for while it ran; the stop order stands"),
        Arrow("stopped", ("cancelling",), "cancelled", "its attempt is proven to have ended"),
        Arrow("retry", ("failed", "cancelled", "blocked", "succeeded"), "waiting", "asked for by an actor"),
        Arrow("report", ("ready",), "external", "somebody else says that they carry it out"),
        Arrow("report_success", ("ready", "external"), "succeeded", "who carried it out says so"),
        Arrow("report_failure", ("ready", "external"), "failed", "who carried it out says so"),
        Arrow("report_stop", ("ready", "external"), "cancelled", "who carried it out says so"),
    ),
)

ATTEMPT = Machine(
    noun="attempt",
    table="attempts",
    column="state",
    initial=("launching",),
    terminal=frozenset({"exited", "lost", "refused"}),
    arrows=(
        Arrow("confirm", ("launching",), "running", "the target saw its process"),
        Arrow("order_stop", ("launching", "running"), "stopping", "a stop order stands until proof of death"),
        Arrow("exit", ("launching", "running", "stopping"), "exited", "its exit record was accepted"),
        Arrow("lose", ("launching", "running", "stopping"), "lost", "proven dead, without an exit record"),
        Arrow("refuse", ("launching", "stopping"), "refused", "proven that nothing was started"),
    ),
)

SWEEP = Machine(
    noun="sweep",
    table="sweeps",
    column="state",
    initial=("active",),
    terminal=frozenset({"settled"}),
    reopening=frozenset({"reopen"}),
    arrows=(
        Arrow("settle", ("active",), "settled", "all its runs are final"),
        Arrow("reopen", ("settled",), "active", "a run of it was retried, or added"),
    ),
)

CAMPAIGN = Machine(
    noun="campaign",
    table="campaigns",
    column="state",
    initial=("active",),
    terminal=frozenset({"succeeded", "failed", "cancelled"}),
    reopening=frozenset({"reopen"}),
    arrows=(
        Arrow("succeed", ("active",), "succeeded", "all runs succeeded"),
        Arrow("fail", ("active",), "failed", "all runs are final, some failed or blocked"),
        Arrow("cancel", ("active",), "cancelled", "all runs are final, some cancelled, none failed"),
        Arrow("reopen", ("succeeded", "failed", "cancelled"), "active", "a run of it was retried, or added"),
    ),
)

CAMPAIGN_GATE = Machine(
    noun="campaign",
    table="campaigns",
    column="gate",
    initial=("open",),
    terminal=frozenset(),
    arrows=(
        Arrow("pause", ("open",), "paused", "nothing new starts; what runs goes on"),
        Arrow("resume", ("paused",), "open", "starts are allowed again"),
    ),
)

SWEEP_GATE = Machine(
    noun="sweep",
    table="sweeps",
    column="gate",
    initial=("open",),
    terminal=frozenset(),
    arrows=CAMPAIGN_GATE.arrows,
)

DEVICE = Machine(
    noun="device",
    table="devices",
    column="state",
    initial=("healthy",),
    terminal=frozenset(),
    arrows=(
        Arrow("quarantine", ("healthy",), "quarantined", "it is lost, hangs, or failed three times in a row"),
        Arrow("restore", ("quarantined",), "healthy", "a probe finds it well, or an actor says so"),
    ),
)

LEASE = Machine(
    noun="lease",
    table="leases",
    column="state",
    initial=("held",),
    terminal=frozenset({"released"}),
    arrows=(Arrow("release", ("held",), "released", "processes are gone and memory is back"),),
)

WILD_SESSION = Machine(
    noun="wild_session",
    table="wild_sessions",
    column="status",
    initial=("running",),
    terminal=frozenset({"stopped", "done", "failed"}),
    arrows=(
        Arrow("pause", ("running",), "paused", "nothing of its conversation starts; what runs goes on"),
        Arrow("resume", ("paused",), "running", "starts are allowed again"),
        Arrow("stop", ("running", "paused"), "stopped", "asked for, or another one of its conversation was started"),
        Arrow("finish", ("running", "paused"), "done", "the agent says that the goal is reached"),
        Arrow("fail", ("running", "paused"), "failed", "the agent says that it gives up"),
    ),
)

FETCH = Machine(
    noun="fetch",
    table="fetches",
    column="state",
    initial=("pending",),
    terminal=frozenset({"done", "failed"}),
    arrows=(
        Arrow("complete", ("pending",), "done", "all that its attempt left is here, byte for byte"),
        Arrow("fail", ("pending",), "failed", "what its attempt left cannot be copied whole"),
    ),
)
"""What an ended attempt left on another machine, by the id of that attempt."""

MACHINES = (CAMPAIGN, CAMPAIGN_GATE, SWEEP, SWEEP_GATE, RUN, ATTEMPT, FETCH, DEVICE, LEASE, WILD_SESSION)

LIVE_RUN = ("running", "cancelling")
"""States of a run that has a possibly live attempt."""
LIVE_ATTEMPT = ("launching", "running", "stopping")
"""States of an attempt whose process may be alive."""
FINAL_RUN = ("succeeded", "failed", "cancelled", "blocked")
"""States in which a run stays unless somebody acts."""
PENDING_RUN = ("waiting", "queued", "delayed", "blocked", "ready", "external")
"""States of a run that may still be changed: no attempt of it may be alive, and it has no result."""
OPEN_RUN = ("waiting", "queued", "delayed", "running", "cancelling", "collecting", "external")
"""States from which a run goes on by itself, or in other hands."""
UNFINISHED_RUN = (*OPEN_RUN, "ready")
"""States that are no end, whether or not a run leaves them by itself."""
