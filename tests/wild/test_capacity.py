"""What starts when, and on which GPU, while clients ask for more than there is room for (W19, W33, W62, W66–W71)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from overnight.daemon import devices
from overnight.daemon.launches import launch_of
from overnight.daemon.placing import FRESH_SECONDS, place_runs
from overnight.domain.cluster import Cluster, ClusterSource, ClusterType
from overnight.domain.nouns import Run
from overnight.domain.plan import CellPlan, Need, SweepPlan
from overnight.domain.states import ATTEMPT, RUN
from overnight.planner.capacity import pinned
from overnight.planner.explain import explain
from overnight.service.look import situation_of
from overnight.store import campaigns, cluster, rows, runs
from overnight.store.base import SYSTEM, Session
from overnight.store.moves import move
from overnight.store.verify import verify
from overnight.targets.base import Launch, Offer
from tests.daemon.stage import PERSON, Stage

CARD = Offer("here/G0", "gpu", 0, "G0", "card", 1000, None, None)
CPU = Cluster(ClusterType.CPU_ONLY)


def local(number: int | None, source: ClusterSource = ClusterSource.MANUAL) -> Cluster:
    return Cluster(ClusterType.LOCAL_GPU, gpu_count=number, source=source)


class Room(Stage):
    """A stage whose runs are those of the Wild V2 protocol, on machines that a test describes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.world.reachable.add("here")
        self.offers: list[Offer] = []
        self.rng = Random(1)

    def machines(self, found: Cluster, limit: int | None = None) -> None:
        def work(session: Session) -> None:
            cluster.put(session, found)
            cluster.limit(session, limit)
            devices.note(session, "here", self.offers)

        self.store.write(PERSON, work)

    def make(self, number: int, command: str = "true") -> list[str]:
        pin = pinned(command)
        need = Need(gpus=len(pin or ()), slots=0, devices=pin)
        plan = SweepPlan("", (), str(self.work), need=need, capacity=True, breaker=None, shell="/bin/bash")

        def work(session: Session) -> list[str]:
            single = [campaigns.SingleRun("run", CellPlan("c", {}, command), plan)] * number
            return campaigns.submit_single(session, single, self.rng)

        return self.store.write(PERSON, work)

    def turn(self) -> dict[str, Launch]:
        """One pass of placing; what was started, by run."""
        claimed = self.store.write(SYSTEM, lambda session: place_runs(session, self.world))
        return {made.run: launch_of(made) for made in claimed}

    def get(self, run: str) -> Run:
        return self.store.read(lambda session: runs.get(session, run))

    def positions(self, run: str) -> list[int]:
        """The GPUs of its newest attempt."""

        def read(session: Session) -> list[int]:
            given = runs.attempts(session, run)[-1].devices
            return [session.rows("device_get", id=device)[0][3] for device in given]

        return self.store.read(read)

    def end(self, run: str) -> None:
        def work(session: Session) -> None:
            attempt = runs.attempts(session, run)[-1]
            move(session, ATTEMPT, attempt.id, "confirm", fence=attempt.fence, pid=1)
            runs.end_attempt(session, attempt, "exit", {"reason": "ok", "code": 0})
            move(session, RUN, run, "succeed", fence=attempt.fence, attempt=attempt.id)
            devices.note(session, "here", self.offers)

        self.store.write(SYSTEM, work)

    def why(self, run: str) -> tuple[str, str]:
        def read(session: Session) -> tuple[str, str]:
            made = explain(situation_of(session, runs.get(session, run)))
            return made.code, made.sentence

        return self.store.read(read)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    report = verify(made.store)
    made.store.close()
    assert report.ok, report.violations


def test_on_a_machine_without_gpus_one_runs_after_the_other_and_no_variable_is_touched(room: Room) -> None:
    room.machines(CPU)
    first, second = room.make(2)
    (launch,) = room.turn().values()
    assert not [name for name in launch.env if name.startswith("CUDA")]
    assert room.turn() == {}
    assert room.why(second) == ("capacity", "1 of 1 runs that the cluster has room for are live")
    room.end(first)
    assert list(room.turn()) == [second]


def test_four_runs_get_four_gpus_that_a_person_declared(room: Room) -> None:
    room.machines(local(4))
    made = room.make(5)
    started = room.turn()
    assert list(started) == made[:4]
    given = [room.positions(run) for run in started]
    assert sorted(given) == [[0], [1], [2], [3]]
    assert [launch.env["CUDA_VISIBLE_DEVICES"] for launch in started.values()] == [str(it) for (it,) in given]
    room.end(made[2])
    assert list(room.turn()) == [made[4]]
    assert room.positions(made[4]) == [2]


def test_the_operator_bounds_what_the_cluster_has_room_for(room: Room) -> None:
    room.machines(local(4), limit=2)
    room.make(5)
    assert len(room.turn()) == 2
    room.machines(local(4), limit=None)
    assert len(room.turn()) == 2


def test_runs_of_campaigns_take_room_from_those_of_the_protocol(room: Room) -> None:
    room.machines(Cluster(ClusterType.SLURM, gpu_count=3))
    sweep = room.sweep("s", CellPlan("a", {}, "true"), CellPlan("b", {}, "true"), need=Need(slots=0), parallel=2)
    room.submit(sweep)
    made = room.make(3)
    started = room.turn()
    assert len(started) == 3
    assert [run in started for run in made] == [True, False, False]


def test_what_is_full_starts_nothing_even_when_the_room_shrinks(room: Room) -> None:
    room.machines(local(3))
    made = room.make(6)
    room.turn()
    room.machines(local(1))
    room.end(made[0])
    assert room.turn() == {}
    room.end(made[1])
    room.end(made[2])
    assert len(room.turn()) == 1


def test_a_pin_is_honoured_and_reserved(room: Room) -> None:
    room.machines(local(3))
    (pin,) = room.make(1, "CUDA_VISIBLE_DEVICES=1 true")
    others = room.make(2)
    again = room.make(1, "export CUDA_VISIBLE_DEVICES=1; true")[0]
    assert set(room.turn()) == {pin, *others}
    assert room.positions(pin) == [1]
    assert sorted(it for run in others for it in room.positions(run)) == [0, 2]
    room.end(others[0])
    assert room.turn() == {}
    assert room.why(again)[0] == "busy"


def test_a_pin_on_a_gpu_that_is_not_there_fails_with_the_reason(room: Room) -> None:
    room.machines(local(2))
    (pin,) = room.make(1, "CUDA_VISIBLE_DEVICES=0,5 true")
    assert room.turn() == {}
    run = room.get(pin)
    assert (run.state, run.reason, run.attempts) == ("failed", "start_failed", 0)
    assert run.detail == "the command chooses GPU 5 (CUDA_VISIBLE_DEVICES), and this machine has no such GPU"
    assert run.ended_at is not None


def test_a_pin_waits_while_nobody_knows_which_gpus_there_are(room: Room) -> None:
    room.machines(local(None, ClusterSource.DETECTED))
    (pin,) = room.make(1, "CUDA_VISIBLE_DEVICES=5 true")
    room.turn()
    assert room.get(pin).state == "queued"


def test_a_pin_means_nothing_where_we_give_no_gpus(room: Room) -> None:
    room.machines(CPU)
    (pin,) = room.make(1, "CUDA_VISIBLE_DEVICES=5 true")
    assert list(room.turn()) == [pin]


def test_a_gpu_that_others_use_is_not_given_and_the_run_says_so(room: Room) -> None:
    room.offers = [replace(CARD, busy="in use by pid 7 (300 MiB), not ours", strangers=True)]
    room.machines(local(1, ClusterSource.DETECTED))
    (run,) = room.make(1)
    assert room.turn() == {}
    code, sentence = room.why(run)
    assert code == "foreign_use"
    assert "pid 7" in sentence
    room.offers = [CARD]
    room.machines(local(1, ClusterSource.DETECTED))
    assert list(room.turn()) == [run]


def test_gpus_that_the_driver_shows_are_used_before_anybody_said_what_the_machine_is(room: Room) -> None:
    room.offers = [CARD]
    room.machines(Cluster())
    room.make(2)
    (launch,) = room.turn().values()
    assert launch.env["CUDA_VISIBLE_DEVICES"] == "0"


def test_declared_gpus_stand_beside_shown_ones_and_go_with_the_declaration(room: Room) -> None:
    room.offers = [CARD]
    room.machines(local(3))
    found = room.store.read(lambda s: [rows.device(row) for row in s.rows("devices_of", target="here")])
    assert [(it.position, it.name, it.state) for it in found] == [
        (0, "card", "healthy"),
        (1, "declared GPU 1", "healthy"),
        (2, "declared GPU 2", "healthy"),
    ]
    assert not room.store.read(devices.misdeclared)
    room.store.write(PERSON, lambda s: cluster.put(s, local(2)))
    assert room.store.read(devices.misdeclared)
    room.machines(CPU)
    assert not room.store.read(devices.misdeclared)
    found = room.store.read(lambda s: [rows.device(row) for row in s.rows("devices_of", target="here")])
    assert [it.state for it in found] == ["healthy", "quarantined", "quarantined"]


def test_declared_gpus_stay_fresh_while_the_declaration_stands(room: Room) -> None:
    room.machines(local(1))
    room.clock.advance(FRESH_SECONDS + 1)
    room.make(1)
    assert room.turn() == {}
    room.machines(local(1))
    assert len(room.turn()) == 1
    assert devices.interval(room.world, "here", []) == devices.GPU_SECONDS


def test_commands_are_read_literally_by_the_shell_and_looked_at_first(room: Room) -> None:
    room.machines(CPU)
    command = 'run_dir=/x\necho "${run_dir} ${GPU}" $$'
    room.make(1, command)
    (launch,) = room.turn().values()
    assert launch.argv == ("/bin/bash", "-c", command)
    assert launch.check == ("/bin/bash", "-n", "-c", command)


def test_full_capacity_costs_no_look_at_what_waits(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.machines(CPU)
    room.make(50)
    room.turn()
    asked: list[str] = []
    true = Session.rows

    def counted(self: Session, query: str, /, **arguments: object) -> list[tuple[object, ...]]:
        asked.append(query)
        return true(self, query, **arguments)

    monkeypatch.setattr(Session, "rows", counted)
    room.turn()
    assert asked
    assert "runs_queued_head" not in asked
