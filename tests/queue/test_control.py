"""Status, summary, results and steering: the checks Q16, Q30–Q36 of the experiment queue."""

from __future__ import annotations

import json
from typing import Any

from tests.queue.harness import Queue
from tests.surfaces.cli.harness import wait_until

WORDS = {"pending", "blocked", "running", "failed_oom", "completed", "stuck", "canceled", "eta_seconds"}
COUNT_ROWS = "SELECT count(*) FROM events"


def flat(*commands: str, **keys: Any) -> dict[str, Any]:
    """CPU jobs a, b, c … with these commands."""
    jobs = [{"id": name, "cmd": cmd} for name, cmd in zip("abcdefgh", commands, strict=False)]
    return {"project": "p", "gpus": [], "jobs": jobs, **keys}


def test_status_is_complete_and_changes_nothing(queue: Queue) -> None:
    """Q30."""
    assert queue.settle(flat("true", "exit 3")).code == 1
    before = queue.run("verify-log", "--json").json["events"]
    view = queue.status("p")
    assert set(view) == {"meta", "phases", "jobs", "counts"}
    assert set(view["counts"]) >= WORDS
    assert {word: view["counts"][word] for word in WORDS - {"eta_seconds"}} == {
        "pending": 0, "blocked": 0, "running": 0, "failed_oom": 0, "completed": 1, "stuck": 1, "canceled": 0,
    }  # fmt: skip
    assert view["meta"]["project"] == "p"
    assert view["meta"]["manifest_path"].endswith("m.yaml")
    assert {"id", "phase", "cmd", "expected_output", "status", "gpu", "gpus", "pid", "attempts", "started", "completed",
            "error", "error_class", "reason"} <= set(view["jobs"][0])  # fmt: skip
    assert queue.run("status", "p").out.startswith("1 done / 0 running / 0 pending")
    assert queue.run("verify-log", "--json").json["events"] == before


def test_the_summary_tells_what_happened_and_the_exit_status_says_whether_it_was_good(queue: Queue) -> None:
    """Q31."""
    oom = "if [ -e tried ]; then true; else touch tried; echo 'CUDA out of memory'; exit 1; fi"
    found = queue.settle(flat("true", oom, "echo last words; exit 3", oom_retry={"delay": 0, "max_attempts": 3}))
    assert found.code == 1
    text = queue.run("summary", "p", "--markdown").out
    assert "Jobs: 1 completed, 1 OOM-retried then completed, 1 stuck" in text
    assert "last words" in text
    summary = queue.run("summary", "p", "--json").json
    assert summary["phases"][0]["oom_retries"] == 1
    assert summary["jobs_line"].startswith("1 completed, 1 OOM-retried then completed, 1 stuck")
    assert queue.settle(flat("true", project="good"), "good.yaml").code == 0


def test_the_analysis_hook_gets_the_results_and_its_failure_changes_no_job(queue: Queue) -> None:
    """Q31."""
    queue.configure('[analysis]\ncommand = ["sh", "-c", "cat > results_seen.json; exit 1"]\n')
    found = queue.settle(flat("true", analyze_on_complete=True))
    assert found.code == 0
    seen = json.loads((queue.folder / "results_seen.json").read_text())
    assert seen["counts"]["succeeded"] == 1
    assert queue.jobs("p")["a"]["status"] == "completed"
    kinds = [event["kind"] for event in queue.run("events", "--json", "--limit", "200").json["events"]]
    assert "alert.raise" in kinds


def test_results_are_means_over_seeds_and_the_missing_one_is_listed(queue: Queue) -> None:
    """Q32: from JSON and CSV outputs."""
    manifest = {
        "project": "p",
        "gpus": [],
        "grid": {"N": [1, 2], "seed": [1, 2, 3]},
        "template": {
            "id": "N{N}_s{seed}",
            "cmd": "test {N}{seed} != 23 && printf '{\"accuracy\": %s}' $(({N} * 10 + {seed})) > r_{N}_{seed}.json",
            "expected_output": "r_{N}_{seed}.json",
        },
    }
    assert queue.settle(manifest).code == 1
    (results,) = queue.run("summary", "p", "--json").json["results"]
    cells = results["cells"]
    first, second = (cell["metrics"]["accuracy"] for cell in cells)
    assert (first["n"], first["mean"], first["sd"]) == (3, 12, 1)
    assert (second["n"], second["mean"]) == (2, 21.5)
    assert "N2_s3" in json.dumps(cells[1])


def test_cancel_pause_resume_and_retry_work_and_are_on_record(queue: Queue) -> None:
    """Q33."""
    with queue.up():
        text = flat("while [ ! -e go ]; do sleep 0.05; done", "exit 1", "exit 1", "true", max_parallel=1)
        assert queue.run("submit", queue.file(text)).code == 0
        wait_until(lambda: queue.jobs("p")["a"]["status"] == "running", "the first job runs")
        assert queue.run("pause", "p").code == 0
        (queue.folder / "go").touch()
        wait_until(lambda: queue.jobs("p")["a"]["status"] == "completed", "what runs goes on")
        assert queue.jobs("p")["b"]["status"] == "pending"
        assert queue.run("cancel", "p/d").code == 0
        assert queue.run("resume", "p").code == 0
        wait_until(lambda: queue.status("p")["counts"]["stuck"] == 2, "the others failed")
        assert queue.run("retry", "p", "--name", "c").code == 0
        wait_until(lambda: queue.jobs("p")["c"]["attempts"] == 2 and queue.jobs("p")["c"]["status"] == "stuck", "again")
        assert queue.run("retry", "p", "--failed").code == 0
        wait_until(lambda: queue.jobs("p")["b"]["attempts"] == 2 and queue.jobs("p")["b"]["status"] == "stuck", "again")
        assert queue.jobs("p")["d"]["status"] == "canceled"
    events = queue.run("events", "--json", "--limit", "1000").json["events"]
    asked = {event["kind"] for event in events if event["actor"] != "system"}
    assert {"campaign.pause", "campaign.resume", "run.cancel", "run.retry"} <= asked
    queue.verified()


def test_a_job_far_beyond_its_estimate_is_flagged_and_lives(queue: Queue) -> None:
    """Q34."""
    with queue.up():
        assert queue.run("submit", queue.file(flat("while [ ! -e go ]; do sleep 0.05; done", estimate=0.1))).code == 0
        run = wait_until(lambda: queue.runs().get("a"), "it is there")
        wait_until(lambda: "slow" in json.dumps(queue.run("show", run["id"], "--json").json), "it is marked slow")
        assert queue.jobs("p")["a"]["status"] == "running"
        (queue.folder / "go").touch()
        wait_until(lambda: queue.jobs("p")["a"]["status"] == "completed", "it ended by itself")


def test_equal_ids_in_two_campaigns_are_independent(queue: Queue) -> None:
    """Q16, Q36: also ids that are prefixes of one another."""
    jobs = [
        {"id": "s42_N64_n500000", "cmd": "touch long_${project}; while [ ! -e go ]; do sleep 0.05; done"},
        {"id": "s42_N64_n50000", "cmd": "touch short_${project}"},
    ]
    with queue.up():
        ids = []
        for project in ("one", "two"):
            manifest = {"project": project, "vars": {"project": project}, "gpus": [], "max_parallel": 2, "jobs": jobs}
            sent = queue.run("submit", queue.file(manifest, f"{project}.yaml"), "--json")
            ids.append(sent.json["campaign"]["id"])
        assert len(set(ids)) == 2
        for project in ("one", "two"):
            wait_until(lambda it=project: queue.jobs(it)["s42_N64_n50000"]["status"] == "completed", "the short one")
            assert queue.jobs(project)["s42_N64_n500000"]["status"] == "running"
        (queue.folder / "go").touch()
        for project in ("one", "two"):
            wait_until(lambda it=project: queue.status(it)["counts"]["completed"] == 2, "all done")


def test_an_edited_file_is_applied_to_a_running_campaign(queue: Queue) -> None:
    """2.9: new jobs added, pending ones replaced or cancelled, running and ended ones untouched."""
    wait = "while [ ! -e go ]; do sleep 0.05; done"
    with queue.up():
        name = queue.file(flat("true", wait, "echo old > c", "touch d", max_parallel=1))
        assert queue.run("submit", name).code == 0
        wait_until(lambda: queue.jobs("p")["b"]["status"] == "running", "the second runs")
        edited = flat("exit 9", "exit 9", "echo new > c", max_parallel=1)
        edited["jobs"].append({"id": "e", "cmd": "touch e"})
        done = queue.run("submit", queue.file(edited, "m2.yaml"), "--update", "p", "--json")
        assert done.code == 0, done
        again = queue.run("submit", "m2.yaml", "--update", "p", "--json")
        assert again.code == 0
        (queue.folder / "go").touch()
        wait_until(lambda: queue.status("p")["counts"]["pending"] + queue.status("p")["counts"]["running"] == 0, "done")
    words = {job: it["status"] for job, it in queue.jobs("p").items()}
    assert words == {"a": "completed", "b": "completed", "c": "completed", "d": "canceled", "e": "completed"}
    assert (queue.folder / "c").read_text() == "new\n"
    assert not (queue.folder / "d").exists()
    queue.verified()
