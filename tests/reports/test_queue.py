"""What a summary says of a queue: phases, memory, changed configurations, shared GPUs, marks, GPU hours."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from overnight.domain.nouns import Device
from overnight.domain.plan import Need
from overnight.reports import compare as comparison
from overnight.reports.encode import to_json
from overnight.reports.gpus import GpuHours, gpu_hours
from overnight.reports.html import html
from overnight.reports.markdown import markdown
from overnight.reports.material import AttemptMaterial, MarkMaterial, Material, RunMaterial, SweepMaterial
from overnight.reports.plot import plot
from overnight.reports.summary import summarise
from overnight.reports.text import tables
from tests.reports.worlds import ACCURACY, HOSTILE, START, material, run, sweep

GPU = "here/gpu0"


def of_phase(phase: str, it: SweepMaterial, **settings: Any) -> SweepMaterial:
    shared = replace(it.sweep.settings, phase=phase, **settings)
    return SweepMaterial(replace(it.sweep, settings=shared), it.runs)


def after(it: RunMaterial, *reasons: str | None) -> RunMaterial:
    """The run, with one attempt per reason."""
    made = tuple(AttemptMaterial(reason, (), START, START + 10) for reason in reasons)
    return replace(it, made=made, attempts=len(made))


def smaller(it: RunMaterial, rung: int = 1, **changed: Any) -> RunMaterial:
    """The run, having taken a declared smaller setting."""
    config = {**it.run.config, "smaller": [{"changed": changed, "command": "smaller", "env": {}}]}
    return replace(it, run=replace(it.run, rung=rung, config=config))


def marked(it: RunMaterial, kind: str, *, newest: bool = True, detail: str = "") -> RunMaterial:
    return replace(it, marks=(*it.marks, MarkMaterial(kind, detail, newest)))


def on_gpus(it: RunMaterial, *held: tuple[str, float, float | None]) -> RunMaterial:
    """The run, with one attempt per GPU and span of seconds after the start."""
    made = tuple(
        AttemptMaterial(None, (gpu,), START + start, None if end is None else START + end) for gpu, start, end in held
    )
    return replace(it, made=made)


def gpu(position: int, **given: Any) -> Device:
    values = {"target": "here", "kind": "gpu", "uuid": None, "name": "card", "memory_mib": 1000, "state": "healthy"}
    values |= {"diagnosis": None, "busy": None, "seen_at": START, **given}
    return Device(id=f"here/gpu{position}", position=position, **values)


def told(given: Material) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(to_json(summarise(given)), allow_nan=False))
    return read


def table(given: Material, title: str) -> Any:
    return next(it for it in tables(summarise(given)) if it.title == title)


def test_the_jobs_line_counts_runs_that_recovered_from_lack_of_memory_once() -> None:
    runs = [
        run("a"),
        run("b"),
        after(run("c"), "vram_oom", "ok"),
        after(run("d"), "host_oom", "neighbour_oom", "ok"),
        after(run("e"), "nonzero_exit", "ok"),
        after(run("f", state="failed", reason="vram_oom"), "vram_oom", "vram_oom", "vram_oom"),
    ]
    answer = told(material([sweep("s", runs)]))
    assert answer["jobs_line"] == "3 completed, 2 OOM-retried then completed, 1 stuck"
    assert answer["phases"][0]["oom_retries"] == 1 + 2 + 2
    assert answer["retried_attempts"] == 1 + 2 + 1 + 2


def test_the_jobs_line_names_blocked_canceled_and_open_runs_where_there_are_some() -> None:
    runs = [run("a", state="blocked"), run("b", state="cancelled"), run("c", state="running"), run("d", state="queued")]
    line = summarise(material([sweep("s", runs)])).jobs_line
    assert line == ("0 completed, 0 OOM-retried then completed, 0 stuck, 1 blocked, 1 canceled, 2 not over")


def test_sweeps_of_one_phase_are_one_line() -> None:
    first = of_phase("teachers", sweep("teachers", [run("a"), run("b", ended_at=START + 30)]))
    second = of_phase("teachers", sweep("teachers~2", [run("c", state="failed", reason="killed")]))
    summary = summarise(material([first, second, sweep("students", [run("d")])]))
    assert [(it.name, it.runs, it.succeeded, it.failed, it.seconds) for it in summary.phases] == [
        ("teachers", 3, 2, 1, 30.0),
        ("students", 1, 1, 0, 10.0),
    ]
    assert summary.phases[0].sweeps == ("teachers", "teachers~2")


def test_a_phase_is_settled_when_all_its_sweeps_are() -> None:
    settled = of_phase("p", sweep("one", [run("a")]))
    active = SweepMaterial(replace(settled.sweep, name="two", state="active"), [run("b", state="queued")])
    assert summarise(material([settled, active])).phases[0].state == "active"
    assert summarise(material([settled])).phases[0].state == "settled"


def test_result_files_are_the_declared_outputs_of_the_runs_that_succeeded() -> None:
    def with_outputs(it: RunMaterial) -> RunMaterial:
        return replace(it, run=replace(it.run, config={**it.run.config, "outputs": ["x.json", "y.pt"]}))

    runs = [with_outputs(run("a")), with_outputs(run("b", state="failed")), run("c")]
    assert told(material([sweep("s", runs)]))["result_files"] == 2


def test_skipped_runs_count_as_completed_and_are_said() -> None:
    runs = [run("a", reason="skipped", attempts=0), run("b", reason="skipped", attempts=0), run("c")]
    summary = summarise(material([sweep("s", runs)]))
    assert summary.headline == "3 runs: 3 succeeded (2 skipped: their outputs were there), in 1 min 00 s."
    assert summary.jobs_line.startswith("3 completed")


def replicates(width: int, values: list[float]) -> list[RunMaterial]:
    return [
        run(f"w{width}-s{seed}", {"accuracy": value}, parameters={"width": width, "batch": 64, "seed": seed})
        for seed, value in enumerate(values)
    ]


def test_a_changed_configuration_is_not_averaged_with_what_was_written() -> None:
    first, second, third = replicates(8, [0.5, 0.7, 0.1])
    given = material([sweep("grid", [first, second, smaller(third, batch=32), *replicates(16, [0.2])])])
    as_written, changed, other = summarise(given).results[0].cells
    assert (as_written.spreads["accuracy"].n, as_written.spreads["accuracy"].mean) == (2, pytest.approx(0.6))
    assert as_written.elsewhere == ("w8-s2 ran with batch=32 instead of 64",)
    assert changed.label == "width=8 (with batch=32 instead of 64)"
    assert changed.spreads["accuracy"].mean == pytest.approx(0.1)
    assert other.elsewhere == ()


def test_tables_json_and_documents_mark_a_changed_configuration() -> None:
    first, second = replicates(8, [0.5, 0.1])
    given = material([sweep("grid", [first, smaller(second, batch=32), *replicates(16, [0.2])])])
    shown = table(given, "grid: accuracy")
    rows = [dict(zip(shown.header, row, strict=True)) for row in shown.rows]
    assert [row["Mark"] for row in rows] == ["", "with batch=32 instead of 64", ""]
    assert rows[0]["Missing"] == "w8-s1 ran with batch=32 instead of 64"
    cells = told(given)["results"][0]["cells"]
    assert [cell["changed"] for cell in cells] == [{}, {"batch": {"written": 64, "used": 32}}, {}]
    for document in (markdown(summarise(given)), html(summarise(given))):
        assert "Jobs: 3 completed" in document
        assert "with batch=32 instead of 64" in document


def test_a_plot_marks_a_changed_configuration_although_its_label_is_cut() -> None:
    first, second = replicates(8, [0.5, 0.1])
    picture = plot(summarise(material([sweep("grid", [first, smaller(second, batch=32), *replicates(16, [0.2])])])))
    assert picture is not None
    assert picture.count("(changed)</text>") == 1


def test_a_changed_configuration_that_wins_says_so() -> None:
    (first,) = replicates(8, [0.9])
    given = material([sweep("grid", [smaller(first, batch=32), *replicates(16, [0.2])])])
    answer = told(given)
    assert "width=8 (with batch=32 instead of 64) won" in answer["winner"]["sentence"]
    assert answer["winner"]["changed"] == {"batch": {"written": 64, "used": 32}}


def test_replicates_that_were_all_changed_alike_are_one_cell() -> None:
    runs = [smaller(it, batch=32) for it in replicates(8, [0.5, 0.7])]
    (cell,) = summarise(material([sweep("grid", runs)])).results[0].cells
    assert (cell.spreads["accuracy"].n, cell.elsewhere) == (2, ())


def test_a_changed_run_that_failed_is_missing_from_what_was_written() -> None:
    good, bad = replicates(8, [0.5, 0.0])
    bad = smaller(replace(bad, run=replace(bad.run, state="failed", reason="vram_oom")), batch=32)
    (cell,) = summarise(material([sweep("grid", [good, bad])])).results[0].cells
    assert [gap.run for gap in cell.missing] == ["w8-s1"]
    assert cell.changed == {}


def test_a_rung_that_is_not_declared_any_more_breaks_no_summary() -> None:
    (first,) = replicates(8, [0.5])
    (cell,) = summarise(material([sweep("grid", [smaller(first, rung=3, batch=32)])])).results[0].cells
    assert cell.changed == {}


def test_packed_runs_are_marked_beside_lengths_and_results() -> None:
    runs = [marked(run("a", {"accuracy": 0.5}), "packed"), run("b", {"accuracy": 0.6})]
    given = material([sweep("grid", runs)])
    phases = table(given, "Phases")
    assert phases.rows[0][-1] == "10 s (1 packed)"
    assert "cannot be compared" in phases.note
    shown = table(given, "grid: accuracy")
    assert [row[-1] for row in shown.rows] == ["1 of 1 packed", ""]
    assert told(given)["phases"][0]["packed"] == 1


def test_an_attempt_that_shared_its_gpu_before_the_newest_one_marks_nothing() -> None:
    given = material([sweep("grid", [marked(run("a", {"accuracy": 0.5}), "packed", newest=False)])])
    assert told(given)["phases"][0]["packed"] == 0
    assert told(given)["marks"] == []


def test_what_is_worth_a_look_is_listed_by_mark() -> None:
    runs = [
        marked(marked(run("a", id="a" * 12), "slow", detail="3 h against 1 h"), "packed"),
        marked(run("b", id="b" * 12), "slow", newest=False),
        marked(run("c", id="c" * 12), "idle"),
    ]
    given = material([sweep("s", runs)])
    assert [(it["kind"], it["count"]) for it in told(given)["marks"]] == [("slow", 2), ("idle", 1), ("packed", 1)]
    rows = table(given, "Worth a look").rows
    assert rows[0] == ("slow", "2", "a, b", "3 h against 1 h", f"overnight show {'a' * 12}")
    assert rows[1][3] == "left its GPUs idle for long"


def test_gpu_hours_count_a_shared_gpu_once_and_idle_ones_of_those_that_were_allowed() -> None:
    runs = [
        on_gpus(run("a"), (GPU, 0, 1800)),
        on_gpus(run("b"), (GPU, 900, 2700)),
        on_gpus(run("c"), (GPU, 3000, 3600)),
    ]
    allowed = of_phase("", sweep("s", runs), need=Need(gpus=1, devices=(0, 1)))
    given = replace(material([allowed], settled_at=START + 3600), gpus=tuple(gpu(n) for n in range(8)))
    hours = gpu_hours(given)
    assert hours is not None
    assert hours.used == pytest.approx((2700 + 600) / 3600)
    assert hours.idle == pytest.approx(2 - hours.used)


def test_gpu_hours_count_live_attempts_until_now_and_no_more_gpus_than_may_be_held() -> None:
    it = of_phase("", sweep("s", [on_gpus(run("a", state="running"), (GPU, 40, None))]), need=Need(gpus=1))
    given = replace(material([it], settled_at=None, now=START + 100), gpus=tuple(gpu(n) for n in range(8)))
    given = replace(given, campaign=replace(given.campaign, parallel=2))
    assert gpu_hours(given) == GpuHours(used=60 / 3600, idle=pytest.approx((2 * 100 - 60) / 3600))


@pytest.mark.parametrize(
    "other", [gpu(1, state="quarantined"), gpu(1, memory_mib=10), gpu(1, target="there")], ids=["sick", "small", "far"]
)
def test_gpus_that_could_not_be_used_are_not_idle(other: Device) -> None:
    it = of_phase("", sweep("s", [on_gpus(run("a"), (GPU, 0, 60))]), need=Need(gpus=1, gpu_memory_mib=500))
    hours = gpu_hours(replace(material([it]), gpus=(gpu(0), other)))
    assert hours == GpuHours(used=60 / 3600, idle=0.0)


def test_a_campaign_without_gpus_has_no_gpu_hours() -> None:
    given = replace(material([sweep("s", [run("a")])]), gpus=(gpu(0),))
    assert told(given)["gpu_hours"] is None
    assert not any("GPU hours" in fact for fact in summarise(given).facts)


STEPS = {
    "breaker": ("the rest was not started", f"overnight retry {'c' * 12} --failed"),
    "precondition_missing": ("ckpt/64.pt", f"overnight retry {'c' * 12}"),
    "vram_oom": ("oom: {smaller:", None),
    "disk_full": ("Make room", "overnight doctor"),
    "budget": ("Raise the budget", None),
}


@pytest.mark.parametrize("reason", STEPS)
def test_a_reason_says_what_may_be_done_about_it(reason: str) -> None:
    state = "blocked" if reason in ("breaker", "precondition_missing", "budget") else "failed"
    summary = summarise(material([sweep("s", [run("a", state=state, reason=reason, detail="ckpt/64.pt is missing")])]))
    text, command = STEPS[reason]
    assert any(text in step.text and step.command == command for step in summary.next), summary.next


def test_a_comparison_marks_a_changed_configuration_and_times_that_cannot_be_compared() -> None:
    first, second = replicates(8, [0.5, 0.1])
    found = comparison.compare(first, marked(smaller(second, batch=32), "packed"))
    assert [pair.name for pair in found.parameters] == ["batch", "seed"]
    answer = comparison.to_json(found)
    assert answer["comparable_times"] is False
    assert [answer[it]["packed"] for it in ("first", "second")] == [False, True]
    assert answer["second"]["changed"] == {"batch": {"written": 64, "used": 32}}
    runs = comparison.tables(found)[0]
    assert ("length", "10 s", "10 s (packed)") in runs.rows
    assert ("configuration", "as written", "with batch=32 instead of 64") in runs.rows
    assert "Times are not comparable" in runs.note


def test_hostile_changes_and_marks_are_one_safe_line_a_cell() -> None:
    it = run("a", {"accuracy": 0.5}, parameters={HOSTILE: 64})
    it = marked(smaller(it, **{HOSTILE: HOSTILE}), HOSTILE, detail=HOSTILE)
    given = material([sweep("s", [it, run("b", {"accuracy": 0.1}, parameters={HOSTILE: 1})])], goal=ACCURACY)
    for found in [*tables(summarise(given)), *comparison.tables(comparison.compare(it, it))]:
        assert all(cell.isprintable() for row in found.rows for cell in row)
    assert "<script>" not in html(summarise(given))
    told(given)
