"""The looks that these tests take in their own process print what the commands print."""

from __future__ import annotations

from tests.queue.harness import LOOKS, Queue

MANIFEST = {"project": "p", "gpus": [], "jobs": [{"id": "a", "cmd": "echo said"}, {"id": "b", "cmd": "exit 3"}]}


def test_a_look_is_the_same_by_a_process_and_without_one(queue: Queue) -> None:
    assert queue.settle(MANIFEST).code == 1
    run = queue.runs()["a"]["id"]
    (queue.folder / "wrong.yaml").write_text("jobs: []")
    lines = [
        ("plan", "wrong.yaml"),
        ("convert", "m.yaml"),
        ("status", "p", "--json"),
        ("show", run),
        ("ls", "--runs", "--json"),
        ("logs", run),
        ("events", "--json"),
        ("summary", "p", "--markdown"),
        ("verify-log", "--json"),
    ]
    assert {line[0] for line in lines} == LOOKS
    for line in lines:
        assert queue.run(*line) == queue.typed(*line), line
