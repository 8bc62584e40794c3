"""Operations that judge: summary, comparison, verification."""

from __future__ import annotations

from overnight.domain.errors import Conflict
from overnight.domain.nouns import Run
from overnight.reports import compare as comparison
from overnight.reports.compare import compare
from overnight.reports.encode import to_json
from overnight.reports.html import html
from overnight.reports.markdown import markdown
from overnight.reports.plot import plot
from overnight.reports.summary import summarise
from overnight.reports.table import Table
from overnight.reports.text import tables
from overnight.service.context import Context
from overnight.service.materials import material_of, run_material
from overnight.service.requests import Nothing, One, Pair, ReportRequest
from overnight.service.views import View
from overnight.store import campaigns
from overnight.store.verify import verify


def summary(context: Context, request: One) -> View:
    """What a campaign found so far: counts, phases, results over replicates, the winner and the noise, failures."""
    return to_json(summarise(material_of(context, request.id)))


def report(context: Context, request: ReportRequest) -> View:
    """The same as a document: Markdown, one HTML file, the plot alone as SVG, or tables as values."""
    found = summarise(material_of(context, request.id))
    if request.format == "tables":
        sentences = [found.headline, *([found.winner.sentence] if found.winner else [])]
        return {"id": found.id, "sentences": sentences, "tables": [_table(it) for it in tables(found)]}
    if request.format == "svg":
        content = plot(found, alone=True)
    else:
        content = html(found) if request.format == "html" else markdown(found)
    if content is None:
        raise Conflict(
            f"{request.id} has no plot: no run has reported the goal metric",
            next_step="Name a metric that the runs report as goal in the campaign file.",
        )
    return {"id": found.id, "format": request.format, "content": content}


def _table(it: Table) -> View:
    return {
        "title": it.title,
        "header": list(it.header),
        "rows": [list(row) for row in it.rows],
        "right": sorted(it.right),
        "marked": sorted(it.marked),
        "note": it.note,
    }


def compare_runs(context: Context, request: Pair) -> View:
    """Two runs side by side: what differs in their configuration, and what came out."""
    first, second = run_material(context, request.first), run_material(context, request.second)
    found = compare(first, second, same_code=_same_code(context, first.run, second.run))
    return {**comparison.to_json(found), "tables": [_table(it) for it in comparison.tables(found)]}


def _same_code(context: Context, first: Run, second: Run) -> bool | None:
    """Whether both were frozen with the same code; None when that is not known of one."""
    if first.campaign_id is None or second.campaign_id is None:
        return None
    ids = (first.campaign_id, second.campaign_id)
    codes = context.store.read(lambda session: [dict(campaigns.get(session, it).code) for it in ids])
    return codes[0] == codes[1]


def verify_log(context: Context, _: Nothing) -> View:
    """Recompute the hash chain, the tables and the invariants from the event log."""
    report = verify(context.store)
    return {
        "ok": report.ok,
        "events": report.events,
        "head": report.head,
        "checked": list(report.checked),
        "violations": [
            {"invariant": it.invariant, "subject": it.subject, "message": it.sentence} for it in report.violations
        ],
        "found": report.found,
    }
