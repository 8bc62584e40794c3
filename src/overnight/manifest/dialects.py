"""Which kind of campaign file a document is, told by its keys."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from overnight.domain.plan import CampaignPlan
from overnight.manifest.document import MAX_BYTES, Node, TableNode, Unreadable, kind
from overnight.manifest.findings import Findings, TooManyProblems
from overnight.manifest.json_document import NotJson, read_json
from overnight.manifest.native import read_native

Reader = Callable[[TableNode, str, Findings], CampaignPlan | None]


@dataclass(frozen=True)
class Dialect:
    """A kind of file: the keys that only it has, all of them at the top, and how it is read."""

    name: str
    keys: tuple[str, ...]
    read: Reader | None


DIALECTS = (
    Dialect("a native campaign file", ("sweeps",), read_native),
    Dialect("an experiment queue (jobs)", ("jobs",), None),
    Dialect("an experiment queue (phases)", ("phases",), None),
    Dialect("an experiment queue (grid)", ("grid", "template"), None),
    Dialect("a W&B sweep", ("method", "parameters"), None),
)
"""The first whose keys are all there reads the file; a file that none fits is taken for a native one."""


def load(text: str, path: str, directory: str) -> CampaignPlan:
    """The plan that a campaign file describes.

    `path` names the file in errors; `directory` is the absolute folder that a relative `workdir` starts from. Only the
    text is looked at: whether folders and programs exist is a question for later. Raises InvalidFile, and nothing
    else, with every problem that the text has.
    """
    findings = Findings()
    plan = None
    try:
        root = _document(text, findings)
        plan = _read(root, directory, findings)
    except Unreadable as problem:
        with contextlib.suppress(TooManyProblems):
            findings.add("(file)", problem.line, problem.message)
    except TooManyProblems:
        plan = None
    if plan is None or len(findings) > 0:
        raise findings.error(path)
    return plan


def _document(text: str, findings: Findings) -> Node | None:
    # The scanner costs a tenth of a second to import, which no other command should pay.
    from overnight.manifest.yaml_document import read_yaml

    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Unreadable(
            None, f"the file is larger than {MAX_BYTES // 2**20} MiB: split it, or use `grid` instead of `cells`"
        )
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        with contextlib.suppress(NotJson):
            return read_json(text, findings)
    return read_yaml(text, findings)


def _read(root: Node | None, directory: str, findings: Findings) -> CampaignPlan | None:
    if not isinstance(root, TableNode):
        found = "the file is empty" if root is None else f"the file is {kind(root)}"
        findings.add("(file)", 1, f"{found}: a campaign file is a mapping with `campaign` and `sweeps`")
        return None
    dialect = next((one for one in DIALECTS if all(root.get(key) for key in one.keys)), DIALECTS[0])
    if dialect.read is None:
        entry = root.get(dialect.keys[0])
        message = f"this is {dialect.name}, which cannot be read yet: write it with `campaign` and `sweeps`"
        findings.add(dialect.keys[0], entry.line if entry else 1, message)
        return None
    return dialect.read(root, directory, findings)
