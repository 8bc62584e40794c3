"""What a person or agent may do next, as sentences with commands. Commands are made of ids: no shell misreads them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from overnight.domain.nouns import Campaign
from overnight.domain.reasons import Reason
from overnight.domain.states import OPEN_RUN
from overnight.reports.cells import SweepResults
from overnight.reports.failures import FailureGroup
from overnight.reports.figures import not_finite
from overnight.reports.visible import visible
from overnight.reports.winner import ENOUGH, Best, Contrast, Noise

LONGEST_DETAIL = 200
"""Characters of a detail that a step repeats: a path should still be whole."""
MOST_REPLICATES = 1_000
"""No advice to run more replicates than these: such a difference does not matter."""


@dataclass(frozen=True, slots=True)
class Step:
    """A sentence safe to print, and perhaps the command that does what it says."""

    text: str
    command: str | None = None

    def __str__(self) -> str:
        return f"{self.text}: {self.command}" if self.command else self.text


def next_steps(
    campaign: Campaign,
    counts: Mapping[str, int],
    failures: Sequence[FailureGroup],
    results: Sequence[SweepResults],
    winner: Best | None,
) -> tuple[Step, ...]:
    """The most useful first; never empty."""
    found = [
        *_open(campaign, counts),
        *_failed(campaign, failures),
        *_cancelled(campaign, counts),
        *_odd_values(campaign, results),
        *_winner(campaign, counts, results, winner),
    ]
    return tuple(found) or (Step("Nothing is left to do; all of it", f"overnight show {campaign.id}"),)


def _open(campaign: Campaign, counts: Mapping[str, int]) -> list[Step]:
    still = sum(counts[state] for state in OPEN_RUN)
    if not still:
        return []
    if campaign.gate == "paused":
        return [Step(f"{_runs(still)} not over and the campaign is paused. Go on", f"overnight resume {campaign.id}")]
    return [Step(f"{_runs(still)} not over yet. Look", f"overnight show {campaign.id}")]


def _runs(number: int) -> str:
    return f"{number} run is" if number == 1 else f"{number} runs are"


def _failed(campaign: Campaign, failures: Sequence[FailureGroup]) -> list[Step]:
    steps = [step for group in failures for step in _of_reason(campaign, group)]
    told = any(group.reason == Reason.BREAKER for group in failures)
    if not told and any(run.state == "failed" for group in failures for run in group.runs):
        again = "Try the failed runs again, and what they block"
        steps.append(Step(again, f"overnight retry {campaign.id} --failed"))
    return steps


def _of_reason(campaign: Campaign, group: FailureGroup) -> list[Step]:
    """What the reason itself asks for, or a look at the first run that has it."""
    first = group.runs[0]
    detail = f" ({visible(first.detail, LONGEST_DETAIL)})" if first.detail else ""
    own: dict[str, tuple[Step, ...]] = {
        Reason.NEED_FAILED: (),
        Reason.BUDGET: (Step("Raise the budget in the campaign file and submit it again to run what is left."),),
        Reason.BREAKER: (
            Step(
                f"The first runs of {visible(first.sweep)} failed in the same way, so the rest was not started. "
                "Correct the cause, then go on",
                f"overnight retry {campaign.id} --failed",
            ),
        ),
        Reason.PRECONDITION_MISSING: (
            Step(
                f"Provide what {visible(first.name)} requires{detail}, then try again", f"overnight retry {campaign.id}"
            ),
        ),
        Reason.DISK_FULL: (Step(f"Make room on the disk that was full{detail}; what may be done", "overnight doctor"),),
        Reason.VRAM_OOM: (
            _look(group),
            Step(
                "Declare smaller settings in the campaign file (oom: {smaller: [{batch: 16}]}) or ask for a larger GPU."
            ),
        ),
    }
    return list(own.get(group.reason, (_look(group),)))


def _look(group: FailureGroup) -> Step:
    first = group.runs[0]
    return Step(f"Find out why {visible(first.name)} {first.state_in_words} ({visible(group.meaning)})", first.next)


def _cancelled(campaign: Campaign, counts: Mapping[str, int]) -> list[Step]:
    if not counts["cancelled"]:
        return []
    return [Step(f"{_runs(counts['cancelled'])} cancelled. Try again", f"overnight retry {campaign.id}")]


def _odd_values(campaign: Campaign, results: Sequence[SweepResults]) -> list[Step]:
    if campaign.goal is None:
        return []
    metric = campaign.goal.metric
    for sweep in results:
        for cell in sweep.cells:
            for point in cell.spread(metric).not_finite:
                where = cell.ids[cell.runs.index(point.run)]
                said = f"{visible(metric)} of {visible(point.run)} is {not_finite(point.value)}"
                return [Step(f"{said}. See what happened", f"overnight logs {where}")]
    return []


def _winner(
    campaign: Campaign, counts: Mapping[str, int], results: Sequence[SweepResults], winner: Best | None
) -> list[Step]:
    if campaign.goal is None:
        return [Step("Name a goal in the campaign file (goal: {metric: …}) to have the configurations ranked.")]
    if winner is None:
        return _unranked(campaign.goal.metric, counts, results)
    if winner.runner_up is None:
        return []
    return [*_more_replicates(winner, winner.runner_up), _compare(winner, winner.runner_up)]


def _unranked(metric: str, counts: Mapping[str, int], results: Sequence[SweepResults]) -> list[Step]:
    reported = dict.fromkeys(name for sweep in results for name in sweep.metrics)
    if metric in reported or not counts["succeeded"]:
        return []
    seen = f"they reported {', '.join(visible(name) for name in list(reported)[:8])}" if reported else "nothing at all"
    said = f"No run that succeeded reported {visible(metric)}; {seen}"
    return [Step(f"{said}. Check the goal's name and what runs print.")]


def _more_replicates(winner: Best, second: Contrast) -> list[Step]:
    if second.noise is Noise.UNKNOWN:
        pair = f"{winner.cell.title} and {second.cell.title}"
        return [Step(f"Run {pair} with more seeds: single values say nothing of noise.")]
    if second.noise is not Noise.WITHIN or not second.ratio:
        return []
    needed = math.ceil(max(winner.spread.n, second.spread.n) * (ENOUGH / second.ratio) ** 2 - 1e-9)
    if needed > MOST_REPLICATES:
        return []
    return [
        Step(f"About {needed} replicates of each of the two best would tell them apart, if the difference is real.")
    ]


def _compare(winner: Best, second: Contrast) -> Step:
    ours = _an_id(winner.cell.runs, winner.cell.ids, winner.spread.points[0].run)
    theirs = _an_id(second.cell.runs, second.cell.ids, second.spread.points[0].run)
    return Step("Set the two best side by side", f"overnight compare {ours} {theirs}")


def _an_id(runs: Sequence[str], ids: Sequence[str], name: str) -> str:
    return ids[runs.index(name)]
