"""A manifest of the experiment queue becomes a plan: each phase one sweep, or one for each number of GPUs per job."""

from __future__ import annotations

import re

from overnight.domain.plan import CampaignPlan
from overnight.manifest.cells import Placed
from overnight.manifest.document import Entry, TableNode
from overnight.manifest.fields import argument_of, check_keys, is_null
from overnight.manifest.findings import Findings, quoted
from overnight.manifest.labels import legal_name
from overnight.manifest.queue.jobs import read_command
from overnight.manifest.queue.paths import folder
from overnight.manifest.queue.phases import SHARED_KEYS, SYNONYMS, PhaseDraft, read_phases
from overnight.manifest.queue.settings import Settings, count_of, flag_of, read_settings
from overnight.manifest.queue.sweeps import sweeps_of

TOP_KEYS = (
    "project", "ssh", "default_cmd", "max_parallel", "gpu_free_threshold_mib", "analyze_on_complete", "phases",
    *SHARED_KEYS,
)  # fmt: skip
UNNAMED = "unknown"
"""The label of a manifest without `project`."""
HERE = ("", "localhost", "here")
"""Words for this machine."""

_TOP_SYNONYMS = {**SYNONYMS, "name": "project", "campaign": "project", "host": "ssh", "parallel": "max_parallel"}
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:%-]{0,254}")


def read_queue(table: TableNode, directory: str, findings: Findings) -> CampaignPlan | None:
    """The plan of a manifest; None when anything is wrong with it, all of it noted.

    `directory` is the absolute folder of the file.
    """
    check_keys(table, TOP_KEYS, "", findings, _TOP_SYNONYMS)
    _check_one_dialect(table, findings)
    name = _campaign(_given(table, "project"), findings)
    target = _target(_given(table, "ssh"), findings)
    remote = target != "here"
    base = Settings(directory, folder(None, directory, remote), remote)
    settings = read_settings(table, "", base, findings)
    phases = read_phases(table, settings, _default_command(table, findings), findings)
    parallel = _given(table, "max_parallel")
    limit = None if parallel is None else count_of(parallel, "max_parallel", findings)
    analyze = _given(table, "analyze_on_complete")
    analyzed = analyze is not None and flag_of(analyze, "analyze_on_complete", findings) is True
    sweeps = sweeps_of(phases, target, limit, findings)
    if len(findings) > 0:
        return None
    return CampaignPlan(name, sweeps, parallel=_parallel(phases, limit), analyze=analyzed)


def _given(table: TableNode, key: str) -> Entry | None:
    entry = table.get(key)
    return None if entry is None or is_null(entry.value) else entry


def _check_one_dialect(table: TableNode, findings: Findings) -> None:
    jobs = table.get("jobs")
    if jobs is not None and table.get("phases") is not None:
        message = "`jobs` and `phases` both stand at the top: make the jobs a phase of their own"
        findings.add("jobs", jobs.line, message)


def _campaign(entry: Entry | None, findings: Findings) -> str:
    if entry is None:
        return UNNAMED
    return legal_name(argument_of(entry.value, "project", "a name", findings) or "", UNNAMED)


def _target(entry: Entry | None, findings: Findings) -> str:
    host = "" if entry is None else argument_of(entry.value, "ssh", "the name of a host", findings) or ""
    if entry is None or host in HERE:
        return "here"
    if _HOST.fullmatch(host) is None:
        findings.add(
            "ssh", entry.line, f"{quoted(host)} is no name of a host: write an alias of your ssh configuration"
        )
    return host


def _default_command(table: TableNode, findings: Findings) -> Placed | None:
    entry = _given(table, "default_cmd")
    return None if entry is None else read_command(entry, "default_cmd", findings)


def _parallel(phases: list[PhaseDraft], limit: int | None) -> int | None:
    """Jobs at once: as the file says; else one where all are CPU jobs, and as many as the GPUs allow."""
    return 1 if limit is None and all(phase.settings.gpus == () for phase in phases) else limit
