"""The examples of the guide can be run as they stand, and it names every key."""

from __future__ import annotations

import re
from pathlib import Path

from overnight.manifest import load, wandb
from overnight.manifest.queue.jobs import JOB_KEYS
from overnight.manifest.queue.phases import PHASE_KEYS
from overnight.manifest.queue.reader import TOP_KEYS
from overnight.manifest.wandb_command import MACROS

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "queue-manifest.md"
TEXT = GUIDE.read_text(encoding="utf-8")


def test_the_examples_of_the_guide_can_be_run_as_they_stand() -> None:
    plans = [load(text, str(GUIDE), "/base") for text in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    assert [plan.cells for plan in plans] == [2, 18, 8, 20]
    assert plans[2].sweeps[1].cells[0].needs == ("t384",)


def test_the_guide_names_every_key() -> None:
    words = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    named = {word for span in re.findall(r"`([^`\n]+)`", words) for word in re.findall(r"\w+", span)}
    assert {*TOP_KEYS, *PHASE_KEYS, *JOB_KEYS, *wandb.KEYS, *MACROS} <= named
