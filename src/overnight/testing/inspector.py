"""Compares what the server wrote with what it may write, and with what truly happened on the hosts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from overnight.domain.cluster import Cluster, ClusterType, gpu_slots
from overnight.domain.nouns import Event
from overnight.domain.reasons import Reason
from overnight.domain.states import LIVE_ATTEMPT, LIVE_RUN
from overnight.store import campaigns, runs
from overnight.store.base import Session, Store
from overnight.store.lives import Rules, Violation
from overnight.store.projection import Projection
from overnight.store.verify import Audit
from overnight.targets.base import News
from overnight.testing.chance import Chance
from overnight.testing.copies import FakeCopies
from overnight.testing.host import Entry, FakeHost
from overnight.testing.machine import Gpu, Process
from overnight.testing.waits import Impatient, Waits

SITUATIONS = {
    "run.release": "dependants_released",
    "run.unblock": "dependants_unblocked",
    "run.requeue": "interrupted_and_queued_again",
    "run.recall": "recalled",
    "run.update": "pending_run_changed",
    "run.refuse": "refused_pin",
    "device.restore": "device_restored",
}
"""Events that say by themselves that something rare was reached."""
LATELY, OFTEN = 10.0, 4
"""A run that is kept off more often than this within so many seconds goes round in circles."""
END = 2**62
"""Sequence number after all events."""


class Broken(AssertionError):
    """An invariant does not hold."""


def _cluster_of(event: Event) -> Cluster:
    after = event.payload["after"]
    return Cluster(ClusterType(after["type"]), gpu_count=after["gpu_count"])


@dataclass(slots=True)
class Limits:
    """What a campaign may use."""

    attempts: int | None
    parallel: int | None


class WatchedProjection(Projection):
    """A projection that lets somebody else look at each event as well."""

    def __init__(self, rules: Rules, inspector: Inspector) -> None:
        super().__init__(rules)
        self._inspector = inspector

    def apply(self, event: Event) -> list[Violation]:
        """See `Projection.apply`."""
        found = super().apply(event)
        self._inspector.see(event)
        return found


@dataclass(slots=True)
class Inspector:
    """Knows the truth. `look` after each turn; the hooks `started` and `stopping` at once."""

    store: Store
    """The true one: looking must not cause trouble."""
    chance: Chance
    hosts: Mapping[str, FakeHost]
    copies: FakeCopies
    audit: Audit = field(default_factory=Audit)
    acknowledged: set[str] = field(default_factory=set)
    """Runs whose submission was answered."""
    asked: set[str] = field(default_factory=set)
    """Runs that are being cancelled by somebody right now."""
    forgiven: int = 0
    """Fences up to this one were given out before the record went back to an older copy."""
    highest: int = 0
    """The highest token ever claimed, on every copy of the record."""
    _blind: set[str] = field(default_factory=set)
    """Attempts that got a card of which nobody could say whether memory is left on it: the driver was silent, or others
    of ours were there."""
    _seen: dict[str, int] = field(default_factory=dict)
    """Host -> the highest token that it had seen when the record went back."""
    _stoppable: set[str] = field(default_factory=set)
    """Attempts whose end somebody asked for."""
    _campaign_of: dict[str, str | None] = field(default_factory=dict)
    _limits: dict[str, Limits] = field(default_factory=dict)
    _parallel: dict[str, int | None] = field(default_factory=dict)
    _claims: Counter[str] = field(default_factory=Counter)
    _needed: dict[str, list[str]] = field(default_factory=dict)
    """Attempt -> runs that its run needed when it was claimed, but for skipped ones: what is edited or tried again
    later does not count for it."""
    _refused: dict[str, list[float]] = field(default_factory=dict)
    """Run -> when it was kept off by locks of other homes lately, in true seconds."""
    waits: Waits = field(default_factory=Waits)
    _cluster: Cluster = field(default_factory=Cluster)
    """What the machines are taken for."""
    _session: Session | None = None
    _known: int = 0
    """Events up to this one were looked at on an earlier copy of the record."""

    def __post_init__(self) -> None:
        self._follow_anew()

    def _follow_anew(self) -> None:
        self.audit = Audit()
        self.audit.projection = WatchedProjection(self.audit._rules, self)
        self._claims.clear()
        self._cluster = Cluster()
        self.waits = Waits()

    @property
    def projection(self) -> Projection:
        """What the log says, as far as it was read."""
        return self.audit.projection

    def restored(self, store: Store, acknowledged: set[str]) -> None:
        """The record is an older copy now: what was given out since must not come again."""
        if any(host.machine.live for host in self.hosts.values()):
            self.chance.meet("restored_while_jobs_ran")
        self.store, self.acknowledged = store, acknowledged
        self.forgiven = max(self.forgiven, self.highest)
        self._seen = {name: host.highest_fence for name, host in self.hosts.items()}
        self._follow_anew()
        self._known = int(store.read(lambda session: session.value("event_head") or 0))
        self.look()

    def look(self, *, tables: bool = False) -> None:
        """Read the new events; raises Broken for what they break, and with `tables` for what the tables say else."""

        def check(session: Session) -> list[Violation]:
            self._session = session
            found = list(self.audit.follow(session))
            return found + list(self.audit.compare(session)) if tables else found

        found = self.store.read(check)
        self._session = None
        if found:
            raise Broken("; ".join(f"{it.invariant} {it.subject}: {it.sentence} (event {it.seq})" for it in found[:5]))
        lost = self.acknowledged - self.projection.runs.keys()
        if lost:
            raise Broken(f"acknowledged runs are gone: {sorted(lost)[:3]}")

    def runs_of(self, thing: str) -> set[str]:
        """The runs of whatever an id names."""
        known = self.projection.runs
        if thing in known:
            return {thing}
        sweeps = {thing} | {sweep for sweep, campaign in self._campaign_of.items() if campaign == thing}
        return {run for run, life in known.items() if life.sweep in sweeps}

    # What the log says

    def see(self, event: Event) -> None:
        """One event, after the projection took it in."""
        if event.kind == "campaign.create":
            self._limit(event.subject)
        elif event.kind == "sweep.create":
            self._campaign_of[event.subject] = event.payload["campaign"]
            self._parallel[event.subject] = self._bound(event.subject, event.payload["campaign"])
        elif event.kind == "run.claim":
            self._claimed(event)
        elif event.kind == "cluster.update":
            self._cluster = _cluster_of(event)
        self._wait(event)
        if event.seq > self._known:
            if self.chance.trace is not None:
                self.chance.say(f"  {event.seq} {event.actor}: {event.kind} {event.subject} {dict(event.payload)}")
            self._weigh(event)

    def _wait(self, event: Event) -> None:
        clock = next(iter(self.hosts.values())).machine.clock
        try:
            reached = self.waits.see(event, self._reading(), self.projection, clock.true)
        except Impatient as error:
            raise Broken(str(error)) from error
        if reached and event.seq > self._known:
            self.chance.meet(reached)

    def _bound(self, sweep_id: str, campaign: str | None) -> int | None:
        """How many runs of a sweep may live at once; what takes no device always has a bound."""
        settings = campaigns.get_sweep(self._reading(), sweep_id).settings
        bounded = settings.parallel or (self._limits[campaign].parallel if campaign else None)
        deviceless = not settings.need.gpus and not settings.need.slots and not settings.capacity
        return 1 if deviceless and bounded is None else settings.parallel

    def _reading(self) -> Session:
        assert self._session is not None, "events are looked at while the log is read"
        return self._session

    def _limit(self, campaign_id: str) -> None:
        found = campaigns.get(self._reading(), campaign_id)
        self._limits[campaign_id] = Limits(found.budget.attempts, found.parallel)

    def _claimed(self, event: Event) -> None:
        projection = self.projection
        if self._session is not None:
            needed = self.needed(self._session, event.subject, event.seq)
            self._needed[event.payload["attempt"]] = [run for run in needed if run not in self.waits.skipped]
        sweep = projection.runs[event.subject].sweep
        campaign = self._campaign_of[sweep]
        if event.seq > self._known:
            token = event.payload["token"]
            if token <= self._seen.get(event.payload["target"], 0):
                raise Broken(f"I8: the token {token} comes again ({event.payload['attempt']})")
            self.highest = max(self.highest, token)
            cards = self.hosts[event.payload["target"]].machine.gpus
            if any(card.hidden and device.endswith(card.uuid) for card in cards for device in event.payload["devices"]):
                self._blind.add(event.payload["attempt"])
            if any(len(projection.holders[device]) > 1 for device in event.payload["devices"]):
                self._blind.add(event.payload["attempt"])
                self.chance.meet("gpu_shared")
            self._allowed(sweep, event)
            self._has_room(sweep, event)
            if projection.sweeps[sweep].gate == "paused":
                raise Broken(f"{event.subject} was started although its sweep is paused")
        self._within(f"sweep {sweep}", [sweep], self._parallel[sweep])
        if campaign is None:
            return
        self._claims[campaign] += 1
        limits = self._limits[campaign]
        if projection.campaigns[campaign].gate == "paused":
            raise Broken(f"{event.subject} was started although its campaign is paused")
        if limits.attempts is not None and self._claims[campaign] > limits.attempts:
            raise Broken(f"campaign {campaign} made {self._claims[campaign]} attempts of {limits.attempts}")
        sweeps = [it for it, owner in self._campaign_of.items() if owner == campaign]
        self._within(f"campaign {campaign}", sweeps, limits.parallel)

    def _has_room(self, sweep_id: str, event: Event) -> None:
        """Who brings no bound of its own starts only while fewer are live than the cluster has room for, on a GPU of
        its own or those that it chose, where the machine gives them."""
        settings = campaigns.get_sweep(self._reading(), sweep_id).settings
        if not settings.capacity:
            return
        live = sum(tally[state] for tally in self.projection.tallies.values() for state in LIVE_RUN)
        most = gpu_slots(self._cluster)
        if live > most:
            raise Broken(f"{event.subject} was started as number {live}, the cluster has room for {most}")
        if live == most:
            self.chance.meet("capacity_full")
        pin, given = settings.need.devices, event.payload["devices"]
        wanted = 1 if pin is None else len(pin)
        if self._cluster.type is ClusterType.LOCAL_GPU and len(given) != wanted:
            raise Broken(f"{event.subject} got {given}, {wanted} GPUs are its due")

    def _allowed(self, sweep_id: str, event: Event) -> None:
        """A run gets GPUs of those indices only that it allows."""
        allowed = campaigns.get_sweep(self._reading(), sweep_id).settings.need.devices
        cards = self.hosts[event.payload["target"]].machine.gpus
        places = {
            place for place, card in enumerate(cards) for it in event.payload["devices"] if it.endswith(card.uuid)
        }
        if allowed is not None and not places <= set(allowed):
            raise Broken(f"{event.subject} got the GPUs {sorted(places)}, only {list(allowed)} are allowed")

    def _within(self, noun: str, sweeps: Iterable[str], parallel: int | None) -> None:
        if parallel is not None:
            live = sum(self.projection.tallies[sweep][state] for sweep in sweeps for state in LIVE_RUN)
            if live > parallel:
                raise Broken(f"{noun} runs {live} at once, {parallel} are allowed")

    def _weigh(self, event: Event) -> None:
        """Compare an event with the truth."""
        if event.kind in {"attempt.exit", "attempt.lose", "attempt.refuse"}:
            self._over(event)
        elif event.kind == "attempt.order_stop":
            if event.payload.get("reason") == Reason.HANG:
                self._hangs(event)
            elif event.payload["run"] not in self.asked:
                raise Broken(f"I17: nobody asked for the end of {event.subject}")
            self._stoppable.add(event.subject)
            if not self._processes(event.subject, self.projection.attempts[event.subject].fence):
                self.chance.meet("cancelled_while_launching")
        elif event.kind == "run.succeed":
            self._succeeded(event)
        elif event.kind in {"fetch.complete", "fetch.fail", "run.cancel"}:
            self._weigh_copy(event)
        elif event.kind == "run.claim":
            self._weigh_claim(event)
        elif event.kind == "run.block" and event.payload["reason"] == Reason.BREAKER:
            self.chance.meet("sweep_broken")
        elif event.kind == "run.block" and event.payload["reason"] in {Reason.BUDGET, Reason.NEED_FAILED}:
            self.chance.meet("budget_blocked" if event.payload["reason"] == "budget" else "dependants_blocked")
        elif event.kind in SITUATIONS:
            self.chance.meet(SITUATIONS[event.kind])

    def _weigh_claim(self, event: Event) -> None:
        if self._reading().rows("run_config", id=event.subject)[0][1]:
            self.chance.meet("smaller_setting_taken")
        sweep = campaigns.get_sweep(self._reading(), self.projection.runs[event.subject].sweep)
        if event.payload["target"] != sweep.settings.targets[0]:
            self.chance.meet("first_candidate_passed_over")

    def _look_at_locks(self, event: Event) -> None:
        """Another home was quicker: that is nobody's failure, and no reason to try again and again."""
        attempt = runs.get_attempt(self._reading(), event.subject)
        record = attempt and self.hosts[attempt.target].records.get(attempt.folder)
        kept_off = record and record["fence"] == event.token and record["reason"] == "device_held"
        if event.payload["reason"] == Reason.DEVICE_HELD:
            self._kept_off(event)
        elif kept_off and event.kind == "attempt.exit":
            raise Broken(f"{event.subject} counts as {event.payload['reason']}, but another home kept it off its GPU")

    def _kept_off(self, event: Event) -> None:
        self.chance.meet("kept_off_by_a_lock")
        now = next(iter(self.hosts.values())).machine.clock.true
        lately = [it for it in self._refused.get(event.payload["run"], ()) if now - it < LATELY]
        self._refused[event.payload["run"]] = [*lately, now]
        if len(lately) >= OFTEN:
            raise Broken(f"{event.payload['run']} was kept off {len(lately)} times within {LATELY:.0f} s")

    def _hangs(self, event: Event) -> None:
        """Only what truly stands still, and has for the time that was declared, is ended for it."""
        processes = self._processes(event.subject, event.token)
        if not processes or not processes[-1].behaviour.hangs:
            raise Broken(f"I17: {event.subject} is to end because it hangs, but it does not")
        sweep = self.projection.runs[event.payload["run"]].sweep
        declared = campaigns.get_sweep(self._reading(), sweep).settings.hang
        lived = max(host.machine.clock.true for host in self.hosts.values()) - processes[-1].started
        if declared is None or lived < declared:
            raise Broken(f"I17: {event.subject} is to end as hung after {lived:.0f} s, {declared} are declared")
        self.chance.meet("hang_ended")

    def _processes(self, attempt: str, fence: int) -> list[Process]:
        return [
            process
            for host in self.hosts.values()
            for process in host.machine.history
            if (process.attempt, process.fence) == (attempt, fence)
        ]

    def _over(self, event: Event) -> None:
        """An attempt that ended on record has ended in truth, as the record says."""
        processes = self._processes(event.subject, event.token)
        if any(process.ended is None and not process.unbound for process in processes):
            raise Broken(f"I9, I17: {event.kind} of {event.subject}, whose process lives")
        self._note_dirt(processes)
        if "lease" in event.payload:
            self.chance.meet("lost_by_lease")
        elif event.payload["reason"] == Reason.LEASE_LOST:
            self.chance.meet("ended_by_lease_there")
        self._look_at_locks(event)
        if event.kind == "attempt.refuse":
            self.chance.meet("cancelled_before_start")
            if processes:
                raise Broken(f"I17: {event.subject} is said never to have been started, but it was")
        if event.kind == "attempt.exit":
            kept = runs.get_attempt(self._reading(), event.subject)
            if kept is not None and kept.record is not None and kept.record["fence"] != event.token:
                raise Broken(f"I11: {event.subject} was ended by the record of {kept.record['fence']}")
        if event.kind == "attempt.exit" and processes:
            last = processes[-1]
            code = last.behaviour.code if last.cause == "itself" else None
            if code != event.payload["code"]:
                raise Broken(f"{event.subject} ended with {code}, the record says {event.payload['code']}")

    def _weigh_copy(self, event: Event) -> None:
        if event.kind == "fetch.complete":
            self._copied(event)
        elif event.kind == "run.cancel" and self._was_collecting(event):
            self.chance.meet("ended_otherwise_while_collecting")
        elif event.kind == "fetch.fail":
            self.chance.meet("copy_given_up")
            if event.subject not in self.copies.given_up:
                raise Broken(f"I25: what {event.subject} left was given up though its host never lied about it")

    def _copied(self, event: Event) -> None:
        """What is said to be here is here, byte for byte as it lies on the host where it was left."""
        for job, fetched, files in self.copies.whole.values():
            if job.attempt == event.subject and fetched.digest == event.payload["digest"]:
                if files != self.hosts[self._target_of(event.subject)].left.get(job.folder, {}):
                    raise Broken(f"I25: the copy of what {event.subject} left is another one than on {job.target}")
                return
        raise Broken(f"I25: what {event.subject} left is said to be here, but is not")

    def _target_of(self, attempt: str) -> str:
        return self.projection.attempts[attempt].target

    def _was_collecting(self, event: Event) -> bool:
        ended = [self.projection.runs[run].newest or "" for run in event.payload.get("ids", (event.subject,))]
        fetches = self.projection.homecoming.fetches
        return any(fetches[attempt].state == "pending" for attempt in ended if attempt in fetches)

    def _note_dirt(self, processes: list[Process]) -> None:
        for host in self.hosts.values():
            cards = [card for process in processes for card in host.machine.used_by(process)]
            if any(card.dirty_until > host.machine.clock.true for card in cards):
                self.chance.meet("gpu_kept_until_clean")

    def _succeeded(self, event: Event) -> None:
        attempt = event.payload["attempt"]
        processes = self._processes(attempt, event.token)
        declared = json.loads(self._reading().value("run_config", id=event.subject))["outputs"]
        if self._target_of(attempt) != "here":
            self._collected(attempt)
        last = processes[-1] if processes else None
        if last is None or last.cause != "itself" or last.behaviour.code != 0:
            raise Broken(f"I12: {event.subject} succeeded, but {attempt} did not end with code 0")
        if declared and not last.behaviour.output:
            raise Broken(f"I25: {event.subject} succeeded without the outputs of {attempt}")
        if attempt in self._stoppable:
            self.chance.meet("success_while_cancelling")

    def _collected(self, attempt: str) -> None:
        """Nothing of another machine succeeds before all that it left is here."""
        if not any(job.attempt == attempt for job, _, _ in self.copies.whole.values()):
            raise Broken(f"I25: {attempt} succeeded, but what it left is not here")
        self.chance.meet("collected")

    # What happens on hosts

    def started(self, process: Process) -> None:
        """A process began: nothing else of its run may live, its devices must be its own, and it must be wanted."""
        self.look()
        for host in self.hosts.values():
            for other in host.machine.live:
                if other is not process and not other.unbound:
                    self._apart(process, other)
        self._clean(process)
        if process.fence > self.forgiven:
            self._wanted(process)

    def _apart(self, process: Process, other: Process) -> None:
        stranger = min(process.fence, other.fence) <= self.forgiven
        if other.run == process.run and (not stranger or other.boot_id == process.boot_id):
            raise Broken(f"I10: {process.attempt} was started while {other.attempt} lives")
        if stranger:
            return  # the record went back: nobody can know of it before its host was asked
        mine = self.projection.attempts.get(process.attempt)
        its = self.projection.attempts.get(other.attempt)
        shared = set(process.gpus) & set(other.gpus) if process.boot_id == other.boot_id else set()
        if mine and its and mine.fence == process.fence and its.fence == other.fence:
            shared |= set(mine.devices) & set(its.devices)
            if min(mine.share, its.share) > 1:
                return  # the log says how many may: I18 at each claim
        if shared:
            raise Broken(f"I18: {process.attempt} was started on {sorted(shared)} of {other.attempt}")

    def _clean(self, process: Process) -> None:
        for host in self.hosts.values():
            if host.machine.boot_id != process.boot_id:
                continue
            for gpu in host.machine.used_by(process):
                dirty = gpu.dirty_until > host.machine.clock.true and process.attempt not in self._blind
                if dirty and process.fence > self.forgiven:
                    raise Broken(f"I20: {process.attempt} was started on {gpu.uuid}, whose memory is not back")
                self._fits(gpu, host.machine.on(gpu))

    def _fits(self, gpu: Gpu, there: list[Process]) -> None:
        """Runs that share a card never need more than all of its memory: each has run before, or is alone."""
        known = [process for process in there if process.fence > self.forgiven]
        if len(known) > 1 and sum(process.mib for process in known) > gpu.memory_mib:
            raise Broken(
                f"{[process.attempt for process in known]} need more than the {gpu.memory_mib} MiB of {gpu.uuid}"
            )

    def _wanted(self, process: Process) -> None:
        attempt = self.projection.attempts.get(process.attempt)
        if attempt is None or attempt.fence != process.fence:
            raise Broken(f"{process.attempt} was started without a claim on record")
        if attempt.state not in LIVE_ATTEMPT:
            raise Broken(f"I15: {process.attempt} was started although it is {attempt.state} on record")
        expected = {device.rpartition("/")[2] for device in attempt.devices if "/slot" not in device}
        if expected != set(process.gpus):
            raise Broken(f"I18: {process.attempt} sees {process.gpus}, it was given {sorted(expected)}")
        unmet = self.store.read(lambda session: self._unmet(session, process.attempt))
        if unmet:
            raise Broken(f"I14: {process.attempt} was started, but {unmet[0]} never succeeded")

    def _unmet(self, session: Session, attempt: str) -> list[str]:
        return [run for run in self._needed[attempt] if not self._truly_succeeded(session, run)]

    def needed(self, session: Session, run_id: str, seq: int = END) -> list[str]:
        """Every run that must have succeeded before this one starts, by what was asked for until the event `seq`."""
        needed: list[str] = [run for run, since in session.rows("audit_run_needs", run_id=run_id) if since < seq]
        for sweep, since in session.rows("audit_sweep_needs", id=self.projection.runs[run_id].sweep):
            found = session.rows("runs_of_sweep", sweep_id=sweep, after=0, limit=10_000) if since < seq else []
            needed += [row[0] for row in found if row[6] != Reason.REMOVED and row[0] in self.projection.runs]
        return needed

    def _truly_succeeded(self, session: Session, run: str) -> bool:
        declared = json.loads(session.value("run_config", id=run))["outputs"]
        return any(
            process.run == run
            and process.cause == "itself"
            and process.behaviour.code == 0
            and (process.behaviour.output or not declared)
            for host in self.hosts.values()
            for process in host.machine.history
        )

    def wants(self, process: Process) -> bool:
        """Whether the record says that this process should live."""
        attempt = self.projection.attempts.get(process.attempt)
        if attempt is None or attempt.fence != process.fence or attempt.state not in LIVE_ATTEMPT:
            return False
        return attempt.state != "stopping" and self.projection.runs[process.run].state == "running"

    def heard(self, news: News) -> None:
        """The server hears something: perhaps of what was over long ago."""
        attempt = self.projection.attempts.get(news.attempt)
        if attempt is not None and (attempt.state not in LIVE_ATTEMPT or attempt.fence != news.fence):
            self.chance.meet("late_news_ignored")

    def killed(self, stranger: str) -> None:
        """A process that never was ours got a signal of ours."""
        raise Broken(f"a stranger was killed: {stranger}")

    def stopping(self, entry: Entry) -> None:
        """A stop order reaches an attempt: somebody must have asked for it, or the record must have gone back."""
        self.look()
        fence = entry.launch.fence
        if fence > self.forgiven and entry.launch.attempt not in self._stoppable:
            raise Broken(f"I17: a healthy job is killed: {entry.launch.attempt}, nobody asked for it")
