"""The example of the guide is a campaign file."""

from __future__ import annotations

import re
from pathlib import Path

from overnight.manifest import load

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "campaign-file.md"


def test_the_example_of_the_guide_can_be_run_as_it_stands() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    plan = load(example, str(GUIDE), "/base")
    assert [len(sweep.cells) for sweep in plan.sweeps] == [5, 8, 3]
    assert plan.sweeps[1].cells[0].needs == ("teachers-width16-seed0",)
