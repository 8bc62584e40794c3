"""W32–W37, W51–W71: how much runs at once, and where."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.protocol.harness import Protocol, protocol


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Protocol]:
    """A server whose PATH has no nvidia-smi, sinfo, kubectl or ray but those that a test makes."""
    tools = tmp_path / "bin"
    tools.mkdir()
    with protocol(tmp_path / "home", environment={"PATH": f"{tools}:/usr/bin:/bin"}) as it:
        yield it


def detect(it: Protocol, body: Any = None) -> dict[str, Any]:
    found: dict[str, Any] = it.post("/cluster/detect", body)
    return found


def test_detection_works_with_and_without_a_body(bare: Protocol) -> None:
    for body in (None, {}):
        found = detect(bare, body)
        assert found["cluster"]["source"] == "detected"
        assert {"total", "running", "launching", "queued", "ready", "failed", "finished"} <= found["run_summary"].keys()


def test_a_machine_without_gpus_is_cpu_only(bare: Protocol) -> None:
    cluster = detect(bare)["cluster"]
    assert (cluster["type"], cluster["gpu_count"], cluster["confidence"]) == ("cpu_only", 0, 0.7)


def test_a_hint_in_the_environment_wins(tmp_path: Path) -> None:
    with protocol(tmp_path / "home", environment={"OVERNIGHT_CLUSTER_TYPE": "ray"}) as it:
        cluster = detect(it)["cluster"]
        assert (cluster["type"], cluster["confidence"]) == ("ray", 0.98)


def test_what_a_person_says_is_believed_and_kept(own: Protocol) -> None:
    found = detect(own, {"preferred_type": "slurm"})["cluster"]
    assert (found["type"], found["source"], found["confidence"], found["status"]) == ("slurm", "manual", 1.0, "healthy")
    reply = own.curl("POST", "/cluster/detect", {"preferred_type": "toaster"})
    assert (reply.status, reply.detail) == (400, "Unsupported cluster type: toaster")
    for said, kept in (("cpu_only", "cpu_only"), ("k8s", "kubernetes"), ("local-gpu", "local_gpu")):
        assert own.post("/cluster", {"type": said})["cluster"]["type"] == kept
    assert own.curl("POST", "/cluster", {"type": "zzz"}).status == 400
    assert own.curl("POST", "/cluster", {"gpu_count": -1}).status == 422
    before = own.get("/cluster")["cluster"]
    own.kill()
    own.up()
    assert own.get("/cluster")["cluster"] == before


@pytest.mark.parametrize(
    ("said", "slots"),
    [
        ({"type": "local_gpu", "gpu_count": 4}, 4),
        ({"type": "local_gpu", "gpu_count": 0}, 1),
        ({"type": "local_gpu"}, 1),
        ({"type": "slurm", "gpu_count": 16}, 16),
        ({"type": "slurm"}, 4),
        ({"type": "kubernetes", "gpu_count": 8}, 1),
    ],
)
def test_slots_by_type(wild: Protocol, said: dict[str, Any], slots: int) -> None:
    assert wild.post("/cluster", {"gpu_count": None, **said})["target_parallel"] == slots


def test_the_operator_bounds_it(tmp_path: Path) -> None:
    with protocol(tmp_path / "home", "[capacity]\nmax_concurrent = 3\n") as it:
        it.room(8)
        assert it.get("/cluster")["target_parallel"] == 3
        assert it.get("/wild/v2/system-health")["max_concurrent"] == 3


def test_the_formula(own: Protocol) -> None:
    own.room(4)
    assert own.get("/wild/v2/system-health")["max_new_runs"] == 0
    own.run("sleep 60", auto_start=True)
    own.until(lambda: own.get("/wild/v2/system-health")["running"] == 1)
    for _ in range(10):
        own.run("sleep 60")
    health = own.get("/wild/v2/system-health")
    assert (health["max_new_runs"], health["queued"], health["ready"]) == (3, 10, 10)
    assert own.get("/cluster")["max_new_runs"] == 3
    own.room(1)
    assert own.get("/wild/v2/system-health")["max_new_runs"] == 0


def test_however_many_start_at_once_no_more_run_than_there_is_room(own: Protocol, tmp_path: Path) -> None:
    own.room(2)
    living = tmp_path / "living"
    living.mkdir()
    command = f"touch {living}/$$; ls {living} | wc -l; sleep 0.2; rm {living}/$$"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: own.run(command, auto_start=True)["id"], range(16)))
    for run in made:
        assert own.ended(run)["status"] == "finished"
        assert int(own.get(f"/runs/{run}/logs")["content"]) <= 2


def test_what_finds_no_room_is_queued_with_a_reason_and_starts_later(own: Protocol) -> None:
    own.room(1)
    blocker = own.run("sleep 60", auto_start=True)["id"]
    own.reaches(blocker, "running")
    itself, asked = own.run("true", auto_start=True), own.run("true")["id"]
    assert itself["status"] == "queued"
    for _ in range(2):
        reply = own.post(f"/runs/{asked}/start")
        assert (reply["message"], reply["status"]) == ("Run queued", "queued")
    assert own.get(f"/runs/{asked}")["queue_reason"]
    assert own.get("/wild/v2/system-health")["max_new_runs"] == 0
    own.post(f"/runs/{blocker}/stop")
    assert {own.ended(run)["status"] for run in (itself["id"], asked)} == {"finished"}


def test_many_starts_of_one_run_are_one_attempt(own: Protocol) -> None:
    own.room(2)
    run = own.run("sleep 0.5")["id"]
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        replies = list(pool.map(lambda _: own.curl("POST", f"/runs/{run}/start"), range(5)))
    assert {reply.status for reply in replies} <= {200, 400}
    assert 200 in {reply.status for reply in replies}
    assert own.ended(run)["status"] == "finished"
    assert len(own.get(f"/runs/{run}")["attempts"]) == 1


def test_four_runs_get_four_gpus(own: Protocol) -> None:
    own.room(4)
    runs = [own.run('echo "$CUDA_VISIBLE_DEVICES"; sleep 60', auto_start=True)["id"] for _ in range(4)]
    for run in runs:
        own.reaches(run, "running")
    given = [own.get(f"/runs/{run}")["gpu_ids"] for run in runs]
    assert sorted(gpu for gpus in given for gpu in gpus) == [0, 1, 2, 3]
    for run, gpus in zip(runs, given, strict=True):
        own.until(lambda run=run, gpus=gpus: own.get(f"/runs/{run}/logs")["content"] == f"{gpus[0]}\n")


def test_a_pin_in_the_command_is_honoured(own: Protocol) -> None:
    own.room(4)
    pinned = own.run("CUDA_VISIBLE_DEVICES=2 sleep 60", auto_start=True)["id"]
    own.reaches(pinned, "running")
    assert own.get(f"/runs/{pinned}")["gpu_ids"] == [2]
    again = own.run("CUDA_VISIBLE_DEVICES=2 true", auto_start=True)["id"]
    others = [own.run("sleep 60", auto_start=True)["id"] for _ in range(3)]
    for run in others:
        own.reaches(run, "running")
    assert own.status(again) == "queued"
    assert 2 not in [gpu for run in others for gpu in own.get(f"/runs/{run}")["gpu_ids"]]
    never = own.run("CUDA_VISIBLE_DEVICES=9 true", auto_start=True)["id"]
    assert "9" in own.ended(never)["error"]


def test_without_gpus_their_variable_is_not_touched(tmp_path: Path) -> None:
    with protocol(tmp_path / "home", environment={"CUDA_VISIBLE_DEVICES": "kept"}) as it:
        it.post("/cluster", {"type": "cpu_only"})
        body = {"gpuwrap_config": {"enabled": True}, "auto_start": True}
        done = it.ended(it.run('echo "$CUDA_VISIBLE_DEVICES"', **body)["id"])
        assert done["status"] == "finished"
        assert it.get(f"/runs/{done['id']}/logs")["content"] == "kept\n"
        assert it.get("/alerts") == []


def test_nvidia_smi_tells_the_gpus(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    broken = tools / "nvidia-smi"
    broken.write_text("#!/bin/sh\necho boom >&2; exit 9\n")
    broken.chmod(0o755)
    with protocol(tmp_path / "home", environment={"PATH": f"{tools}:/usr/bin:/bin"}) as it:
        cluster = detect(it)["cluster"]
        assert (cluster["type"], cluster["gpu_count"], cluster["status"]) == ("unknown", None, "degraded")
        assert cluster["confidence"] == 0.35
        assert "nvidia" in json.dumps(cluster["details"]["signals"])
