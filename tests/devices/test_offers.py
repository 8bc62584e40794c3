"""From a reading to devices: pure, so every case is a value."""

from __future__ import annotations

import pytest

from overnight.runner.locks import Holder
from overnight.targets.base import Offer
from overnight.targets.devices.known import hung, settle
from overnight.targets.devices.offers import Locked, locked, memory_back, offers
from overnight.targets.devices.reading import Answer, Gpu, Nameless, Process, Reading, decode, encode

A, B = "GPU-a", "GPU-b"


def gpu(uuid: str = A, index: int = 0, used: int | None = 1, **fields: object) -> Gpu:
    return Gpu(index, uuid, "H100", 81_920, used, **fields)  # type: ignore[arg-type]


def reading(*gpus: Gpu) -> Reading:
    return Reading("nvml", gpus, ())


def offered(one: Gpu, owners: dict[int, str] | None = None) -> Offer:
    return offers(reading(one), target="here", slots=0, threshold_mib=500, owners=owners or {})[0]


def test_a_free_gpu_is_offered_by_its_uuid_and_slots_come_after() -> None:
    given = offers(reading(gpu()), target="here", slots=1, threshold_mib=500, owners={})
    assert given == [
        Offer("here/GPU-a", "gpu", 0, A, "H100", 81_920, None, None, used_mib=1),
        Offer("here/slot0", "slot", 0, None, "CPU slot 0", 0, None, None),
    ]


def test_the_order_of_the_driver_does_not_change_ids() -> None:
    before = offers(reading(gpu(A, 0), gpu(B, 1)), target="t", slots=0, threshold_mib=500, owners={})
    after = offers(reading(gpu(B, 0), gpu(A, 1)), target="t", slots=0, threshold_mib=500, owners={})
    assert {offer.uuid: offer.id for offer in before} == {offer.uuid: offer.id for offer in after}


def test_memory_up_to_the_threshold_is_free_and_above_it_busy() -> None:
    assert offered(gpu(used=500)).busy is None
    busy = offered(gpu(used=501)).busy
    assert busy == "501 MiB of its memory are in use (free means at most 500 MiB) by no process of ours"


def test_a_foreign_process_makes_it_busy_however_little_it_uses() -> None:
    busy = offered(gpu(processes=(Process(12, 3), Process(13, None)))).busy
    assert busy == "in use by pid 12 (3 MiB), pid 13, not ours"


def test_many_foreign_processes_are_counted() -> None:
    busy = offered(gpu(processes=tuple(Process(pid, None) for pid in range(1, 9)))).busy
    assert busy is not None
    assert busy.endswith("pid 5 and 3 more, not ours")


def test_our_own_attempt_and_its_memory_are_not_foreign() -> None:
    mine = offered(gpu(used=70_000, processes=(Process(12, 69_000),)), {12: "a.1"})
    assert (mine.busy, mine.strangers, mine.ours) == (None, False, {"a.1": 69_000})
    both = offered(gpu(used=70_000, processes=(Process(12, 60_000), Process(99, 9_000))), {12: "a.1"})
    assert (both.busy, both.strangers) == ("in use by pid 99 (9000 MiB), not ours", True)
    assert both.ours == {"a.1": 60_000}


def test_memory_of_all_processes_of_an_attempt_counts_together() -> None:
    shared = gpu(processes=(Process(12, 100), Process(13, 20), Process(14, 7), Process(15, None), Process(16, 5)))
    owners = {12: "a.1", 13: "a.1", 14: "b.1", 15: "c.1", 16: "c.1"}
    assert offered(shared, owners).ours == {"a.1": 120, "b.1": 7, "c.1": 0}


def test_what_the_driver_tells_of_use_is_passed_on() -> None:
    offer = offered(gpu(used=300, utilisation=7))
    assert (offer.used_mib, offer.utilisation, offer.strangers) == (300, 7, False)


def test_memory_that_stays_after_our_attempt_is_busy() -> None:
    assert offered(gpu(used=70_000), {12: "a.1"}).busy is not None


@pytest.mark.parametrize(("processes", "busy"), [((), False), ((Process(7, None),), True), (None, False)])
def test_without_a_memory_figure_the_processes_decide(processes: tuple[Process, ...] | None, busy: bool) -> None:
    offer = offered(Gpu(0, A, "GB10", processes=processes))
    assert (offer.busy is not None) == busy
    assert offer.memory_mib == 0


def test_a_fault_is_offered_as_such_and_not_as_busy() -> None:
    offer = offered(gpu(used=9_999, fault="lost: gone"))
    assert (offer.fault, offer.busy) == ("lost: gone", None)


@pytest.mark.parametrize(
    ("gpus", "back"),
    [
        ([gpu(A), gpu(B)], True),
        ([gpu(A), gpu(B, used=501)], False),
        ([gpu(A), gpu(B, processes=(Process(1, 1),))], False),
        ([gpu(A), gpu(B, fault="hung: no answer")], None),
        ([gpu(A)], None),
        ([gpu(A, used=501), gpu(B, fault="lost: gone")], False),
        ([gpu(A), gpu(B, used=None)], True),
        ([gpu(A), gpu(B, processes=None)], True),
        ([gpu(A), gpu(B, used=None, processes=None)], None),
    ],
)
def test_memory_is_back_only_when_it_is_known_of_every_gpu(gpus: list[Gpu], back: bool | None) -> None:
    assert memory_back(reading(*gpus), [A, B], 500) is back


def test_nothing_to_wait_for_is_back() -> None:
    assert memory_back(reading(), [], 500) is True


def test_two_lost_gpus_are_told_apart_by_their_last_index() -> None:
    known = {A: gpu(A, 0), B: gpu(B, 1)}
    answer = Answer("nvml", nameless=(Nameless(1, "second"), Nameless(0, "first"), Nameless(2, "third")))
    settled = settle(answer, known)
    assert {one.uuid: one.fault for one in settled.gpus} == {A: "first", B: "second"}
    assert settled.diagnosis == ("GPU at index 2 cannot be identified: third",)


def test_one_nameless_fault_belongs_to_the_only_missing_gpu() -> None:
    answer = Answer("nvidia-smi", gpus=(gpu(A),), nameless=(Nameless(None, "ill"),))
    assert {one.uuid: one.fault for one in settle(answer, {A: gpu(A), B: gpu(B, 1)}).gpus} == {A: None, B: "ill"}


def test_a_hung_reading_keeps_names_and_forgets_figures() -> None:
    (one,) = hung({A: gpu(A, used=70_000, processes=(Process(1, 1),))}, "no answer").gpus
    assert (one.name, one.memory_total_mib) == ("H100", 81_920)
    assert (one.memory_used_mib, one.processes, one.fault) == (None, None, "hung: no answer")


def test_an_answer_survives_the_wire() -> None:
    answer = Answer(
        "nvml", "why", (gpu(processes=(Process(1, None),)), gpu(B, processes=None)), (Nameless(2, "f"),), ("n",)
    )
    assert decode(encode(5, answer)) == (5, answer)


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"id":1,"kind":"odd"}', "null", '"x"'])
def test_nonsense_on_the_wire_is_a_value_error(line: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        decode(line)


def holder(runner: str, *, shared: bool = False) -> Holder:
    return Holder("ada", runner, "r.1", 12, "boot", 1_700_000_000.0, shared)


def test_a_gpu_that_another_home_has_locked_is_busy_although_nothing_is_on_it() -> None:
    held = locked({A: holder("/home/ada/runner"), B: "not to be had"}, "/home/us/runner")
    both = offers(reading(gpu(A), gpu(B, 1)), target="here", slots=0, owners={}, locked=held)
    assert both[0].busy == ("held by attempt r.1 of /home/ada/runner (user ada, pid 12, since 2023-11-14 22:13:20 UTC)")
    assert both[1].busy == "not to be had"
    assert [it.strangers for it in both] == [True, True]


def test_a_lock_of_ours_says_whose_gpu_it_is() -> None:
    held = locked({A: holder("/r"), B: holder("/r", shared=True)}, "/r")
    assert held == Locked({}, {A: "r.1"})
    mine = offers(reading(gpu()), target="here", slots=0, owners={}, locked=held)[0]
    assert (mine.busy, mine.strangers, mine.ours) == (None, False, {"r.1": 0})
