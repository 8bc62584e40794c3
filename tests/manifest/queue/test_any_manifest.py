"""Whatever stands in a manifest, the answer is a plan or a list of problems; YAML and JSON mean the same."""

from __future__ import annotations

import io
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from overnight.domain.errors import InvalidFile
from overnight.domain.plan import CampaignPlan
from overnight.manifest import dump, load, plan_from
from tests.manifest.queue.reading import without_lines

NAMES = st.sampled_from(["N", "seed", "x"])
TEXTS = st.sampled_from(
    ["a", "a${N}", "s{seed}", "${x}", "{{N}}", "$${N}", "${GPU}", "a b", "'", "x*", "o_{N}_*", "", "../a", "~", "\0",
     "é", "none", "90s", "teachers", "settle", "file_exists", "N=[1,2] x seed=[1K]", "N=[1", "${N}${seed}",
     "p ${seed} ${N}"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2))
ARGS = st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
GRID = st.dictionaries(NAMES, st.lists(SCALARS, min_size=1, max_size=2, unique_by=repr), min_size=1, max_size=2)
PRECONDITIONS = st.lists(st.fixed_dictionaries({"type": st.just("file_exists"), "path": TEXTS}), max_size=2)
JOB_KEYS = {
    "cmd": TEXTS, "args": ARGS, "expected_output": TEXTS, "preconditions": PRECONDITIONS, "timeout": SCALARS,
    "gpus_per_job": st.integers(1, 2), "skip_if_done": st.booleans(),
}  # fmt: skip
TEMPLATE = st.fixed_dictionaries({}, optional={"id": TEXTS, **JOB_KEYS})
JOB = st.fixed_dictionaries({"id": TEXTS}, optional={"vars": st.dictionaries(NAMES, TEXTS, max_size=2), **JOB_KEYS})
DEPENDS = st.sampled_from(["teachers", ["teachers"], {"phase": "teachers", "match": ["N"]}, {"phase": "teachers"}, "p"])
SHARED = {
    "vars": st.dictionaries(NAMES, TEXTS, max_size=2), "gpus": st.sampled_from([[], [0], [0, 1]]), "cwd": TEXTS,
    "conda": TEXTS, "preconditions": PRECONDITIONS, "grid": GRID | TEXTS, "template": TEMPLATE,
    "jobs": st.lists(JOB, max_size=2),
}  # fmt: skip
PHASE = st.fixed_dictionaries(
    {"name": st.sampled_from(["teachers", "students", "p"])},
    optional={"depends_on": DEPENDS, "barrier": st.just("settle"), **SHARED},
)
MANIFEST = st.fixed_dictionaries(
    {"default_cmd": st.just("run ${GPU}")},
    optional={"project": TEXTS, "ssh": TEXTS, "max_parallel": st.integers(0, 2),
              "phases": st.lists(PHASE, min_size=1, max_size=3), **SHARED},
)  # fmt: skip


def judged(text: str) -> CampaignPlan | list[tuple[str, str]]:
    """The plan without lines, or the problems; a plan is stored and read back unchanged."""
    try:
        plan = load(text, "m", "/base")
    except InvalidFile as refusal:
        found = sorted((problem.place, problem.message) for problem in refusal.problems)
    else:
        return whole(plan)
    assert found
    assert all(place and message for place, message in found)
    return found


def whole(plan: CampaignPlan) -> CampaignPlan:
    """The plan without lines, after what holds for every plan was checked."""
    assert plan_from(json.loads(json.dumps(dump(plan)))) == plan
    names = [cell.name for sweep in plan.sweeps for cell in sweep.cells]
    assert len(names) == len(set(names)) == plan.cells > 0
    assert all(sweep.cells for sweep in plan.sweeps)
    return without_lines(plan)


def as_yaml(manifest: Any) -> str:
    """The manifest as a YAML writer lays it out."""
    text = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.dump(manifest, text)
    return text.getvalue()


@given(MANIFEST)
@settings(max_examples=300, deadline=None)
def test_yaml_and_json_are_judged_alike(manifest: dict[str, Any]) -> None:
    """Q2. Keys stand in another order in YAML here, which only orders jobs and arguments anew."""
    ordered = json.loads(json.dumps(manifest, sort_keys=True))
    assert judged(json.dumps(ordered)) == judged(as_yaml(ordered))


@given(st.dictionaries(st.sampled_from([*SHARED, "phases", "project", "oom_retry", "uv", "max_parallel"]), VALUES))
@settings(max_examples=300, deadline=None)
def test_any_document_is_read_or_refused(manifest: dict[str, Any]) -> None:
    judged(json.dumps({"jobs": [{"id": "a", "cmd": "x"}], **manifest}))
    judged(json.dumps({"phases": [manifest]}))
    judged(json.dumps({"jobs": [{"id": "a", "cmd": "x", **manifest}]}))
