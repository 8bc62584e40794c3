"""Room and GPUs as a real server has them: whatever clients ask at once (W33, W54, W69–W71)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.surfaces.http.harness import Server, poll, start

FAKE = Path(__file__).parents[1] / "devices/fake/nvidia-smi"
GIB = 1 << 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with two GPUs that a fake nvidia-smi shows; a stranger is on the second."""
    folder = tmp_path_factory.mktemp("room")
    (folder / "bin").mkdir()
    (folder / "bin/nvidia-smi").symlink_to(FAKE)
    cards = [f"gpu {it} GPU-{os.getpid()}-{it} {80 * GIB} 0 0 30 card" for it in range(2)]
    (folder / "gpus").write_text("\n".join([*cards, f"proc 1 1 {GIB}"]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
        patch.setenv("FAKE_GPUS", str(folder / "gpus"))
        patch.setenv("LD_LIBRARY_PATH", "")
        made = start(folder / "home")
    yield made
    made.stop()


def asked(server: Server, path: str, **body: Any) -> dict[str, Any]:
    reply = server.ask("POST", path, body)
    assert reply.status == 200, reply.body
    return dict(reply.json)


def run(server: Server, command: str, workdir: Path) -> str:
    body = {"name": "r", "command": command, "workdir": str(workdir), "chat_session_id": None, "auto_start": True}
    return str(asked(server, "/runs", **body)["id"])


def ended(server: Server, run_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = server.ask("GET", f"/runs/{run_id}").json
        return found if found["status"] in {"finished", "failed", "stopped"} else None

    return dict(poll(look))


def log(server: Server, run_id: str) -> str:
    return str(server.ask("GET", f"/runs/{run_id}/logs").json["content"])


def test_forty_that_start_at_once_never_run_beyond_the_room(server: Server, tmp_path: Path) -> None:
    asked(server, "/cluster", type="slurm", gpu_count=2)
    (tmp_path / "live").mkdir()
    command = "touch live/$$; ls live | wc -l; sleep 0.02; rm live/$$"
    with ThreadPoolExecutor(40) as pool:
        made = list(pool.map(lambda _: run(server, command, tmp_path), range(40)))
    assert {ended(server, it)["status"] for it in made} == {"finished"}
    seen = {int(log(server, it)) for it in made}
    assert max(seen) <= 2
    health = server.ask("GET", "/wild/v2/system-health", headers={"X-Auth-Token": None}).json
    assert (health["completed"], health["running"], health["launching"], health["max_concurrent"]) == (40, 0, 0, 2)


def test_what_the_driver_shows_is_found_given_and_kept_from_strangers(server: Server, tmp_path: Path) -> None:
    found = asked(server, "/cluster/detect")["cluster"]
    assert (found["type"], found["gpu_count"], found["node_count"]) == ("local_gpu", 2, 1)
    first = run(server, "echo $CUDA_VISIBLE_DEVICES; while [ ! -e go ]; do sleep 0.02; done", tmp_path)
    poll(lambda: log(server, first) == "0\n")
    second = run(server, "echo $CUDA_VISIBLE_DEVICES", tmp_path)
    waiting = server.ask("GET", f"/runs/{second}").json
    assert waiting["status"] == "queued"
    assert "not ours" in waiting["queue_reason"]
    (tmp_path / "go").touch()
    assert ended(server, second)["gpu_ids"] == [0]
    assert log(server, second) == "0\n"


def test_a_missing_folder_and_an_unreadable_text_fail_at_once_with_the_reason(server: Server, tmp_path: Path) -> None:
    asked(server, "/cluster", type="cpu_only")
    lost = ended(server, run(server, "true", tmp_path / "nowhere"))
    assert (lost["status"], lost["exit_code"]) == ("failed", None)
    assert "does not exist" in lost["error"]
    broken = run(server, "touch made; echo 'open", tmp_path)
    assert ended(server, broken)["status"] == "failed"
    assert "unexpected EOF" in ended(server, broken)["error"]
    assert log(server, broken) == ""
    assert not (tmp_path / "made").exists()
