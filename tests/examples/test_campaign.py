"""The example's campaign file says what its README says."""

from __future__ import annotations

from pathlib import Path

from overnight import manifest

CAMPAIGN = Path(__file__).parents[2] / "examples" / "digits" / "campaign.yaml"


def test_each_student_waits_for_the_teacher_of_its_own_cell() -> None:
    plan, _ = manifest.load_path(str(CAMPAIGN))
    sweeps = {sweep.name: sweep for sweep in plan.sweeps}
    assert plan.cells == 27
    assert {name: len(sweep.cells) for name, sweep in sweeps.items()} == {"teachers": 12, "alone": 3, "students": 12}
    teachers = {cell.name: dict(cell.parameters) for cell in sweeps["teachers"].cells}
    for student in sweeps["students"].cells:
        assert [teachers[name] for name in student.needs] == [dict(student.parameters)]
