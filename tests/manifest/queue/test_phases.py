"""Dependencies between phases: whole, or job by job (check Q5 and 2.7 of the queue)."""

from __future__ import annotations

from typing import Any

import pytest

from overnight.domain.plan import CampaignPlan, SweepNeed
from tests.manifest.queue.reading import plan_of, problems

TEACHERS: dict[str, Any] = {"name": "teachers", "grid": {"N": [384, 512]}, "template": {"id": "t{N}", "cmd": "x"}}


def chained(depends: object, **keys: Any) -> dict[str, Any]:
    """Teachers, and students that depend on them."""
    students = {"name": "students", "grid": {"N": [384, 512], "seed": [1, 2]}, "template": {"cmd": "x"}, **keys}
    return {"phases": [TEACHERS, {**students, "depends_on": depends}]}


def needs_of(plan: CampaignPlan, name: str = "students") -> Any:
    return next(sweep.needs for sweep in plan.sweeps if sweep.name == name)


@pytest.mark.parametrize("depends", ["teachers", ["teachers"], {"phase": "teachers"}, [{"phase": "teachers"}],
                                     {"phase": "teachers", "match": None}])  # fmt: skip
def test_a_dependency_on_a_whole_phase(depends: object) -> None:
    """Q5."""
    plan = plan_of(chained(depends))
    assert needs_of(plan) == (SweepNeed("teachers"),)
    assert all(cell.needs == () for cell in plan.sweeps[1].cells)


@pytest.mark.parametrize("match", ["N", ["N"]])
def test_a_dependency_job_by_job(match: object) -> None:
    plan = plan_of(chained({"phase": "teachers", "match": match}))
    assert needs_of(plan) == (SweepNeed("teachers", ("N",)),)
    assert [(cell.name, cell.needs) for cell in plan.sweeps[1].cells] == [
        ("students_N384_seed1", ("t384",)),
        ("students_N384_seed2", ("t384",)),
        ("students_N512_seed1", ("t512",)),
        ("students_N512_seed2", ("t512",)),
    ]


def test_listed_jobs_match_by_their_arguments() -> None:
    jobs = [{"id": f"t{n}", "cmd": "x", "args": {"N": n}, "gpus_per_job": n // 384} for n in (384, 768)]
    students = {"name": "s", "depends_on": {"phase": "t", "match": "N"}, "grid": {"N": [768]}, "template": {"cmd": "x"}}
    plan = plan_of({"phases": [{"name": "t", "jobs": jobs}, students]})
    assert [sweep.name for sweep in plan.sweeps] == ["t", "t~2", "s"]
    assert plan.sweeps[2].cells[0].needs == ("t768",)
    assert needs_of(plan, "s") == (SweepNeed("t", ("N",)), SweepNeed("t~2", ("N",)))


def test_a_phase_may_depend_on_a_later_one_and_on_several() -> None:
    phases = [
        {"name": "c", "depends_on": ["a", {"phase": "b"}], "jobs": [{"id": "1", "cmd": "x"}]},
        {"name": "a", "jobs": [{"id": "2", "cmd": "x"}]},
        {"name": "b", "jobs": [{"id": "3", "cmd": "x"}]},
    ]
    assert needs_of(plan_of({"phases": phases}), "c") == (SweepNeed("a"), SweepNeed("b"))


def test_phases_without_a_name_are_counted() -> None:
    phases = [{"jobs": [{"id": "1", "cmd": "x"}]}, {"jobs": [{"id": "2", "cmd": "x"}], "depends_on": "phase_0"}]
    assert [sweep.name for sweep in plan_of({"phases": phases}).sweeps] == ["phase_0", "phase_1"]


@pytest.mark.parametrize(
    ("depends", "place", "says"),
    [
        ("teacher", "phases[1].depends_on", "unknown phase `teacher`; did you mean `teachers`"),
        (["teachers", "x"], "phases[1].depends_on[1]", "unknown phase `x`"),
        ("students", "phases[1].depends_on", "cannot need itself"),
        (["teachers", "teachers"], "phases[1].depends_on[1]", "named twice"),
        ({"match": ["N"]}, "phases[1].depends_on", "the phase is missing"),
        ({"phase": "teachers", "match": []}, "phases[1].depends_on.match", "no axis"),
        ({"phase": "teachers", "match": [1]}, "phases[1].depends_on.match[0]", "a whole number"),
        ({"phase": "teachers", "mach": ["N"]}, "phases[1].depends_on.mach", "did you mean `match`"),
        (
            {"phase": "teachers", "match": ["seed"]},
            "phases[1].depends_on",
            "not a parameter of every cell of `teachers`",
        ),
        ({"phase": "teachers", "match": ["M"]}, "phases[1].depends_on", "`M` is not a parameter"),
        (3, "phases[1].depends_on", "a whole number"),
    ],
)
def test_a_dependency_that_cannot_be(depends: object, place: str, says: str) -> None:
    """Q5."""
    (problem,) = problems(chained(depends))
    assert (problem.place, says in problem.message) == (place, True), problem


def test_a_job_without_a_match_is_named() -> None:
    (problem,) = problems(chained({"phase": "teachers", "match": "N"}, grid={"N": [384, 7]}))
    assert problem.place == "phases[1].depends_on"
    assert "no cell of `teachers` has the N of students_N7" in problem.message


def test_a_cycle_of_phases() -> None:
    """Q5."""
    phases = [
        {"name": name, "depends_on": other, "jobs": [{"id": name, "cmd": "x"}]}
        for name, other in (("a", "b"), ("b", "c"), ("c", "a"))
    ]
    (problem,) = problems({"phases": phases})
    assert (problem.place, "phases wait for each other: a -> b -> c -> a" in problem.message) == (
        "phases[0].depends_on",
        True,
    )


def test_a_phase_that_needs_one_whose_barrier_waits_for_it_is_refused() -> None:
    phases = [
        {"name": "a", "depends_on": "c", "jobs": [{"id": "a", "cmd": "x"}]},
        {"name": "b", "barrier": "settle", "jobs": [{"id": "b", "cmd": "x"}]},
        {"name": "c", "depends_on": ["b"], "jobs": [{"id": "c", "cmd": "x"}]},
    ]
    (problem,) = problems({"phases": phases})
    assert problem.place == "phases[0].depends_on"
    assert "barrier waits for all before it: a -> c -> b -> a" in problem.message
    assert len(plan_of({"phases": [phases[1], phases[2], phases[0]]}).sweeps) == 3


def test_an_unreadable_teacher_does_not_leave_its_students_without_a_match() -> None:
    manifest = chained({"phase": "teachers", "match": "N"})
    manifest["phases"][0] = {**TEACHERS, "template": {"id": "t{M}", "cmd": "x"}}
    (problem,) = problems(manifest)
    assert problem.place == "phases[0].template.id"
