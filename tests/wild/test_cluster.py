"""What the machines are taken for: said, found out, kept (W51–W58), and the counts (W4, W59–W67)."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from overnight.domain.access import LOOPBACK
from overnight.domain.errors import BadRequest, Denied, Unavailable
from overnight.domain.plan import CampaignPlan, CellPlan, Need, SweepPlan
from overnight.domain.states import RUN
from overnight.planner.detection import Found, decide
from overnight.service import detection
from overnight.service.detection import HINTS
from overnight.store import campaigns, queries, runs
from overnight.store.base import SYSTEM, Session
from overnight.store.moves import move
from overnight.targets import detecting
from overnight.targets.base import Offer
from tests.service.desk import PERSON, Desk

QUIET = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
"""An environment that says nothing."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.store.close()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine of which nothing is known but what a test puts there."""
    monkeypatch.setattr(detecting, "POD_TOKEN", tmp_path / "no-pod")
    for name in [name for name in os.environ if name.startswith(("SLURM_", "KUBERNETES_", "RAY_")) or name in HINTS]:
        monkeypatch.delenv(name)
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)


class Gpus:
    """A target with so many GPUs; None = its driver hangs, -1 = it cannot be asked."""

    def __init__(self, number: int | None) -> None:
        self.number = number
        self.let_go = threading.Event()

    def offers(self) -> list[Offer]:
        if self.number is None:
            self.let_go.wait(10)
            return []
        if self.number < 0:
            raise Unavailable("no runner")
        return [Offer(f"here/G{it}", "gpu", it, f"G{it}", "card", 1000, None, None) for it in range(self.number)]


def tools(folder: Path, **scripts: str) -> dict[str, str]:
    """An environment whose PATH has these programs."""
    folder.mkdir(exist_ok=True)
    for name, text in scripts.items():
        (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name.replace("_", "-")).chmod(0o755)
    return {**QUIET, "PATH": f"{folder}"}


def found(environment: dict[str, str], gpus: int | None = 0) -> tuple[str, float, int | None]:
    kind, sure = detection_of(environment, gpus)
    return kind, sure, looked(environment, gpus).gpus


def looked(environment: dict[str, str], gpus: int | None = 0) -> Found:
    return detection.look({"here": Gpus(gpus)}, environment)  # type: ignore[dict-item]


def detection_of(environment: dict[str, str], gpus: int | None = 0) -> tuple[str, float]:
    kind, sure = decide(looked(environment, gpus))
    return str(kind), sure


def test_a_new_server_knows_nothing(desk: Desk) -> None:
    answer = desk.ask("get_cluster")
    assert answer["cluster"] == {
        "type": "unknown",
        "status": "unknown",
        "source": "unset",
        "label": "Unknown",
        "description": answer["cluster"]["description"],
        "head_node": None,
        "node_count": None,
        "gpu_count": None,
        "notes": None,
        "confidence": None,
        "details": {"signals": [], "slurm_nodes": 0, "kubernetes_nodes": 0, "ssh_hosts": 0},
        "last_detected_at": None,
        "updated_at": None,
    }
    assert answer["target_parallel"] == 1


def test_a_machine_on_which_nothing_speaks_has_a_cpu_only(desk: Desk) -> None:
    answer = desk.ask("detect_cluster")["cluster"]
    assert (answer["type"], answer["source"], answer["status"]) == ("cpu_only", "detected", "healthy")
    assert (answer["gpu_count"], answer["node_count"], answer["confidence"]) == (0, 1, 0.70)
    assert any("no GPU" in signal for signal in answer["details"]["signals"])
    assert answer["last_detected_at"] is not None


def test_what_was_found_is_kept_and_said_with_who_asked(desk: Desk, tmp_path: Path) -> None:
    first = desk.ask("detect_cluster")
    desk.store.close()
    again = Desk(tmp_path)
    assert again.ask("get_cluster") == first
    (event,) = again.events("cluster.update")
    assert (event["before"]["type"], event["after"]["type"], event["actor"]) == ("unknown", "cpu_only", "ada")
    again.check()
    again.store.close()


def test_an_agent_has_it_looked_and_keeps_what_an_operator_said(desk: Desk) -> None:
    agent = copy(desk)
    agent.context = replace(desk.context, principal=LOOPBACK)
    assert agent.ask("detect_cluster")["cluster"]["source"] == "detected"
    said = desk.ask("set_cluster", type="local_gpu", gpu_count=4)
    assert agent.ask("detect_cluster") == said
    with pytest.raises(Denied, match="preferred_type"):
        agent.ask("detect_cluster", preferred_type="slurm")
    with pytest.raises(BadRequest, match="Unsupported cluster type: toaster"):
        agent.ask("detect_cluster", preferred_type="toaster")
    assert len(desk.events("cluster.update")) == 2
    assert desk.ask("detect_cluster")["cluster"]["source"] == "detected"


def test_a_hint_in_the_environment_wins(tmp_path: Path) -> None:
    assert detection_of({**QUIET, "RESEARCH_AGENT_CLUSTER_TYPE": "K8S"}, 4) == ("kubernetes", 0.98)
    both = {**QUIET, "OVERNIGHT_CLUSTER_TYPE": "ray", "RESEARCH_AGENT_CLUSTER_TYPE": "slurm"}
    assert detection_of(both) == ("ray", 0.98)
    assert detection_of({**QUIET, "OVERNIGHT_CLUSTER_TYPE": "toaster"}) == ("cpu_only", 0.70)


def test_local_gpus_are_those_of_the_driver() -> None:
    assert found(QUIET, 4) == ("local_gpu", 0.78, 4)
    assert found(QUIET, 1) == ("local_gpu", 0.68, 1)


def test_nvidia_smi_is_asked_where_the_driver_shows_nothing(tmp_path: Path) -> None:
    lists = 'for i in 0 1 2 3; do echo "GPU $i: card (UUID: GPU-$i)"; done'
    assert found(tools(tmp_path / "bin", nvidia_smi=lists)) == ("local_gpu", 0.78, 4)


def test_a_broken_nvidia_smi_is_no_proof_that_there_is_no_gpu(desk: Desk, tmp_path: Path) -> None:
    environment = tools(tmp_path / "bin", nvidia_smi="echo boom >&2; exit 9")
    assert found(environment) == ("unknown", 0.35, None)
    assert any("nvidia-smi ended with code 9: boom" in it for it in looked(environment).signals)


def test_a_driver_that_hangs_delays_nobody_and_proves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(detection, "PATIENCE", 0.3)
    environment = tools(tmp_path / "bin", nvidia_smi="exec sleep 60")
    monkeypatch.setattr(detecting.ask, "__defaults__", (0.1,))
    assert detection_of(environment, None) == ("unknown", 0.35)


def test_a_program_that_takes_too_long_is_killed_with_what_it_started(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; wait"
    environment = tools(tmp_path / "bin", sinfo=script)
    environment["PATH"] += ":/usr/bin:/bin"
    for patience in (0.3, 3.0, 20.0):  # on a slow machine it may not have come that far
        assert detecting.ask(["sinfo"], environment, patience).late
        if (tmp_path / "pid").exists():
            break
    with suppress(ProcessLookupError):
        child = os.pidfd_open(int((tmp_path / "pid").read_text()))
        assert select.select([child], [], [], 20.0)[0], "it lives on"
        os.close(child)


def test_schedulers_are_found_by_what_their_programs_list(tmp_path: Path) -> None:
    sinfo = tools(tmp_path / "slurm", sinfo="echo 'n1 gpu:a100:4(S:0-1)'; echo 'n2 gpu:8'; echo 'n2 gpu:8'")
    slurm = looked(sinfo)
    assert (detection_of(sinfo), slurm.slurm_nodes, slurm.slurm_gpus) == (("slurm", 0.80), 2, 12)
    kubectl = tools(tmp_path / "kube", kubectl="echo 'a Ready 1d'; echo 'b Ready 1d'")
    assert (detection_of(kubectl), looked(kubectl).kubernetes_nodes) == (("kubernetes", 0.82), 2)
    assert detection_of(kubectl, 2) == ("local_gpu", 0.78)
    ray = tools(tmp_path / "ray", ray="echo '1 node_abc'")
    assert detection_of(ray) == ("ray", 0.70)
    assert detection_of(ray, 2) == ("ray", 0.78)
    assert detection_of({**QUIET, "RAY_ADDRESS": "auto"}) == ("ray", 0.85)
    gone = tools(tmp_path / "gone", kubectl="echo refused >&2; exit 1", ray="exit 1")
    assert detection_of({**gone, "RAY_ADDRESS": "auto"}) == ("cpu_only", 0.70)


def test_environments_of_schedulers_speak_for_them(tmp_path: Path) -> None:
    assert detection_of({**QUIET, "SLURM_JOB_ID": "1"}, 4) == ("slurm", 0.90)
    assert detection_of({**QUIET, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}, 4) == ("kubernetes", 0.93)


def test_hosts_of_ssh_are_a_signal_and_nothing_more(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host a b *.x\n  User me\nhost c\nHost *\n")
    seen = looked({**QUIET, "HOME": str(tmp_path)})
    assert seen.ssh_hosts == 3
    assert detection_of({**QUIET, "HOME": str(tmp_path)})[0] == "cpu_only"


def test_nodes_written_as_ranges_are_counted() -> None:
    assert len(detecting.slurm_nodes(detecting.Said("sinfo", 0, ("gpu[01-04,9] gpu:2", "[x] none")))) == 6


def test_a_person_may_say_which_kind_it_is(desk: Desk) -> None:
    answer = desk.ask("detect_cluster", preferred_type="Slurm")
    assert [answer["cluster"][it] for it in ("type", "source", "status", "confidence")] == [
        "slurm",
        "manual",
        "healthy",
        1.0,
    ]
    assert answer["target_parallel"] == 4
    with pytest.raises(BadRequest, match=r"^Unsupported cluster type: toaster$"):
        desk.ask("detect_cluster", preferred_type="toaster")


@pytest.mark.parametrize(
    ("word", "kind"),
    [("cpu_only", "cpu_only"), ("k8s", "kubernetes"), ("local-gpu", "local_gpu"), ("Head-Node", "shared_head_node")],
)
def test_words_for_kinds(desk: Desk, word: str, kind: str) -> None:
    assert desk.ask("set_cluster", type=word)["cluster"]["type"] == kind


def test_words_that_do_not_exist_are_refused_and_change_nothing(desk: Desk) -> None:
    for name, word in (("type", "zzz"), ("status", "zzz"), ("source", "zzz")):
        with pytest.raises(BadRequest, match=f"^Unsupported cluster {name}: zzz$"):
            desk.ask("set_cluster", **{name: word})
    assert desk.ask("get_cluster")["cluster"]["type"] == "unknown"


def test_what_is_left_out_stays_until_the_kind_changes(desk: Desk) -> None:
    desk.ask("set_cluster", type="local_gpu", gpu_count=4, notes="mine", details={"rack": 7})
    kept = desk.ask("set_cluster", status="degraded")["cluster"]
    assert (kept["gpu_count"], kept["status"], kept["source"], kept["details"]["rack"]) == (4, "degraded", "manual", 7)
    assert desk.ask("set_cluster", gpu_count=None)["target_parallel"] == 1
    other = desk.ask("set_cluster", type="slurm")
    assert (other["cluster"]["gpu_count"], other["cluster"]["notes"], other["target_parallel"]) == (None, "mine", 4)


def submitted(desk: Desk, number: int) -> list[str]:
    sweep = SweepPlan("s", tuple(CellPlan(f"c{it}", {}, "true") for it in range(number)), "/", need=Need(slots=0))
    return [run.id for run in desk.runs(desk.submit(CampaignPlan("c", (sweep,)))).values()]


def ready(desk: Desk, number: int) -> None:
    """So many runs that wait for a word."""

    def work(session: Session) -> None:
        sweep = campaigns.insert_sweep(session, None, SweepPlan("w", (), "/", capacity=True), desk.context.rng)
        made = [(f"{it:012x}", f"r{it}", campaigns.config_of(CellPlan("c", {}, "true"))) for it in range(number)]
        campaigns.insert_runs(session, None, sweep, made, state="ready")

    desk.store.write(PERSON, work)


def test_health_counts_every_state_and_agrees_with_the_cluster(desk: Desk) -> None:
    desk.ask("set_cluster", type="local_gpu", gpu_count=4)
    ids = submitted(desk, 6)
    listed = {run.id: run for run in desk.runs(desk.ask("list_campaigns")["campaigns"][0]["id"]).values()}
    desk.carry_out(listed[ids[0]])
    desk.carry_out(listed[ids[1]], "fail")
    desk.start(listed[ids[2]])
    desk.store.write(SYSTEM, lambda s: move(s, RUN, ids[3], "cancel"))
    ready(desk, 3)
    health = desk.ask("system_health")
    assert health == {
        "running": 1,
        "queued": 5,
        "completed": 1,
        "failed": 1,
        "total": 9,
        "max_concurrent": 4,
        "ready": 3,
        "launching": 0,
        "stopped": 1,
        "target_parallel": 4,
        "max_new_runs": 3,
    }
    assert all(type(value) is int for value in health.values())
    answer = desk.ask("get_cluster")
    assert answer["max_new_runs"] == 3
    assert answer["run_summary"] == {
        "total": 9,
        "running": 1,
        "launching": 0,
        "queued": 2,
        "ready": 3,
        "failed": 1,
        "finished": 1,
    }
    desk.check()


def test_archived_runs_are_in_the_health_and_not_in_the_summary(desk: Desk) -> None:
    ready(desk, 3)
    desk.store.write(SYSTEM, lambda s: s.connection.execute("UPDATE runs SET archived_at = 1 WHERE name = 'r0'"))
    assert desk.ask("system_health")["ready"] == 3
    assert desk.ask("get_cluster")["run_summary"]["ready"] == 2


def test_a_launching_run_is_live_and_not_running(desk: Desk) -> None:
    (run_id,) = submitted(desk, 1)
    desk.store.write(SYSTEM, lambda s: runs.claim(s, run_id, 1, target="here", folder="/f", devices=[]))
    health = desk.ask("system_health")
    assert (health["launching"], health["running"], health["max_new_runs"]) == (1, 0, 0)


def test_counts_do_not_read_runs(desk: Desk) -> None:
    """Else a health check would cost the more, the more was done."""
    ready(desk, 2)
    plans = [
        row[3]
        for query in ("totals", "attempts_launching", "runs_external")
        for row in desk.store.read(lambda s, q=query: _plan(s, q))  # type: ignore[misc]
    ]
    assert plans
    assert not [step for step in plans if step.startswith(("SCAN runs", "SCAN r "))]


def _plan(session: Session, query: str) -> list[Any]:
    return list(session.connection.execute(f"EXPLAIN QUERY PLAN {queries.sqlite()[query]}"))
