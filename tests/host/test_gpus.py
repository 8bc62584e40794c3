"""The GPUs of a host, by a driver that may hang or lie."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from overnight.host.gpus import Gpus
from overnight.runner import locks
from overnight.targets.devices.reading import Answer, Gpu
from overnight.targets.devices.smi import SmiFailed

ONE = Gpu(0, "GPU-1", "NVIDIA A100", memory_total_mib=40_000, memory_used_mib=10)
WELL = Answer("nvidia-smi", gpus=(ONE,))


class Driver:
    """Answers in turn; an Event is a call that hangs until it is set."""

    def __init__(self, *answers: Answer | threading.Event | Exception) -> None:
        self.answers: Iterator[Answer | threading.Event | Exception] = iter(answers)
        self.calls = 0

    def __call__(self) -> Answer:
        self.calls += 1
        answer = next(self.answers)
        if isinstance(answer, threading.Event):
            answer.wait(20)
            return WELL
        if isinstance(answer, Exception):
            raise answer
        return answer


def faults(gpus: Gpus) -> list[str | None]:
    return [it["fault"] for it in gpus.offers("box", 0, 500)["offers"]]


def test_a_gpu_is_offered_beside_the_slots(tmp_path: Path) -> None:
    found = Gpus("/runner", look=Driver(WELL), folder=str(tmp_path)).offers("box", 1, 500)["offers"]
    assert [(it["id"], it["busy"], it["memory_mib"]) for it in found] == [
        ("box/GPU-1", None, 40_000),
        ("box/slot0", None, 0),
    ]


def test_a_driver_that_hangs_is_asked_once_and_faults_what_was_seen(tmp_path: Path) -> None:
    held = threading.Event()
    driver = Driver(WELL, held, WELL)
    gpus = Gpus("/runner", look=driver, patience=0.05, folder=str(tmp_path))
    assert faults(gpus) == [None]
    for _ in range(2):
        (fault,) = faults(gpus)
        assert str(fault).startswith("hung: nvidia-smi did not answer within 0.05 s")
    assert driver.calls == 2
    held.set()
    while faults(gpus) != [None]:
        pass
    assert driver.calls == 2


@pytest.mark.parametrize("problem", [SmiFailed("no nvidia-smi"), RuntimeError("made up")])
def test_a_gpu_whose_driver_went_away_is_at_fault_and_never_silently_gone(tmp_path: Path, problem: Exception) -> None:
    gpus = Gpus("/runner", look=Driver(WELL, problem, WELL), folder=str(tmp_path))
    assert faults(gpus) == [None]
    (fault,) = faults(gpus)
    assert str(problem) in str(fault)
    assert faults(gpus) == [None]


def test_a_gpu_that_another_home_has_locked_is_busy(tmp_path: Path) -> None:
    other = locks.holder({"USER": "eve"}, "/home/eve/runner", "r.1", "boot", shared=False)
    taken = locks.take(str(tmp_path), ["GPU-1"], other)
    gpus = Gpus("/runner", look=Driver(WELL, WELL), folder=str(tmp_path))
    (busy,) = [it["busy"] for it in gpus.offers("box", 0, 500)["offers"]]
    assert "eve" in busy
    taken.release()
    assert [it["busy"] for it in gpus.offers("box", 0, 500)["offers"]] == [None]
