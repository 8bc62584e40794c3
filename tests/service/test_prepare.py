"""From a file to a campaign that may be submitted: CPU or GPU, refusals, warnings; planning changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.errors import OvernightError, PreflightFailed, Refused, Unavailable
from overnight.service.context import Spot
from overnight.targets.base import Offer
from overnight.targets.files import LocalFiles
from overnight.targets.status import Status, Why
from tests.service.desk import Desk

GPU = Offer("here/GPU-a", "gpu", 0, "GPU-a", "H100", 80_000, None, None)


class GpuTarget:
    """A target with one GPU and one slot, or one that does not answer."""

    silent = False

    def offers(self) -> list[Offer]:
        if self.silent:
            raise Unavailable("the driver does not answer")
        return [GPU, Offer("here/slot0", "slot", 0, None, "slot", 0, None, None)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


def with_gpu(desk: Desk, *, silent: bool = False) -> Desk:
    target = GpuTarget()
    target.silent = silent
    desk.context = replace(desk.context, spots={"here": Spot(target, LocalFiles())})  # type: ignore[arg-type]
    return desk


def manifest(*jobs: dict[str, Any], **keys: Any) -> str:
    return json.dumps({"project": "p", "jobs": [*(jobs or ({"id": "a", "cmd": "true"},))], **keys})


def ask(desk: Desk, operation: str, text: str, folder: Path, name: str = "m.json") -> dict[str, Any]:
    return desk.ask(operation, file=text, path=name, directory=str(folder))


def counted(desk: Desk, table: str) -> int:
    return int(desk.store.read(lambda session: session.connection.execute(f"SELECT count(*) FROM {table}"))[0][0])


def need(desk: Desk, campaign: str) -> tuple[int, int, int | None]:
    """GPUs and slots of its first sweep, and how many runs it may have at once."""
    from overnight.store import campaigns

    found = desk.store.read(lambda s: (campaigns.sweeps_of(s, campaign)[0].settings.need, campaigns.get(s, campaign)))
    return found[0].gpus, found[0].slots, found[1].parallel


def test_jobs_that_name_no_gpus_take_what_the_target_has(desk: Desk, tmp_path: Path) -> None:
    assert ask(desk, "plan", manifest(), tmp_path)["cells"][0]["gpus"] == 0
    on_cpu = ask(desk, "submit", manifest(), tmp_path)["campaign"]["id"]
    assert need(desk, on_cpu) == (0, 0, 1)
    with_gpu(desk)
    assert ask(desk, "plan", manifest(project="q"), tmp_path)["cells"][0]["gpus"] == 1
    on_gpu = ask(desk, "submit", manifest(project="q"), tmp_path)["campaign"]["id"]
    assert need(desk, on_gpu) == (1, 1, None)


def test_a_declared_bound_stays_on_the_cpu(desk: Desk, tmp_path: Path) -> None:
    campaign = ask(desk, "submit", manifest(max_parallel=3), tmp_path)["campaign"]["id"]
    assert need(desk, campaign) == (0, 0, 3)


def test_a_target_that_does_not_answer_is_taken_as_it_is_on_record(desk: Desk, tmp_path: Path) -> None:
    with_gpu(desk, silent=True)
    campaign = ask(desk, "submit", manifest(), tmp_path)["campaign"]["id"]
    assert need(desk, campaign)[0] == 1, "nothing on record says that there is no GPU"


def test_what_cannot_start_is_not_submitted_and_everything_is_told(desk: Desk, tmp_path: Path) -> None:
    text = manifest(cwd="no/folder", venv="v", gpus=[3])
    with_gpu(desk)
    plan = ask(desk, "plan", text, tmp_path)
    assert [it["code"] for it in plan["preflight"]] == ["cwd_missing", "gpu_missing"]
    assert plan["cells"][0]["blocked"]["code"] == "cwd_missing"
    with pytest.raises(PreflightFailed) as refused:
        ask(desk, "submit", text, tmp_path)
    assert len(refused.value.problems) == 2
    assert counted(desk, "campaigns") == 0


def test_a_missing_path_is_told_and_keeps_nothing_from_being_submitted(desk: Desk, tmp_path: Path) -> None:
    job = {"id": "a", "cmd": "true", "preconditions": [{"type": "file_exists", "path": "in_{n}"}], "args": {"n": 7}}
    text = manifest(job, {"id": "b", "cmd": "true"})
    cells = ask(desk, "plan", text, tmp_path)["cells"]
    assert cells[0]["requires"] == ["in_7"]
    assert (cells[0]["blocked"]["code"], cells[1]["blocked"]) == ("precondition_missing", None)
    assert ask(desk, "submit", text, tmp_path)["runs"] == 2


def test_planning_changes_nothing(desk: Desk, tmp_path: Path) -> None:
    before = counted(desk, "events"), sorted(it.name for it in tmp_path.iterdir())
    ask(desk, "plan", manifest(), tmp_path)
    assert (counted(desk, "events"), sorted(it.name for it in tmp_path.iterdir())) == before


def test_another_campaign_with_the_same_outputs_is_a_warning(desk: Desk, tmp_path: Path) -> None:
    text = manifest({"id": "a", "cmd": "true", "expected_output": "out.json"})
    assert ask(desk, "submit", text, tmp_path)["warnings"] == []
    assert ask(desk, "plan", text, tmp_path)["warnings"] == [], "it is the same campaign"
    other = manifest({"id": "b", "cmd": "true", "expected_output": "./out.json"}, project="q")
    for operation in ("plan", "submit"):
        (warning,) = ask(desk, operation, other, tmp_path, "other.json")["warnings"]
        assert warning["code"] == "outputs_claimed"
        assert str(tmp_path / "out.json") in warning["detail"]


def test_an_analysis_that_nothing_carries_out_is_a_warning(desk: Desk, tmp_path: Path) -> None:
    text = manifest(analyze_on_complete=True)
    assert [it["code"] for it in ask(desk, "plan", text, tmp_path)["warnings"]] == ["analysis_missing"]


def test_the_same_file_goes_on_although_something_is_missing_meanwhile(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    text = manifest(cwd="work")
    first = ask(desk, "submit", text, tmp_path)
    (tmp_path / "work").rmdir()
    again = ask(desk, "submit", text, tmp_path)
    assert (again["campaign"], again["resumed"]) == (first["campaign"], True)


def test_an_answer_that_was_lost_is_given_again_whatever_is_missing_by_now(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    fields = {"file": manifest(cwd="work"), "path": "m.json", "directory": str(tmp_path)}
    first = desk.ask("submit", key="k", **fields)
    desk.ask("cancel", id=first["campaign"]["id"])
    (tmp_path / "work").rmdir()
    assert desk.ask("submit", key="k", **fields) == first


class FarTarget(GpuTarget):
    """A target on another machine, which counts how often it is asked."""

    asked = 0

    def offers(self) -> list[Offer]:
        self.asked += 1
        return super().offers()


def with_far(desk: Desk, *, silent: bool = False) -> tuple[FarTarget, FarTarget]:
    """`box`, which a file names, and `other`, which none does."""
    box, other = FarTarget(), FarTarget()
    box.silent = silent
    there = {
        name: Spot(it, LocalFiles(), home=lambda: "/home/u", folder=lambda: "/tmp")  # type: ignore[arg-type]
        for name, it in (("box", box), ("other", other))
    }
    desk.context = replace(desk.context, spots={**with_gpu(desk).context.spots, **there})
    return box, other


def test_only_targets_that_a_file_names_are_asked(desk: Desk, tmp_path: Path) -> None:
    box, other = with_far(desk)
    text = "campaign: c\ntargets: [box, here]\nresources: {gpus: 1}\nsweeps: {s: {command: 'true'}}\n"
    answer = ask(desk, "plan", text, tmp_path)
    assert (answer["preflight"], answer["sweeps"][0]["targets"]) == ([], ["box", "here"])
    assert (box.asked, other.asked) == (1, 0)


def test_a_target_that_does_not_answer_is_a_warning_beside_one_that_does(desk: Desk, tmp_path: Path) -> None:
    with_far(desk, silent=True)
    text = "campaign: c\n{}resources: {{gpus: 1}}\nsweeps: {{s: {{command: 'true'}}}}\n"
    answer = ask(desk, "plan", text.format("targets: [box, here]\n"), tmp_path)
    assert (answer["preflight"], answer["warnings"][0]["code"]) == ([], "ssh_unreachable")
    alone = ask(desk, "plan", text.format("target: box\n"), tmp_path)
    assert [it["code"] for it in alone["preflight"]] == ["ssh_unreachable"]
    assert "box is not reached: the driver does not answer" in alone["preflight"][0]["detail"]


def test_a_host_that_is_away_is_not_waited_for_where_there_are_others(desk: Desk, tmp_path: Path) -> None:
    box, _ = with_far(desk)
    why = Why("timed_out", "the cable is cut", "ssh box")
    away = replace(desk.context.spots["box"], status=lambda: Status("unknown", 0.0, None, why))
    desk.context = replace(desk.context, spots={**desk.context.spots, "box": away})
    text = "campaign: c\n{}resources: {{gpus: 1}}\nsweeps: {{s: {{command: 'true'}}}}\n"
    answer = ask(desk, "plan", text.format("targets: [box, here]\n"), tmp_path)
    assert (answer["preflight"], box.asked) == ([], 0)
    assert "box is not reached: the cable is cut ssh box" in answer["warnings"][0]["detail"]
    assert ask(desk, "plan", text.format("target: box\n"), tmp_path)["preflight"] == []
    assert box.asked == 1


def test_a_sweep_may_do_without_gpus_only_where_none_of_its_targets_has_one(desk: Desk, tmp_path: Path) -> None:
    with_far(desk)
    text = "campaign: c\ntarget: {}\nresources: {{gpus: 1, or_cpu: true}}\nsweeps: {{s: {{command: 'true'}}}}\n"
    several = text.format("here").replace("target: here", "targets: [here, box]")
    assert ask(desk, "plan", several, tmp_path)["cells"][0]["gpus"] == 1


def test_a_run_alone_may_name_its_targets_and_only_known_ones(desk: Desk) -> None:
    with_far(desk)
    run = {"name": "r", "command": "true", "workdir": "/tmp"}
    (first,) = desk.ask("submit_runs", runs=[{**run, "targets": ["box", "here"]}])["ids"]
    assert desk.ask("show", id=first)["frozen"]["targets"] == ["box", "here"]
    (second,) = desk.ask("submit_runs", runs=[run])["ids"]
    assert desk.ask("show", id=second)["frozen"]["targets"] == ["here"]
    with pytest.raises(Refused, match="no target named nowhere"):
        desk.ask("submit_runs", runs=[{**run, "targets": ["nowhere"]}])
    with pytest.raises(OvernightError):
        desk.ask("submit_runs", runs=[{**run, "targets": ["-oProxyCommand=x"]}])
