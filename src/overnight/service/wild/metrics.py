"""Metric rows and their series."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from overnight.domain.errors import BadRequest
from overnight.domain.nouns import Attempt, Run
from overnight.domain.series import LOSS, Gathering, rows_of
from overnight.ids import new_question_id
from overnight.planner import rules
from overnight.service.context import Context
from overnight.service.views import View
from overnight.service.wild.requests import OneRun
from overnight.service.wild.work import Work
from overnight.store import points, questions, runs
from overnight.store.base import Session
from overnight.store.scope import require_run
from overnight.targets.base import Files

MOST_ROWS = 10_000
"""Rows of one request."""
MOST_BYTES = 4 * 1024 * 1024
"""Bytes of these rows as JSON."""
METRICS_FILE = "metrics.jsonl"
"""What a job may write into its folder (`OVERNIGHT_RUN_DIR`) instead of sending rows: one JSON object a line."""
FILE_BYTES = 64 * 1024 * 1024
"""How much of the end of that file, or of the log, is read."""
PIECE_BYTES = 1024 * 1024
"""How much of it at once; longer lines are passed over."""
_BEYOND_JSON = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}

Rows = Annotated[
    Any,
    WithJsonSchema(
        {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MOST_ROWS, "title": "Rows"}
    ),
]


class AppendMetrics(OneRun):
    """Rows of one run; each an object of metric names and numbers."""

    rows: Rows


class Appended(TypedDict):
    """How many rows were taken."""

    appended: int


class MetricPoint(TypedDict):
    """One value of a metric; None = not a finite number."""

    step: float
    value: float | None


class _Loss(TypedDict):
    step: float
    trainLoss: float | None


class LossPoint(_Loss, total=False):
    """The losses of one step."""

    valLoss: float | None


class LastMetrics(TypedDict):
    """Newest values; accuracy in percent where all of it lies in 0..1."""

    loss: float | None
    accuracy: float | None
    epoch: float | None


class RunMetrics(TypedDict, total=False):
    """Everything that a run reported; nothing at all when it reported nothing."""

    metricSeries: dict[str, list[MetricPoint]]
    metricKeys: list[str]
    lossHistory: list[LossPoint]
    metrics: LastMetrics


def append_metrics(context: Context, request: AppendMetrics) -> View:
    """Append rows to a run's, all or none; what is strange about its loss is asked in the same transaction."""
    rows, texts = _checked(request.rows)
    strange: list[rules.Finding] = []

    def change(session: Session) -> View:
        run = require_run(session, request.id)
        points.append(session, run, texts)
        strange.extend(_judge(context, session, run, rows))
        return {"appended": len(texts)}

    answer = context.store.write(context.change, change)
    if strange:
        context.wake()
    return answer


def _checked(rows: Any) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The rows, and each as JSON text; BadRequest when they are none, too many, or too large."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise BadRequest("rows must be a non-empty list of objects", place="rows", next_step="Send at least one row.")
    if len(rows) > MOST_ROWS:
        raise BadRequest(f"at most {MOST_ROWS} rows at once", place="rows", next_step="Send them in several requests.")
    texts = [_text(row) for row in rows]
    if sum(map(len, texts)) > MOST_BYTES:
        raise BadRequest(f"at most {MOST_BYTES} bytes at once", place="rows", next_step="Send several requests.")
    return rows, texts


def _text(row: Any) -> str:
    """JSON of a row; numbers that JSON has not become texts, which stand for them in series."""
    try:
        return json.dumps(row, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(_inert(row), allow_nan=False, separators=(",", ":"))


def _inert(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _inert(it) for name, it in value.items()}
    if isinstance(value, list):
        return [_inert(it) for it in value]
    return _BEYOND_JSON[repr(value)] if isinstance(value, float) and not math.isfinite(value) else value


def _judge(context: Context, session: Session, run: Run, rows: Iterable[Mapping[str, Any]]) -> Sequence[rules.Finding]:
    """Follow the loss of the newest attempt, and ask about what is strange."""
    losses = [row for row in rows if any(name in row for name in LOSS)]
    if not losses:
        return ()
    curve, found = rules.follow(rules.from_json(points.curve(session, run)), losses)
    points.keep_curve(session, run, rules.to_json(curve))
    for finding in found:
        questions.ask_by_rule(session, run, new_question_id(context.rng), finding.rule, finding.detail)
    return found


def run_metrics(context: Context, request: OneRun) -> View:
    """The series of a run: of the rows that were sent, else of its file, else of JSON lines in its log, else what it
    said at its end."""
    attempt = context.store.read(lambda session: _newest(session, request.id))
    gathered = _gathered(points.of_run(context.store, request.id))
    if not gathered and attempt is not None:
        files = context.spots[attempt.target].files
        written = rows_of(_lines(files, attempt.folder, METRICS_FILE))
        gathered = _gathered(written) or _gathered(rows_of(_lines(files, attempt.folder)))
    return gathered or _gathered([context.store.read(lambda session: runs.results(session, request.id))])


def _newest(session: Session, run_id: str) -> Attempt | None:
    made = runs.attempts(session, require_run(session, run_id).id)
    return made[-1] if made else None


def _gathered(rows: Iterable[Mapping[str, Any]]) -> View:
    gathering = Gathering()
    for row in rows:
        gathering.add(row)
    return gathering.answer()


def _lines(files: Files, folder: str, name: str | None = None) -> Iterator[str]:
    """Lines of the end of a file in an attempt's folder, or of its log."""
    offset, begun, read = -FILE_BYTES, b"", 0
    while read < FILE_BYTES:
        data, offset = files.part(folder, name, offset, PIECE_BYTES) if name else files.log(folder, offset, PIECE_BYTES)
        if not data:
            break
        read += len(data)
        *whole, begun = (begun + data).split(b"\n")
        begun = begun[-PIECE_BYTES:]
        yield from (line.decode("utf-8", errors="replace") for line in whole)
    yield begun.decode("utf-8", errors="replace")


WORK: dict[str, Work] = {
    "append_metrics": Work(AppendMetrics, append_metrics, Appended),
    "run_metrics": Work(OneRun, run_metrics, RunMetrics),
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
