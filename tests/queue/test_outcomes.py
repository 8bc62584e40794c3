"""What becomes of a job, seen from outside: the checks Q11–Q14, Q19–Q21, Q27–Q29 of the experiment queue."""

from __future__ import annotations

import pytest

from tests.queue.harness import Queue

OOM_TEXTS = {
    "torch_old": "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 23.69 GiB total capacity)",
    "torch_new": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.",
    "torch_cuda": "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 512.00 MiB",
    "cuda_error": "RuntimeError: CUDA error: out of memory",
    "jax": "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 107374182 bytes.",
    "cublas": "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cudnn": "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "vllm": "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`.",
}


def one(cmd: str, **keys: object) -> dict[str, object]:
    """A manifest of one CPU job called `a`."""
    return {"project": "p", "gpus": [], "jobs": [{"id": "a", "cmd": cmd}], **keys}


def test_a_healthy_job_that_speaks_of_memory_completes(queue: Queue) -> None:
    """Q11, Q12: a log line never ends or fails a job."""
    found = queue.settle(one("for i in 1 2 3; do echo 'CUDA out of memory'; sleep 0.1; done"))
    assert found.code == 0
    assert queue.jobs("p")["a"]["status"] == "completed"
    assert queue.jobs("p")["a"]["attempts"] == 1


def test_exit_0_without_the_named_output_is_stuck(queue: Queue) -> None:
    """Q13."""
    manifest = {"project": "p", "gpus": [], "jobs": [{"id": "a", "cmd": "true", "expected_output": "a.json"}]}
    assert queue.settle(manifest).code == 1
    job = queue.jobs("p")["a"]
    assert (job["status"], job["error_class"], job["attempts"]) == ("stuck", "missing_output", 1)


def test_a_stale_output_completes_nothing(queue: Queue) -> None:
    (queue.folder / "a.json").write_text("{}")
    manifest = {"project": "p", "gpus": [], "jobs": [{"id": "a", "cmd": "true", "expected_output": "a.json"}]}
    assert queue.settle(manifest).code == 1
    assert queue.jobs("p")["a"]["error_class"] == "missing_output"


def test_a_failed_exit_with_its_output_keeps_its_code(queue: Queue) -> None:
    """Q14."""
    manifest = {
        "project": "p",
        "gpus": [],
        "jobs": [{"id": "a", "cmd": "echo 1 > a.json; exit 3", "output_check": "a.json"}],
    }
    assert queue.settle(manifest).code == 1
    job = queue.jobs("p")["a"]
    assert (job["status"], job["error_class"], job["exit_code"]) == ("stuck", "nonzero_exit", 3)


def test_every_out_of_memory_text_is_told_from_a_failed_exit(queue: Queue) -> None:
    """Q19."""
    jobs = [{"id": name, "cmd": f"echo '{text}'; exit 1"} for name, text in OOM_TEXTS.items()]
    manifest = {
        "project": "p",
        "gpus": [],
        "max_parallel": 4,
        "oom_retry": {"delay": 0, "max_attempts": 2},
        "jobs": [*jobs, {"id": "killed", "cmd": "kill -9 $$"}, {"id": "code", "cmd": "exit 137"},
                 {"id": "host", "cmd": "echo 'terminate called after throwing std::bad_alloc'; exit 134"}],
    }  # fmt: skip
    assert queue.settle(manifest).code == 1
    found = {name: (job["error_class"], job["attempts"]) for name, job in queue.jobs("p").items()}
    assert found == {
        **dict.fromkeys(OOM_TEXTS, ("vram_oom", 2)),
        "killed": ("killed", 1),
        "code": ("killed", 1),
        "host": ("host_oom", 2),
    }
    queue.verified()


def test_an_out_of_memory_text_far_from_the_end_of_the_log_counts(queue: Queue) -> None:
    """Q20."""
    cmd = "echo 'torch.OutOfMemoryError: CUDA out of memory.'; yes 'still tidying up' | head -c 50000; exit 1"
    assert queue.settle(one(cmd, oom_retry={"delay": 0, "max_attempts": 1})).code == 1
    assert queue.jobs("p")["a"]["error_class"] == "vram_oom"


def test_an_out_of_memory_job_that_fits_the_second_time_completes(queue: Queue) -> None:
    cmd = "if [ -e tried ]; then echo fine; else touch tried; echo 'CUDA out of memory'; exit 1; fi"
    assert queue.settle(one(cmd, oom_retry={"delay": 0, "max_attempts": 3})).code == 0
    assert queue.jobs("p")["a"]["attempts"] == 2
    assert "1 OOM-retried then completed" in queue.run("summary", "p").out


def test_any_other_failure_makes_one_attempt_and_the_campaign_ends(queue: Queue) -> None:
    """Q21."""
    cmd = "python3 -c 'raise KeyError(1)'"
    assert queue.settle(one(cmd, oom_retry={"delay": 0, "max_attempts": 3})).code == 1
    job = queue.jobs("p")["a"]
    assert (job["status"], job["error_class"], job["attempts"]) == ("stuck", "nonzero_exit", 1)
    assert "KeyError" in job["error"]


def test_three_attempts_leave_three_readable_logs(queue: Queue) -> None:
    """Q29."""
    cmd = 'echo "this is try $OVERNIGHT_ATTEMPT"; echo "CUDA out of memory"; exit 1'
    found = queue.settle(one(cmd, oom_retry={"delay": 0, "max_attempts": 3}))
    run = next(iter(queue.runs("--campaign", found.json["campaign"]["id"]).values()))
    attempts = queue.attempts(run["id"])
    assert [it["number"] for it in attempts] == [1, 2, 3]
    assert all(it["code"] == 1 and it["reason"] == "vram_oom" for it in attempts)
    for number in (1, 2, 3):
        assert "this is try" in queue.run("logs", run["id"], "--attempt", str(number)).out


def test_a_machine_without_gpus_runs_jobs_on_the_cpu(queue: Queue) -> None:
    """Q27."""
    assert queue.settle({"project": "p", "jobs": [{"id": "a", "cmd": "true"}, {"id": "b", "cmd": "true"}]}).code == 0


@pytest.mark.parametrize("keys", [{"conda": "no_such_environment"}, {"venv": "venv"}, {"container": "no/such:image"}])
def test_an_environment_that_is_not_there_launches_nothing_and_is_named(queue: Queue, keys: dict[str, str]) -> None:
    """Q10, Q28."""
    found = queue.settle(one("touch ran", **keys))
    assert found.code == 1
    assert not (queue.folder / "ran").exists()
    assert "env" in found.err + found.out


def test_a_venv_is_active_in_the_whole_command(queue: Queue) -> None:
    """Q28."""
    queue.run_plain("python3", "-m", "venv", "--without-pip", "env")
    found = queue.settle(one('(python -c "import sys; print(sys.prefix)" | cat) > where', venv="env"))
    assert found.code == 0
    assert (queue.folder / "where").read_text().strip() == str(queue.folder / "env")


def test_what_a_job_leaves_behind_does_not_hold_its_result_back(queue: Queue) -> None:
    found = queue.settle(one("sleep 300 & echo done"))
    assert found.code == 0
    attempt = queue.attempts(next(iter(queue.runs().values()))["id"])[0]
    assert attempt["leftovers"] == 1
    assert attempt["seconds"] < 60


def test_a_child_that_ignores_sigterm_is_gone_after_the_time_limit(queue: Queue) -> None:
    found = queue.settle(one("trap '' TERM; while :; do sleep 0.1; done", timeout=0.3))
    assert found.code == 1
    assert queue.jobs("p")["a"]["error_class"] == "timeout"
