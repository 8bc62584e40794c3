"""Which kind of campaign file a document is, told by its keys."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from overnight.domain.plan import CampaignPlan
from overnight.manifest.document import MAX_BYTES, Node, TableNode, Unreadable, kind
from overnight.manifest.findings import Findings, TooManyProblems, listing
from overnight.manifest.json_document import NotJson, read_json
from overnight.manifest.native import read_native
from overnight.manifest.queue import read_queue
from overnight.manifest.wandb import read_wandb


@dataclass(frozen=True)
class Source:
    """What a reader may know beside the document: the folder of the file, absolute, and its text."""

    directory: str
    text: str


@dataclass(frozen=True)
class Dialect:
    """A kind of file: the keys of which it has at least one at the top, and how it is read."""

    name: str
    keys: tuple[str, ...]
    read: Callable[[TableNode, Source, Findings], CampaignPlan | None]


DIALECTS = (
    Dialect("a native campaign file", ("sweeps", "campaign"), lambda t, s, f: read_native(t, s.directory, f)),
    Dialect(
        "an experiment queue", ("jobs", "phases", "grid", "template"), lambda t, s, f: read_queue(t, s.directory, f)
    ),
    Dialect("a W&B sweep", ("method", "program"), lambda t, s, f: read_wandb(t, s.directory, s.text, f)),
)
"""The first of whose keys one is there reads the file."""


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
        plan = _read(root, Source(directory, text), findings)
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


def _read(root: Node | None, source: Source, findings: Findings) -> CampaignPlan | None:
    if not isinstance(root, TableNode):
        found = "the file is empty" if root is None else f"the file is {kind(root)}"
        findings.add("(file)", 1, f"{found}: a campaign file is a mapping with `campaign` and `sweeps`")
        return None
    dialect = next((one for one in DIALECTS if any(root.get(key) for key in one.keys)), None)
    if dialect is None:
        known = "; ".join(f"{one.name} has {listing([f'`{key}`' for key in one.keys])}" for one in DIALECTS)
        findings.add("(file)", root.line, f"this is no kind of file that is known here. {known}")
        return None
    return dialect.read(root, source, findings)
