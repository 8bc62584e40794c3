"""What is said of runs that have an attempt under way, or whose files are on their way here."""

from __future__ import annotations

from shlex import quote

from overnight.domain.nouns import Attempt
from overnight.planner.candidates import Lost, not_reached
from overnight.planner.situation import Explanation, Situation
from overnight.planner.watch import length


def running(situation: Situation) -> Explanation:
    """It runs, is being started, or nobody can say."""
    attempt = situation.attempt
    if attempt is not None and attempt.target in situation.lost:
        return _unknown(situation, attempt, situation.lost[attempt.target])
    if attempt is None or attempt.state == "launching":
        return Explanation("launching", "it is being started")
    return Explanation(
        "running",
        f"attempt {attempt.number} runs on {attempt.target} ({', '.join(attempt.devices)})",
        (f"overnight logs {situation.run.id} -f", f"overnight cancel {situation.run.id}"),
    )


def _unknown(situation: Situation, attempt: Attempt, lost: Lost) -> Explanation:
    """Nobody can say how it is; nothing changes by that alone."""
    settings = situation.sweep.settings
    where = f"attempt {attempt.number} on {attempt.target} is unknown: {not_reached(lost, situation.now)}"
    return Explanation(
        "unknown",
        f"{where}; {_AFTER_LEASE[settings.on_disconnect].format(lease=length(settings.lease))}",
        (f"overnight doctor {quote(attempt.target)}", f"overnight cancel {situation.run.id}"),
    )


_AFTER_LEASE = {
    "hold": "it goes on there, and what became of it is settled when the target answers again",
    "requeue": "the host ends it once it has not heard of this server for {lease}, and then it is started again",
    "kill": "the host ends it once it has not heard of this server for {lease}, and then it counts as failed",
}


def cancelling(situation: Situation) -> Explanation:
    """A stop was ordered."""
    attempt = situation.attempt
    sentence = "a stop was ordered; it stands until its processes are proven gone"
    if attempt is None or attempt.target not in situation.lost:
        return Explanation("cancelling", sentence)
    why = not_reached(situation.lost[attempt.target], situation.now)
    ways = (f"overnight doctor {quote(attempt.target)}",)
    return Explanation("cancelling", f"{sentence}; {attempt.target}: {why}", ways)


def collecting(situation: Situation) -> Explanation:
    """It ended well on another machine: how long its files have been on their way, and what keeps them."""
    fetch, ways = situation.fetch, (f"overnight show {situation.run.id}", f"overnight cancel {situation.run.id}")
    if fetch is None:
        return Explanation("collecting", "it ended well, and what it left is being copied here", ways[:1])
    age = length(max(0.0, situation.now - fetch.created_at))
    sentence = f"it ended well, and what it left on {fetch.target} has been on its way here for {age}"
    lost = situation.lost.get(fetch.target)
    if lost is not None:
        why = f"; {fetch.target}: {not_reached(lost, situation.now)}"
    elif fetch.problem is not None:
        soon = max(0.0, (fetch.not_before or 0.0) - situation.now)
        why = f"; the last try failed ({fetch.problem}), the next one is due in {soon:.0f} s"
    else:
        return Explanation("collecting", sentence, ways)
    return Explanation("collecting", sentence + why, (f"overnight doctor {quote(fetch.target)}", *ways))
