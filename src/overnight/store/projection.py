"""What the event log says, event by event: the state of everything, and every invariant that an event breaks.

Pure: events go in, states and violations come out. `verify` compares the result with the tables; the simulator feeds it
after each pass. Invariants (I6 …) are those of `docs/notes/verify.md`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from overnight.domain.lease import bears_out
from overnight.domain.nouns import Event
from overnight.domain.reasons import INTERRUPTIONS_ALLOWED, Reason
from overnight.domain.states import (
    ATTEMPT,
    CAMPAIGN,
    DEVICE,
    FETCH,
    LEASE,
    LIVE_ATTEMPT,
    MACHINES,
    PENDING_RUN,
    RUN,
    SWEEP,
    WILD_SESSION,
    Arrow,
    Machine,
)
from overnight.store.homecoming import Homecoming
from overnight.store.lives import AttemptLife, Life, Rules, RunLife, Violation

NOTES = frozenset(
    {
        "server.start",
        "server.ready",
        "server.stop",
        "token.create",
        "token.revoke",
        "run.priority",
        "sweep.update",
        "campaign.update",
        "cluster.update",
        "run.archive",
        "run.unarchive",
    }
)
"""Kinds of events that change no state. What is neither here, in `NOTE_FAMILIES` nor an arrow is a violation."""
NOTE_FAMILIES = (
    "log.", "denied.", "host.", "alert.", "hold.", "file.", "label.", "metrics.", "question.", "skill.", "wild.",
    "callback.", "target.",
)  # fmt: skip
"""Beginnings of kinds that change no state, whatever follows; so does any kind that ends in `NOTE_ENDING`."""
NOTE_ENDING = ".annotate"

_ARROWS = {
    f"{machine.noun}.{arrow.transition}": (machine, arrow)
    for machine in MACHINES
    if machine is not LEASE
    for arrow in machine.arrows
}
_NEEDS_AN_END = frozenset({"requeue", "delay", "collect", "succeed", "fail", "stopped"})
"""Arrows of a run that say that its attempt is over."""


class Projection:
    """The state of everything after the events applied so far."""

    def __init__(self, rules: Rules) -> None:
        self.campaigns: dict[str, Life] = {}
        self.sweeps: dict[str, Life] = {}
        self.devices: dict[str, Life] = {}
        self.wild_sessions: dict[str, Life] = {}
        self.runs: dict[str, RunLife] = {}
        self.attempts: dict[str, AttemptLife] = {}
        self.homecoming = Homecoming(self.attempts, rules)
        self.leases: dict[tuple[str, str], str] = {}
        """(attempt, device) -> state."""
        self.holders: dict[str, list[str]] = {}
        """device -> attempts that hold it now; several when all of them share it."""
        self.tallies: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """sweep -> number of runs by state."""
        self.removed: Counter[str] = Counter()
        """sweep -> number of its runs that the campaign's file has no more."""
        self.last_token = 0
        self._rules = rules
        self._seq = 0
        self._found: list[Violation] = []
        self._special: dict[str, Callable[[Event], None]] = {
            "campaign.create": lambda event: self._create(CAMPAIGN, self.campaigns, event.subject),
            "sweep.create": lambda event: self._create(SWEEP, self.sweeps, event.subject),
            "device.create": lambda event: self._create(DEVICE, self.devices, event.subject),
            "wild_session.create": lambda event: self._create(WILD_SESSION, self.wild_sessions, event.subject),
            "run.create": self._create_runs,
            "run.claim": self._claim,
            "run.update": self._update,
            "run.join": self._join,
            "lease.release": self._release,
            "fetch.create": lambda event: self._found.extend(self.homecoming.create(event)),
        }

    def apply(self, event: Event) -> list[Violation]:
        """Take in the next event; returns what it breaks. A broken event is taken as having happened."""
        self._seq, self._found = event.seq, []
        try:
            self._take_in(event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            self._say("I1", event.subject, f"the payload of {event.kind} cannot be understood: {error!r}")
        return self._found

    def _take_in(self, event: Event) -> None:
        kind = event.kind
        if special := self._special.get(kind):
            special(event)
        elif found := _ARROWS.get(kind):
            self._follow(*found, event)
        elif kind not in NOTES and not kind.startswith(NOTE_FAMILIES) and not kind.endswith(NOTE_ENDING):
            self._say("I6", event.subject, f"{kind} is not a declared kind of event")

    def _follow(self, machine: Machine, arrow: Arrow, event: Event) -> None:
        if machine is RUN:
            for run_id in event.payload.get("ids", (event.subject,)):
                self._move_run(run_id, arrow, event)
        elif machine is ATTEMPT:
            self._move_attempt(arrow, event)
        elif machine is FETCH:
            self._found += self.homecoming.move(arrow, event)
        else:
            self._move_life(machine, arrow, event)

    def _say(self, invariant: str, subject: str, sentence: str) -> None:
        self._found.append(Violation(invariant, self._seq, subject, sentence))

    def _cross(self, machine: Machine, arrow: Arrow, thing: str, state: str, actor: str) -> None:
        """I6 and I7: an arrow leaves only from its sources, and from a final state only when somebody asks for it."""
        allowed = state in arrow.sources
        if state in machine.terminal:
            if not allowed or arrow.transition not in machine.reopening:
                self._say("I7", thing, f"{arrow.transition} leaves the final state {state}")
            elif actor == "system":
                self._say("I7", thing, f"{arrow.transition} reopens {state} without a person or agent who asked")
        elif not allowed:
            self._say("I6", thing, f"{arrow.transition} is not allowed from {state}")

    def _unknown(self, noun: str, thing: str) -> None:
        self._say("I6", thing, f"this {noun} was never created")

    # Campaigns, sweeps, devices

    def _create(self, machine: Machine, lives: dict[str, Life], thing: str) -> None:
        if thing in lives:
            self._say("I6", thing, f"this {machine.noun} was created twice")
        life = Life(machine.initial[0], "open" if machine in (CAMPAIGN, SWEEP) else "", self._seq)
        lives[thing] = life

    def _move_life(self, machine: Machine, arrow: Arrow, event: Event) -> None:
        life = self._lives(machine).get(event.subject)
        if life is None:
            self._unknown(machine.noun, event.subject)
            return
        column = "gate" if machine.column == "gate" else "state"
        self._cross(machine, arrow, event.subject, getattr(life, column), event.actor)
        setattr(life, column, arrow.target)
        life.seq = self._seq

    def _lives(self, machine: Machine) -> dict[str, Life]:
        known = {
            CAMPAIGN.noun: self.campaigns,
            SWEEP.noun: self.sweeps,
            DEVICE.noun: self.devices,
            WILD_SESSION.noun: self.wild_sessions,
        }
        return known[machine.noun]

    # Runs

    def _create_runs(self, event: Event) -> None:
        sweep, state = event.subject, event.payload["state"]
        if sweep not in self.sweeps:
            self._unknown("sweep", sweep)
        if state not in RUN.initial:
            self._say("I6", sweep, f"runs are not created {state}")
        for run_id in event.payload["ids"]:
            if run_id in self.runs:
                self._say("I6", run_id, "this run was created twice")
            self.runs[run_id] = RunLife(sweep, state, self._seq)
            self.tallies[sweep][state] += 1

    def _move_run(self, run_id: str, arrow: Arrow, event: Event) -> None:
        run = self.runs.get(run_id)
        if run is None:
            self._unknown("run", run_id)
            return
        self._cross(RUN, arrow, run_id, run.state, event.actor)
        if arrow.transition in _NEEDS_AN_END:
            self._end_of(run_id, run, arrow.transition, event)
        self._count(run_id, run, arrow.transition)
        self._remove(run, arrow.transition == "cancel" and event.payload.get("reason") == Reason.REMOVED)
        self._enter(run, arrow.target)

    def _enter(self, run: RunLife, state: str) -> None:
        tally = self.tallies[run.sweep]
        tally[run.state] -= 1
        tally[state] += 1
        run.state, run.seq = state, self._seq

    def _end_of(self, run_id: str, run: RunLife, transition: str, event: Event) -> None:
        """I11, I12, I17: the end of a run is the proven end of its newest attempt, and at most one is a success."""
        newest = self.attempts.get(run.newest)
        if newest is None:
            self._say("I12", run_id, f"{transition} without an attempt")
            return
        if event.payload.get("attempt") != run.newest:
            self._say(
                "I12", run_id, f"{transition} names {event.payload.get('attempt')}, the newest attempt is {run.newest}"
            )
        elif event.token != newest.fence:
            self._say("I11", run_id, f"{transition} carries the token {event.token}, the attempt has {newest.fence}")
        if newest.state in LIVE_ATTEMPT:
            self._say("I17", run_id, f"{transition} while {run.newest} is still {newest.state}")
        self._found += self.homecoming.judged(run_id, run, transition, self._seq)
        if transition == "succeed":
            self._accept(run_id, run, newest)

    def _accept(self, run_id: str, run: RunLife, newest: AttemptLife) -> None:
        run.successes += 1
        if run.successes > 1:
            self._say("I12", run_id, "a second result was accepted")
        if newest.state in {"lost", "refused"}:
            self._say("I12", run_id, f"success of an attempt that was {newest.state}")

    def _remove(self, run: RunLife, removed: bool) -> None:
        self.removed[run.sweep] += removed - run.removed
        run.removed = removed

    def _update(self, event: Event) -> None:
        """A pending run gets another configuration, and maybe another sweep: its attempts are counted anew, as after a
        retry. Without the digest of a configuration only its name changed, which says nothing of its state."""
        run = self.runs.get(event.subject)
        if run is None:
            self._unknown("run", event.subject)
            return
        if "digest" not in event.payload:
            return
        if run.state not in PENDING_RUN or event.actor == "system":
            self._say("I7", event.subject, f"was changed while {run.state} by {event.actor}")
        run.spent = run.interruptions = 0
        self._put(run, event.payload.get("sweep", run.sweep))

    def _join(self, event: Event) -> None:
        """A run belongs to another campaign, and so to another sweep, from now on; its state stays."""
        run = self.runs.get(event.subject)
        if run is None:
            self._unknown("run", event.subject)
        else:
            self._put(run, event.payload["sweep"])

    def _put(self, run: RunLife, sweep: str) -> None:
        if sweep not in self.sweeps:
            self._unknown("sweep", sweep)
        self.tallies[run.sweep][run.state] -= 1
        run.sweep = sweep
        self.tallies[run.sweep][run.state] += 1

    def _count(self, run_id: str, run: RunLife, transition: str) -> None:
        """Keep the counters that I13 and I15 are about."""
        if transition in {"retry", "unblock"}:
            run.spent = run.interruptions = run.successes = 0
            run.cancelled = False
        elif transition in {"cancel", "order_stop"}:
            run.cancelled = True
        elif transition == "requeue":
            run.spent -= 1
            newest = self.attempts.get(run.newest)
            run.interruptions += newest is None or newest.state != "refused"
            if run.interruptions > INTERRUPTIONS_ALLOWED:
                self._say("I13", run_id, f"was interrupted {run.interruptions} times and goes on")

    # Attempts and devices

    def _claim(self, event: Event) -> None:
        run_id, payload = event.subject, event.payload
        attempt, token, devices = payload["attempt"], payload["token"], tuple(payload["devices"])
        run = self.runs.get(run_id)
        if run is None:
            self._unknown("run", run_id)
            return
        self._may_start(run_id, run, event)
        if token <= self.last_token:
            self._say("I8", attempt, f"got the token {token} after {self.last_token} had been given out")
        self.last_token = max(self.last_token, token)
        if attempt in self.attempts:
            self._say("I9", attempt, "this attempt was made twice")
        share, target = int(payload.get("share", 1)), payload["target"]
        lease = payload.get("lease")
        made = AttemptLife(run_id, ATTEMPT.initial[0], self._seq, token, target, devices, share, lease)
        self.attempts[attempt] = made
        for device in devices:
            self._hold(attempt, device)
        run.newest, run.claims, run.live, run.spent = attempt, run.claims + 1, run.live + 1, run.spent + 1
        self._enter(run, "running")

    def _may_start(self, run_id: str, run: RunLife, event: Event) -> None:
        if run.cancelled:
            self._say("I15", run_id, "was started after it had been cancelled")
        elif run.live:
            self._say("I9", run_id, f"was started while {run.newest} may be alive")
        else:
            self._cross(RUN, RUN.arrow("claim"), run_id, run.state, event.actor)
        limit = self._rules.attempts(run.sweep)
        if limit is not None and run.spent >= limit:
            self._say("I13", run_id, f"was started again after {run.spent} attempts, {limit} are allowed")
        for needed in self._rules.runs_needed(run_id, self._seq):
            state = self.runs[needed].state if needed in self.runs else "unknown"
            if state != "succeeded":
                self._say("I14", run_id, f"was started although it needs {needed}, which is {state}")
        for sweep in self._rules.sweeps_needed(run.sweep, self._seq):
            unmet = sum(number for state, number in self.tallies[sweep].items() if state != "succeeded")
            unmet -= self.removed[sweep]
            if unmet:
                self._say("I14", run_id, f"was started although {unmet} runs of the sweep {sweep} have not succeeded")

    def _hold(self, attempt: str, device: str) -> None:
        """I18, I19, I21: a device is given when it exists, is well, and nobody has it or all who have it share it."""
        life = self.devices.get(device)
        if life is None:
            self._say("I19", device, f"was given to {attempt} but is no known device")
        elif life.state != "healthy":
            self._say("I21", device, f"was given to {attempt} while {life.state}")
        there = self.holders.setdefault(device, [])
        if there and len(there) >= min(self.attempts[one].share for one in (attempt, *there)):
            self._say("I18", device, f"was given to {attempt} while {', '.join(there)} held it")
        there.append(attempt)
        self.leases[attempt, device] = LEASE.initial[0]

    def _move_attempt(self, arrow: Arrow, event: Event) -> None:
        attempt = self.attempts.get(event.subject)
        if attempt is None:
            self._unknown("attempt", event.subject)
            return
        self._cross(ATTEMPT, arrow, event.subject, attempt.state, event.actor)
        ordered = arrow.transition == "order_stop" and event.token == 0
        if arrow.transition == "order_stop":
            self._ordered(attempt, event)
        if event.token != attempt.fence and not ordered:  # who asks for a stop is no holder and has no token
            sentence = f"{arrow.transition} carries the token {event.token}, the attempt has {attempt.fence}"
            self._say("I11", event.subject, sentence)
        if "lease" in event.payload and not bears_out(event.payload["lease"], attempt.lease):
            self._say("I17", event.subject, f"{arrow.transition} by a lease that proves nothing: {event.payload}")
        if attempt.state in LIVE_ATTEMPT and arrow.target not in LIVE_ATTEMPT:
            self.runs[attempt.run].live -= 1
        attempt.state, attempt.seq = arrow.target, self._seq

    def _ordered(self, attempt: AttemptLife, event: Event) -> None:
        """I17: a run that goes on loses its attempt only when that hangs, by the holder's token."""
        if event.token not in (0, attempt.fence):
            return  # I11 says so
        run = self.runs.get(attempt.run)
        hangs = event.payload.get("reason") == Reason.HANG and event.token == attempt.fence
        if run is not None and run.state != "cancelling" and not hangs:
            self._say("I17", event.subject, f"nobody asked for its end: {attempt.run} is {run.state}")

    def _release(self, event: Event) -> None:
        """I20: a device comes back once, by the token of its holder, when the holder is proven to have ended."""
        holder = self.attempts.get(event.subject)
        if holder is None:
            self._unknown("attempt", event.subject)
            return
        if holder.state in LIVE_ATTEMPT:
            self._say("I20", event.subject, f"gave its devices back while {holder.state}")
        if event.token != holder.fence:
            self._say("I20", event.subject, f"gave devices back with the token {event.token}, it has {holder.fence}")
        for device in event.payload["devices"]:
            if self.leases.get((event.subject, device)) != "held":
                self._say("I20", device, f"was given back by {event.subject}, which did not hold it")
            self.leases[event.subject, device] = "released"
            there = self.holders.get(device, [])
            if event.subject in there:
                there.remove(event.subject)
            if not there:
                self.holders.pop(device, None)
