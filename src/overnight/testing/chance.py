"""Where a simulation's luck is decided and counted: which faults happen, and which rare situations were reached."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

KINDS = (
    "server_crash",
    "server_crash_in_transaction",
    "store_refuses_write",
    "store_refuses_read",
    "store_reply_lost",
    "store_restored",
    "clock_forward",
    "clock_back",
    "suspend",
    "link_broken",
    "partition",
    "start_not_sent",
    "start_cut_off",
    "start_late",
    "start_twice",
    "observe_unknown",
    "observe_silent",
    "stop_not_sent",
    "stop_reply_lost",
    "owned_unavailable",
    "forget_lost",
    "offers_unavailable",
    "news_lost",
    "news_late",
    "news_twice",
    "news_shuffled",
    "runner_killed",
    "launch_lost_with_runner",
    "executor_killed",
    "orphaned",
    "host_reboot",
    "record_lost_in_reboot",
    "journal_lost_in_reboot",
    "disk_full",
    "start_failed",
    "gpu_used_by_strangers",
    "gpu_lost",
    "gpu_fault",
    "gpu_says_nothing",
    "gpu_memory_lingers",
    "job_killed_by_others",
    "job_ignores_sigterm",
    "job_ends_as_stop_arrives",
    "job_hangs",
    "reply_lost_to_actor",
    "files_unavailable",
    "room_low",
    "errand_waits",
    "errand_answers_late",
    "half_open",
    "server_killed_while_leases_run",
    "far_away",
    "renewal_late",
    "renewal_lost",
    "lease_ends_late",
    "copy_cut",
    "copy_wrong_bytes",
    "copy_changed",
    "copy_unreadable",
    "copy_no_room",
    "device_locked",
    "device_locked_meanwhile",
    "pid_reused",
)
"""Every kind of fault that can be injected."""

SOMETIMES = (
    "pending_run_changed",
    "other_token_refused",
    "late_start_adopted",
    "repeated_start_ignored",
    "uncertain_start_sent_again",
    "stranger_stopped",
    "late_news_ignored",
    "cancelled_before_start",
    "cancelled_while_launching",
    "success_while_cancelling",
    "ended_while_server_was_down",
    "ended_while_nobody_listened",
    "dead_without_record",
    "interrupted_and_queued_again",
    "dependants_released",
    "dependants_blocked",
    "dependants_unblocked",
    "budget_blocked",
    "answer_replayed",
    "resubmission_resumed",
    "gpu_kept_until_clean",
    "gpu_shared",
    "smaller_setting_taken",
    "sweep_broken",
    "hang_ended",
    "device_restored",
    "clock_back_while_delayed",
    "restored_while_jobs_ran",
    "never_fits",
    "started_when_its_files_were_there",
    "skipped_as_done",
    "blocked_for_missing_files",
    "barrier_passed",
    "held_and_released",
    "ready_run_started",
    "reported_by_others",
    "capacity_full",
    "refused_pin",
    "collected",
    "copy_went_on",
    "copy_given_up",
    "ended_otherwise_while_collecting",
    "ended_by_lease_there",
    "lost_by_lease",
    "came_after_its_lease",
    "order_swallowed",
    "kept_off_by_a_lock",
    "first_candidate_passed_over",
)
"""Situations that enough simulations must reach, or they prove little."""


@dataclass(slots=True)
class Chance:
    """One seed's luck. `rates` says how likely each kind is when there is an occasion; nothing happens once `calm`."""

    rng: random.Random
    rates: Mapping[str, float]
    calm: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    reached: Counter[str] = field(default_factory=Counter)
    trace: list[str] | None = None
    """What happened, line by line, when somebody wants to read it."""

    def hits(self, kind: str) -> bool:
        """Whether the fault of this kind happens on this occasion; counts it."""
        rate = self.rates.get(kind, 0.0)
        if self.calm or not rate or self.rng.random() >= rate:
            return False
        self.faults[kind] += 1
        self.say(f"! {kind}")
        return True

    def meet(self, situation: str) -> None:
        """Note that a rare situation was reached."""
        self.reached[situation] += 1

    def say(self, line: str) -> None:
        """Keep a line of the trace."""
        if self.trace is not None:
            self.trace.append(line)


def rates_for(rng: random.Random) -> dict[str, float]:
    """How likely each kind of fault is in one simulation: most kinds are rare or absent, some come often."""
    weather = rng.choice((0.3, 1.0, 1.0, 2.5))
    return {kind: weather * rng.choice(_USUAL.get(kind, (0.0, 0.02, 0.1))) for kind in KINDS}


_USUAL: Mapping[str, tuple[float, ...]] = {
    "server_crash": (0.0, 0.01, 0.03),
    "server_crash_in_transaction": (0.0, 0.01, 0.03),
    "store_refuses_write": (0.0, 0.01, 0.05),
    "store_refuses_read": (0.0, 0.003, 0.01),
    "store_reply_lost": (0.0, 0.005, 0.02),
    "store_restored": (0.0, 0.0, 0.3),
    "clock_forward": (0.0, 0.0, 0.02),
    "clock_back": (0.0, 0.0, 0.02),
    "suspend": (0.0, 0.0, 0.02),
    "start_twice": (0.0, 0.1),
    "stop_not_sent": (0.0, 0.3, 0.8),
    "launch_lost_with_runner": (0.5,),
    "host_reboot": (0.0, 0.0, 0.02),
    "runner_killed": (0.0, 0.01, 0.04),
    "executor_killed": (0.0, 0.02, 0.15),
    "link_broken": (0.0, 0.01, 0.05),
    "partition": (0.0, 0.0, 0.03),
    "pid_reused": (0.7,),
    "device_locked": (0.0, 0.0, 0.05),
    "device_locked_meanwhile": (0.0, 0.05, 0.2),
    "half_open": (0.0, 0.02, 0.06),
    "far_away": (0.0, 0.05, 0.15),
    "server_killed_while_leases_run": (0.0, 0.3),
    "renewal_late": (0.1, 0.5),
    "renewal_lost": (0.0, 0.3),
    "lease_ends_late": (0.3, 0.9),
    "copy_unreadable": (0.0, 0.0, 0.1),
    "job_killed_by_others": (0.0, 0.02),
    "job_ends_as_stop_arrives": (0.2, 0.5),
    "job_ignores_sigterm": (0.1, 0.3),
    "job_hangs": (0.0, 0.3),
    "orphaned": (0.3,),
    "record_lost_in_reboot": (0.3,),
    "journal_lost_in_reboot": (0.2,),
    "gpu_memory_lingers": (0.0, 0.2, 0.5),
}
"""Rates where the usual choice does not fit: the occasion is frequent, or the damage great."""
