"""Counts, lengths, results over replicates, the winner and the noise, failures and next steps, with figures by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from overnight.domain.plan import Direction, Goal
from overnight.domain.states import RUN
from overnight.reports.encode import strict, to_json
from overnight.reports.material import RunMaterial
from overnight.reports.summary import Summary, summarise
from overnight.reports.winner import Noise
from tests.reports.worlds import ACCURACY, HOSTILE, LOSS, START, digits, material, run, seeds, sweep

NAN = float("nan")


def of(*runs: Any, goal: Goal | None = ACCURACY, **given: Any) -> Summary:
    return summarise(material([sweep("grid", runs)], goal=goal, **given))


def strictly(summary: Summary) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(to_json(summary), allow_nan=False))
    return read


def test_counts_name_every_state_and_the_total() -> None:
    summary = of(run("a"), run("b", state="failed", reason="nonzero_exit"), run("c", state="queued"))
    assert set(summary.counts) == {*RUN.states, "total"}
    assert {state: count for state, count in summary.counts.items() if count} == {
        "succeeded": 1,
        "failed": 1,
        "queued": 1,
        "total": 3,
    }


def test_a_phase_lasts_from_its_first_start_to_its_last_end() -> None:
    runs = [
        run("a", started_at=START + 5, ended_at=START + 9),
        run("b", started_at=START + 7, ended_at=START + 47.5, attempts=2),
        run("c", state="blocked", reason="need_failed"),
    ]
    (phase,) = of(*runs).phases
    assert (phase.runs, phase.succeeded, phase.failed, phase.other, phase.retried) == (3, 2, 0, 1, 1)
    assert phase.seconds == 42.5


def test_an_open_phase_lasts_until_now_and_one_that_never_started_has_no_length() -> None:
    summary = summarise(
        material(
            [sweep("one", [run("a", state="running", started_at=START + 5)]), sweep("two", [run("b", state="queued")])],
            settled_at=None,
            now=START + 30,
        )
    )
    assert [phase.seconds for phase in summary.phases] == [25.0, None]
    assert summary.wall_seconds == 30.0
    assert not summary.over


def test_a_clock_that_was_set_back_makes_no_negative_length() -> None:
    summary = of(run("a", started_at=START, ended_at=START - 5), settled_at=START - 5)
    assert summary.wall_seconds == 0.0
    assert summary.phases[0].seconds == 0.0


def test_the_headline_says_what_ended_how() -> None:
    summary = of(run("a"), run("b", attempts=3), run("c", state="failed", reason="killed"))
    assert summary.headline == "3 runs: 2 succeeded (1 after a retry), 1 failed, in 1 min 00 s."


def test_mean_and_sample_deviation_are_over_the_replicates() -> None:
    (cell,) = of(*seeds("accuracy", [0.90, 0.92, 0.97], width=8)).results[0].cells
    spread = cell.spreads["accuracy"]
    assert spread.n == 3
    assert spread.mean == pytest.approx(0.93)
    assert spread.deviation == pytest.approx(math.sqrt((0.03**2 + 0.01**2 + 0.04**2) / 2))
    assert (spread.least, spread.most) == (0.90, 0.97)
    assert cell.parameters == {"width": 8}


def test_the_replicates_of_a_cell_are_never_compared_with_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell of ten thousand seeds would take fifty million comparisons."""

    def compared(one: RunMaterial, other: object) -> bool:
        raise AssertionError("two runs were compared")

    monkeypatch.setattr(RunMaterial, "__eq__", compared)
    (cell,) = of(*seeds("accuracy", [0.1, 0.2, 0.3], width=8)).results[0].cells
    assert cell.spreads["accuracy"].n == 3


def test_cells_are_labelled_by_what_varies_only() -> None:
    runs = [*seeds("accuracy", [0.1, 0.2], width=4, model="a"), *seeds("accuracy", [0.3, 0.4], width=8, model="a")]
    results = of(*runs).results[0]
    assert results.varied == ("width",)
    assert [cell.label for cell in results.cells] == ["width=4", "width=8"]


def test_values_that_only_look_alike_make_cells_of_their_own() -> None:
    runs = [run(f"r{place}", {"accuracy": 1.0}, parameters={"x": x}) for place, x in enumerate([1, 1.0, True, "1"])]
    assert len(of(*runs).results[0].cells) == 4


def test_runs_with_the_very_same_parameters_are_not_replicates_of_each_other() -> None:
    runs = [run("first", {"accuracy": 0.1}), run("second", {"accuracy": 0.9})]
    cells = of(*runs).results[0].cells
    assert [cell.label for cell in cells] == ["first", "second"]
    assert [cell.spreads["accuracy"].n for cell in cells] == [1, 1]


def test_a_replicate_that_failed_is_listed_and_its_numbers_do_not_count() -> None:
    good = seeds("accuracy", [0.5, 0.7], width=8)
    broken = run("broken", {"accuracy": 99.0}, parameters={"width": 8, "seed": 2}, state="failed", reason="killed")
    (cell,) = of(*good, broken).results[0].cells
    assert cell.spreads["accuracy"].mean == pytest.approx(0.6)
    assert [(gap.run, gap.state, gap.reason) for gap in cell.missing] == [("broken", "failed", "killed")]


def test_a_run_that_succeeded_without_the_metric_is_listed_as_silent() -> None:
    quiet = run("quiet", {"loss": 1.0}, parameters={"width": 8, "seed": 2})
    (cell,) = of(*seeds("accuracy", [0.5], width=8), quiet).results[0].cells
    assert cell.spreads["accuracy"].silent == ("quiet",)


def test_a_nan_is_kept_beside_the_mean_and_its_cell_cannot_win() -> None:
    summary = of(*seeds("accuracy", [0.99, NAN, 0.97], width=4), *seeds("accuracy", [0.5, 0.6], width=8))
    spread = summary.results[0].cells[0].spreads["accuracy"]
    assert (spread.n, spread.mean) == (2, pytest.approx(0.98))
    assert [point.run for point in spread.not_finite] == ["width4-s1"]
    assert summary.winner is not None
    assert summary.winner.cell.label == "width=8"
    assert summary.winner.beside == ("Not ranked: grid width=4 (1 of 3 values NaN).",)
    assert any("accuracy of width4-s1 is NaN" in step.text for step in summary.next)


def test_json_has_strings_for_what_it_has_no_numbers_for() -> None:
    values = [NAN, math.inf, -math.inf]
    told = strictly(of(*seeds("accuracy", values, rate=NAN)))
    cell = told["results"][0]["cells"][0]
    assert list(cell["metrics"]["accuracy"]["values"].values()) == ["NaN", "Infinity", "-Infinity"]
    assert cell["metrics"]["accuracy"]["mean"] is None
    assert cell["metrics"]["accuracy"]["not_finite"] == 3
    assert cell["parameters"] == {"rate": "NaN"}
    assert told["winner"] is None


def test_strict_reaches_into_everything() -> None:
    assert strict({"a": [NAN, {"b": (math.inf, 1)}]}) == {"a": ["NaN", {"b": ["Infinity", 1]}]}


def test_huge_values_neither_raise_nor_turn_into_nothing() -> None:
    (cell,) = of(*seeds("accuracy", [1.7e308, 1.7e308, 1.6e308])).results[0].cells
    spread = cell.spreads["accuracy"]
    assert spread.mean == pytest.approx(1.6666666666666667e308)
    assert spread.deviation == pytest.approx(1e307 / math.sqrt(3))


def test_the_winner_within_the_noise_is_called_so() -> None:
    summary = of(*seeds("accuracy", [0.90, 0.92, 0.94], width=4), *seeds("accuracy", [0.91, 0.93, 0.95], width=8))
    winner = summary.winner
    assert winner is not None
    assert winner.runner_up is not None
    assert winner.runner_up.advantage == pytest.approx(0.01)
    assert winner.runner_up.pooled == pytest.approx(0.02)
    assert winner.runner_up.error == pytest.approx(0.02 * math.sqrt(2 / 3))
    assert winner.runner_up.ratio == pytest.approx(0.6123724)
    assert winner.sentence == (
        "grid width=8 won: accuracy 0.930 ± 0.020 (n=3), 0.010 above grid width=4 (0.920 ± 0.020, n=3), "
        "0.61 standard errors: within the noise."
    )
    # 3 replicates * (2 / 0.612)^2 = 32.0
    assert any("About 32 replicates" in step.text for step in summary.next)


def test_the_winner_above_the_noise_is_called_so_and_minimising_is_honoured() -> None:
    runs = [*seeds("loss", [0.50, 0.52, 0.54], width=4), *seeds("loss", [0.30, 0.31, 0.32], width=8)]
    runs += seeds("loss", [0.90, 0.91, 0.92], width=16)
    winner = of(*runs, goal=LOSS).winner
    assert winner is not None
    assert winner.cell.label == "width=8"
    assert winner.runner_up is not None
    assert winner.runner_up.noise is Noise.ABOVE
    # the error is sqrt((0.01^2 + 0.02^2) / 3) = 0.0129
    assert winner.sentence == (
        "grid width=8 won: loss 0.310 ± 0.010 (n=3), best of 3, 0.21 below grid width=4 (0.520 ± 0.020, n=3), "
        "16 standard errors: above the noise."
    )


def test_variances_and_numbers_that_differ_are_weighed_after_welch() -> None:
    runs = [*seeds("accuracy", [0.7, 0.9], width=4), *seeds("accuracy", [0.99, 1.00, 1.01, 1.00], width=8)]
    winner = of(*runs).winner
    assert winner is not None
    assert winner.runner_up is not None
    first, second = 0.02 / 2, (2 * 0.01**2 / 3) / 4
    assert winner.runner_up.error == pytest.approx(math.sqrt(first + second))
    assert winner.runner_up.pooled == pytest.approx(math.sqrt((1 * 0.02 + 3 * (2 * 0.01**2 / 3)) / 4))


def test_exactly_two_standard_errors_are_above_the_noise() -> None:
    # deviations 1 and n 2 each: the error of the difference is sqrt(1/2 + 1/2) = 1
    half = math.sqrt(0.5)
    runs = [*seeds("accuracy", [-half, half], x=1), *seeds("accuracy", [2 - half, 2 + half], x=2)]
    winner = of(*runs).winner
    assert winner is not None
    assert winner.runner_up is not None
    assert winner.runner_up.ratio == pytest.approx(2.0, abs=1e-12)
    assert (winner.runner_up.noise is Noise.ABOVE) == (winner.runner_up.ratio >= 2)


def test_single_replicates_leave_the_noise_unknown() -> None:
    summary = of(*seeds("accuracy", [0.5], width=4), *seeds("accuracy", [0.6], width=8))
    assert summary.winner is not None
    assert "with a single replicate the noise is unknown" in summary.winner.sentence
    assert summary.results[0].cells[0].spreads["accuracy"].deviation is None
    assert any("more seeds" in step.text for step in summary.next)


def test_a_tie_is_called_a_tie() -> None:
    values = [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2], [0.0, 0.0, 0.1], [0.2, 0.3, 0.1]]
    runs = [it for width, these in enumerate(values) for it in seeds("accuracy", these, width=width)]
    winner = of(*runs).winner
    assert winner is not None
    assert winner.tied == 2
    assert winner.sentence == (
        "grid width=0 shares the first place: accuracy 0.20 ± 0.10 (n=3), a tie with grid width=1 and 1 more."
    )


def test_means_that_differ_by_rounding_alone_tie() -> None:
    winner = of(*seeds("accuracy", [0.1, 0.2], width=4), *seeds("accuracy", [0.15, 0.15], width=8)).winner
    assert winner is not None
    assert winner.spread.mean != 0.15
    assert winner.tied == 1


def test_replicates_that_never_vary_are_said_not_to_vary() -> None:
    summary = of(*seeds("accuracy", [0.5, 0.5], width=4), *seeds("accuracy", [0.6, 0.6], width=8))
    assert strictly(summary)["winner"]["runner_up"]["standard_errors"] == "Infinity"
    winner = summary.winner
    assert winner is not None
    assert winner.sentence.endswith("and neither varies over its replicates: above the noise.")


def test_a_replicate_that_is_missing_from_the_winner_is_counted_in_its_sentence() -> None:
    winner = of(*seeds("accuracy", [0.5, None, 0.7], width=4)).winner
    assert winner is not None
    assert "(n=2 of 3), the only configuration of its sweep with a value." in winner.sentence


def test_the_last_sweep_wins_and_is_held_against_the_best_of_the_others() -> None:
    summary = summarise(digits())
    assert list(summary.winners) == ["teachers", "alone", "students"]
    winner = summary.winner
    assert winner is not None
    assert winner.cell.title == "students width=256"
    assert winner.sentence.startswith("students width=256 is the best of students: ")
    assert [(it.cell.title, it.advantage > 0) for it in winner.others] == [
        ("teachers width=256", False),
        ("alone", True),
    ]
    assert any("below teachers width=256" in sentence for sentence in winner.beside)
    assert any("above alone" in sentence for sentence in winner.beside)


def test_a_winner_that_beats_all_sweeps_won() -> None:
    summary = summarise(
        material([sweep("base", seeds("accuracy", [0.5, 0.6])), sweep("new", seeds("accuracy", [0.8, 0.9]))])
    )
    assert summary.winner is not None
    assert summary.winner.sentence.startswith("new won: accuracy 0.850 ± 0.071 (n=2)")


def test_without_a_goal_there_are_results_and_no_winner() -> None:
    summary = of(*seeds("accuracy", [0.5, 0.6]), goal=None)
    assert summary.winner is None
    assert summary.results[0].metrics == ("accuracy",)
    assert any("goal: {metric: …}" in step.text for step in summary.next)


def test_a_goal_that_nobody_reported_is_said_with_what_was_reported() -> None:
    summary = of(*seeds("acc", [0.5, 0.6]))
    assert summary.winner is None
    assert any("reported accuracy; they reported acc." in step.text for step in summary.next)


def test_nothing_at_all_makes_a_summary_too() -> None:
    summary = summarise(material([], started_at=None, settled_at=None, state="active"))
    told = strictly(summary)
    assert told["counts"]["total"] == 0
    assert told["phases"] == told["results"] == told["failures"] == []
    assert told["campaign"]["name"] == "digits"
    assert summary.headline == "0 runs."


def test_failures_are_grouped_by_reason_with_commands_made_of_ids() -> None:
    runs = [
        run("blocked", state="blocked", reason="need_failed", detail="a is failed", id="b" * 12),
        run("a", state="failed", reason="nonzero_exit", last_lines=["boom"], id="a" * 12),
        run("z", state="failed", reason="nonzero_exit", id="d" * 12),
        run("gone", state="cancelled", reason="cancelled"),
    ]
    summary = of(*runs)
    assert [(group.reason, [it.name for it in group.runs]) for group in summary.failures] == [
        ("nonzero_exit", ["a", "z"]),
        ("need_failed", ["blocked"]),
    ]
    assert [it.next for group in summary.failures for it in group.runs] == [
        f"overnight logs {'a' * 12}",
        f"overnight logs {'d' * 12}",
        f"overnight explain {'b' * 12}",
    ]
    commands = [step.command for step in summary.next]
    assert commands[:2] == [f"overnight logs {'a' * 12}", f"overnight retry {'c' * 12} --failed"]
    assert f"overnight retry {'c' * 12}" in commands  # for the cancelled one


def test_failures_in_json_carry_name_reason_and_last_lines() -> None:
    told = strictly(of(run("a", state="failed", reason="killed", detail="signal 9", last_lines=["x", "y"])))
    (group,) = told["failures"]
    assert (group["reason"], group["count"]) == ("killed", 1)
    (failed,) = group["runs"]
    assert (failed["name"], failed["reason"], failed["detail"], failed["last_lines"]) == (
        "a",
        "killed",
        "signal 9",
        ["x", "y"],
    )


@pytest.mark.parametrize(
    ("gate", "command"), [("paused", f"overnight resume {'c' * 12}"), ("open", f"overnight show {'c' * 12}")]
)
def test_open_runs_are_told_with_what_makes_them_go_on(gate: str, command: str) -> None:
    summary = of(run("a", state="queued"), run("b", state="running"), gate=gate, settled_at=None)
    assert summary.next[0].text.startswith("2 runs are not over")
    assert summary.next[0].command == command


def test_the_two_best_are_offered_for_comparison() -> None:
    summary = of(
        run("a", {"accuracy": 0.1}, parameters={"x": 1}, id="a" * 12),
        run("b", {"accuracy": 0.2}, parameters={"x": 2}, id="b" * 12),
    )
    assert f"overnight compare {'b' * 12} {'a' * 12}" in [step.command for step in summary.next]


def test_hostile_names_survive_in_json_and_are_spelled_out_in_sentences() -> None:
    goal = Goal(HOSTILE, Direction.MAXIMIZE)
    summary = summarise(
        material(
            [sweep(HOSTILE, [run(HOSTILE, {HOSTILE: 1.0}, parameters={HOSTILE: HOSTILE})])], goal=goal, name=HOSTILE
        )
    )
    assert to_json(summary)["campaign"]["name"] == HOSTILE
    assert summary.winner is not None
    assert summary.winner.sentence.isprintable()


def test_ten_thousand_runs_are_summed_up() -> None:
    runs = [
        run(f"r{n}", {"accuracy": n / 10_000, "loss": 1.0}, parameters={"lr": n // 5, "seed": n % 5}, id=f"{n:012x}")
        for n in range(10_000)
    ]
    given = material([sweep("grid", runs)])
    summary = summarise(given)
    text = json.dumps(to_json(summary), allow_nan=False)
    assert len(summary.results[0].cells) == 2_000
    assert summary.winner is not None
    assert summary.winner.cell.label == "lr=1999"
    assert len(text) > 100_000


def test_a_thousand_sweeps_are_summed_up() -> None:
    given = material([sweep(f"s{n}", seeds("accuracy", [0.1, 0.2], width=n)) for n in range(1_000)])
    summary = summarise(given)
    assert summary.winner is not None
    assert len(summary.winner.others) == 999
