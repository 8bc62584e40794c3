"""Sweep configurations of W&B: `method: grid` or `random`, as one sweep of ours.

Nothing is asked of W&B; a script that logs there itself goes on doing so.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping
from itertools import islice, product
from math import prod

from overnight.domain.plan import CampaignPlan, CellPlan, Direction, Goal, Need, Scalar, SweepPlan
from overnight.manifest.axes import MAX_CELLS
from overnight.manifest.cells import MAX_WRITTEN, Room
from overnight.manifest.document import Entry, TableNode, inside
from overnight.manifest.fields import check_keys, is_null, table_of, text_of, whole_of
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.labels import legal_name
from overnight.manifest.wandb_command import Command, read_command
from overnight.manifest.wandb_draws import Parameter
from overnight.manifest.wandb_parameters import read_parameters

IGNORED = ("entity", "description", "apiVersion", "kind", "controller")
"""Keys that only W&B's own server reads."""
KEYS = (
    "program",
    "method",
    "metric",
    "parameters",
    "name",
    "project",
    "command",
    "run_cap",
    "early_terminate",
    *IGNORED,
)
METHODS = ("grid", "random")

_DIRECTIONS = {"minimize": Direction.MINIMIZE, "maximize": Direction.MAXIMIZE}

Parameters = dict[str, Scalar]


def read_wandb(table: TableNode, directory: str, text: str, findings: Findings) -> CampaignPlan | None:
    """The plan of a sweep configuration; None when anything is wrong with it, all of it noted.

    What `random` draws is decided by the `text` of the file: the same file is the same runs.
    """
    check_keys(table, KEYS, "", findings)
    _check_early(table.get("early_terminate"), findings)
    method = _method(table, findings)
    cap = _cap(table, method, findings)
    parameters = _parameters(table, method, findings)
    command = read_command(table, findings)
    goal = _goal(table.get("metric"), findings)
    name, project = _label(table, "name", findings), _label(table, "project", findings)
    if len(findings) > 0 or not _is_small_enough(table, method, parameters, findings):
        return None
    sets = _every(parameters, cap) if method == "grid" else _drawn(parameters, cap or 0, text)
    sweep = legal_name(name.replace(" ", "_"), "sweep", 64)
    cells = _cells(sets, sweep, command, table.line, findings)
    need = Need(gpus=1, or_cpu=True)
    return CampaignPlan(
        legal_name(project or name, "unknown"), (SweepPlan(sweep, cells, directory, need=need),), goal=goal
    )


def _check_early(entry: Entry | None, findings: Findings) -> None:
    if entry is not None and not is_null(entry.value):
        message = "runs are not ended early by their metric yet: remove `early_terminate` to let each go to its end"
        findings.add("early_terminate", entry.line, message)


def _method(table: TableNode, findings: Findings) -> str:
    entry = table.get("method")
    if entry is None:
        findings.add("method", table.line, "the method is missing: add `method: grid` or `method: random`")
        return ""
    word = text_of(entry.value, "method", "grid or random", findings) or ""
    if word == "bayes":
        findings.add("method", entry.line, "`bayes` is not supported yet: write grid, or random with a `run_cap`")
    elif word and word not in METHODS:
        findings.add("method", entry.line, f"{quoted(word)} is no method: write grid or random")
    return word


def _cap(table: TableNode, method: str, findings: Findings) -> int | None:
    entry = table.get("run_cap")
    if entry is None or is_null(entry.value):
        if method == "random":
            findings.add("run_cap", table.line, "how many runs to draw is missing: add `run_cap`")
        return None
    return whole_of(entry.value, "run_cap", findings, least=1)


def _parameters(table: TableNode, method: str, findings: Findings) -> dict[str, Parameter]:
    entry = table.get("parameters")
    if entry is None:
        findings.add("parameters", table.line, "there are no parameters: add `parameters`")
        return {}
    names = table_of(entry, "parameters", "a mapping of parameters", findings)
    before = len(findings)
    found = {} if names is None else read_parameters(names, "parameters", "", findings)
    if method == "grid" and len(findings) == before:
        for name in (name for name, parameter in found.items() if parameter.count is None):
            message = f"a grid cannot go through `{name}` value by value: write `values`, or `method: random`"
            findings.add(inside("parameters", name), entry.line, message)
    return found


def _is_small_enough(table: TableNode, method: str, parameters: Mapping[str, Parameter], findings: Findings) -> bool:
    cap = table.get("run_cap")
    counts = [parameter.count or 0 for parameter in parameters.values()] if method == "grid" else []
    total = prod(counts)
    if cap is not None:
        asked = whole_of(cap.value, "run_cap", Findings(), least=1) or total
        total = asked if method == "random" else min(asked, total)
    if max([total, *counts]) <= MAX_CELLS:
        return True
    findings.add(
        "parameters", table.line, f"this stands for more than {MAX_CELLS:,} runs: use fewer values or a `run_cap`"
    )
    return False


def _every(parameters: Mapping[str, Parameter], cap: int | None) -> Iterable[Parameters]:
    """The product of all values, the last parameter fastest; the first `cap` of them."""
    combinations = product(*(parameter.every() for parameter in parameters.values()))
    return (dict(zip(parameters, values, strict=True)) for values in islice(combinations, cap))


def _drawn(parameters: Mapping[str, Parameter], count: int, text: str) -> Iterable[Parameters]:
    """As many sets as are asked for, by chance that the text of the file decides; two may be equal."""
    rng = random.Random(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return ({name: parameter.draw(rng) for name, parameter in parameters.items()} for _ in range(count))


def _cells(
    sets: Iterable[Parameters], sweep: str, command: Command, line: int, findings: Findings
) -> tuple[CellPlan, ...]:
    room = Room()
    found = list(sets)
    digits = len(str(len(found)))
    cells: list[CellPlan] = []
    for number, parameters in enumerate(found, 1):
        written = command.written(parameters)
        if not room.take((written,) if isinstance(written, str) else written):
            findings.add("command", line, f"the commands of all runs together exceed {MAX_WRITTEN:,} characters")
            break
        cells.append(CellPlan(f"{sweep}-{number:0{digits}}", parameters, written, line=line))
    return tuple(cells)


def _goal(entry: Entry | None, findings: Findings) -> Goal | None:
    if entry is None or is_null(entry.value):
        return None
    table = table_of(entry, "metric", "{name: accuracy, goal: maximize}", findings)
    if table is None:
        return None
    check_keys(table, ("name", "goal"), "metric", findings, {"direction": "goal"})
    name, goal = table.get("name"), table.get("goal")
    if name is None:
        findings.add("metric", entry.line, "the name of the metric is missing: add `name`")
        return None
    metric = text_of(name.value, "metric.name", "the name of a metric", findings) or ""
    word = "minimize" if goal is None else text_of(goal.value, "metric.goal", "minimize or maximize", findings)
    if goal is not None and word is not None and word not in _DIRECTIONS:
        findings.add("metric.goal", goal.line, f"{quoted(word)} is no goal: write minimize or maximize")
    return Goal(metric, _DIRECTIONS.get(word or "", Direction.MINIMIZE))


def _label(table: TableNode, key: str, findings: Findings) -> str:
    entry = table.get(key)
    return "" if entry is None or is_null(entry.value) else text_of(entry.value, key, "a name", findings) or ""
