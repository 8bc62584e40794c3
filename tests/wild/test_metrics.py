"""Metric rows that are sent, and series of rows that were sent or written (W50)."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import BadRequest, NotFound
from overnight.domain.nouns import Run
from overnight.domain.plan import CampaignPlan, CellPlan, SweepPlan
from overnight.service.wild.metrics import MOST_BYTES, MOST_ROWS
from overnight.store import points, runs
from overnight.store.base import SYSTEM
from tests.service.desk import Desk


class Metering(Desk):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder / "attempt"
        self.folder.mkdir()
        campaign = self.submit(CampaignPlan("study", (SweepPlan("s", (CellPlan("a", {}, "true"),), "/tmp"),)))
        self.run: Run = self.runs(campaign)["a"]

    def begin(self) -> None:
        claim = {"target": "here", "folder": str(self.folder), "devices": []}
        assert self.store.write(SYSTEM, lambda s: runs.claim(s, self.run.id, 1, **claim))

    def send(self, rows: Any, **more: Any) -> Any:
        return self.ask("append_metrics", id=self.run.id, rows=rows, **more)["appended"]

    def metrics(self) -> dict[str, Any]:
        return self.ask("run_metrics", id=self.run.id)


@pytest.fixture
def metering(tmp_path: Path) -> Iterator[Metering]:
    made = Metering(tmp_path)
    yield made
    made.check()
    made.store.close()


def test_what_a_run_said_at_its_end_stands_for_a_series(metering: Metering) -> None:
    metering.begin()
    metering.store.write(SYSTEM, lambda s: runs.keep_results(s, metering.run.id, {"accuracy": 0.42, "loss": 1.5}))
    found = metering.metrics()
    assert found["metricSeries"]["accuracy"] == [{"step": 0, "value": 0.42}]
    assert found["metrics"] == {"loss": 1.5, "accuracy": 42.0, "epoch": None}
    metering.send([{"step": 1, "loss": 2.0}])
    assert metering.metrics()["metricKeys"] == ["loss"]


def test_rows_that_are_sent_come_back_as_series(metering: Metering) -> None:
    assert metering.metrics() == {}
    assert metering.send([{"step": 1, "loss": 2.0, "val/loss": 2.2}, {"step": 2, "loss": 1.0, "acc": 0.5}]) == 2
    assert metering.send([{"step": 3, "loss": 0.5, "epoch": 1}]) == 1
    found = metering.metrics()
    assert set(found) == {"metricSeries", "metricKeys", "lossHistory", "metrics"}
    assert [it["value"] for it in found["metricSeries"]["loss"]] == [2.0, 1.0, 0.5]
    assert found["metricKeys"] == ["acc", "epoch", "loss", "val/loss"]
    assert found["lossHistory"][0] == {"step": 1.0, "trainLoss": 2.0, "valLoss": 2.2}
    assert found["metrics"] == {"loss": 0.5, "accuracy": 50.0, "epoch": 1.0}
    assert [it["rows"] for it in metering.events("metrics.append")] == [2, 1]


@pytest.mark.parametrize(
    "rows",
    [None, [], {}, "rows", 3, [1], [{"loss": 1}, None], [{"loss": 1}, [2]], [{}] * (MOST_ROWS + 1)],
    ids=lambda rows: str(rows)[:20],
)
def test_what_is_no_list_of_objects_is_refused_whole(metering: Metering, rows: Any) -> None:
    with pytest.raises(BadRequest):
        metering.send(rows)
    assert metering.metrics() == {}


def test_more_bytes_than_a_request_may_have_are_refused(metering: Metering) -> None:
    with pytest.raises(BadRequest, match="bytes"):
        metering.send([{"note": "x" * (MOST_BYTES // 2)}] * 2 + [{"note": "xx"}])
    with pytest.raises(NotFound, match=r"^Run not found$"):
        metering.ask("append_metrics", id="0" * 12, rows=[{"loss": 1}])
    with pytest.raises(NotFound, match=r"^Run not found$"):
        metering.ask("run_metrics", id="0" * 12)


def test_the_same_key_appends_once(metering: Metering) -> None:
    for _ in range(3):
        assert metering.send([{"loss": 1}], key="once") == 1
    assert len(metering.metrics()["metricSeries"]["loss"]) == 1


@pytest.mark.parametrize(
    "row",
    [
        {"loss": float("nan"), "a": float("inf"), "b": [float("-inf"), {"c": float("nan")}]},
        {"loss": 10**400, "a": 1e308, "b": -(10**400)},
        {"loss": {"deep": [1, {"er": None}]}, "": 1, "ключ \u202e": "<script>", "nul\x01": True},
    ],
)
def test_whatever_a_row_holds_is_kept_as_data(metering: Metering, row: dict[str, Any]) -> None:
    assert metering.send([row]) == 1
    kept = list(points.of_run(metering.store, metering.run.id))
    assert json.dumps(kept, allow_nan=False)
    assert list(kept[0]) == list(row)
    metering.metrics()


def test_a_file_that_the_job_writes_counts_where_nothing_was_sent(metering: Metering) -> None:
    metering.begin()
    lines = ["noise", '{"step": 1, "train/loss": 3}', '{"step": 2, "train/loss": NaN}', "{broken", '{"step": 3, "x": 1']
    (metering.folder / "metrics.jsonl").write_text("\n".join(lines))
    (metering.folder / "log").write_text('{"loss": 9}\n')
    assert metering.metrics()["metricSeries"] == {
        "train/loss": [{"step": 1.0, "value": 3.0}, {"step": 2.0, "value": None}]
    }
    metering.send([{"loss": 1}])
    assert metering.metrics()["metricKeys"] == ["loss"]


def test_json_lines_of_the_log_count_where_there_is_no_file(metering: Metering) -> None:
    metering.begin()
    assert metering.metrics() == {}
    (metering.folder / "log").write_bytes(b'start\r\n{"epoch": 0, "loss": 2}\r\n{"epoch": 1}\xff\n{"loss": 5}')
    assert [it["value"] for it in metering.metrics()["metricSeries"]["loss"]] == [2.0, 5.0]


def test_a_link_in_place_of_the_file_is_not_read(metering: Metering, tmp_path: Path) -> None:
    metering.begin()
    (tmp_path / "other").write_text('{"loss": 1}\n')
    (metering.folder / "metrics.jsonl").symlink_to(tmp_path / "other")
    assert metering.metrics() == {}


def test_tens_of_thousands_of_rows_are_read_in_bounded_memory(metering: Metering) -> None:
    metering.begin()
    line = '{"step": %d, "loss": 2.5, "lr": 0.001, "note": "' + "x" * 400 + '"}\n'
    with (metering.folder / "metrics.jsonl").open("w") as file:
        file.writelines(line % step for step in range(20_000))
    tracemalloc.start()
    found = metering.metrics()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(found["metricSeries"]["loss"]) <= 400, found["metricSeries"]["loss"][-1]["step"]) == (True, 19_999.0)
    assert peak < 8 * 1024 * 1024


def test_a_line_without_end_does_not_fill_the_memory(metering: Metering) -> None:
    metering.begin()
    with (metering.folder / "metrics.jsonl").open("wb") as file:
        file.seek(40 * 1024 * 1024)
        file.write(b'\n{"loss": 1}\n')
    tracemalloc.start()
    found = metering.metrics()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["metricKeys"] == ["loss"]
    assert peak < 16 * 1024 * 1024
