"""The examples of the guide are campaign files."""

from __future__ import annotations

import re
from pathlib import Path

from overnight.manifest import load
from overnight.manifest.native import TOP_KEYS
from overnight.manifest.resources import RESOURCE_KEYS, RETRY_KEYS
from overnight.manifest.runs import RUN_KEYS, RUNG_KEYS
from overnight.manifest.sweeps import SWEEP_KEYS

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "campaign-file.md"


def test_the_examples_of_the_guide_can_be_run_as_they_stand() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    plan, spread, listed = (load(example, str(GUIDE), "/base") for example in examples)
    assert [len(sweep.cells) for sweep in plan.sweeps] == [5, 8, 3]
    assert plan.sweeps[1].cells[0].needs == ("teachers-width16-seed0",)
    assert spread.sweeps[0].targets == ("box-a", "box-b", "here")
    assert listed.sweeps[1].cells[0].needs == ("data-splittrain",)


def test_the_guide_names_every_key() -> None:
    text = re.sub(r"```.*?```", "", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = {word for span in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", span)}
    assert {*TOP_KEYS, *SWEEP_KEYS, *RUN_KEYS, *RUNG_KEYS, *RESOURCE_KEYS, *RETRY_KEYS} <= named
