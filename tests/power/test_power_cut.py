"""A power cut at any moment loses nothing that was acknowledged, and leaves a record that holds together."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import apsw
import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import OvernightError
from overnight.store import sqlite
from overnight.store.sqlite import SqliteStore
from overnight.store.verify import verify
from tests.power.images import Files, images
from tests.power.recorder import Step
from tests.power.workload import Acknowledged, recorded

IMAGES = 10_000
"""The least number of images that a run of these tests looks at."""
WHOLE_CHECK_EVERY = 25
"""Each so many-th of them is also checked row by row and event by event."""


@dataclass(slots=True)
class Damage:
    """What the images of one record came to."""

    images: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    whole_checks: int = 0
    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a sync costs nothing there."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="overnight-power-", dir=shared if shared.is_dir() else tmp_path))
    yield folder
    shutil.rmtree(folder)


def rebuilt(folder: Path, files: Files) -> Path:
    """Put the files of an image into an emptied folder."""
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder / "record.db"


def look(path: Path, wanted: Acknowledged | None, damage: Damage, place: str, *, whole: bool) -> None:
    """Open an image as a server would after the cut, and look for what had been acknowledged."""
    try:
        store = SqliteStore(str(path), SystemClock())
    except (OvernightError, apsw.Error) as error:
        damage.corrupt.append(f"{place}: {error}")
        return
    try:
        if wanted is not None:
            found = store.read(lambda session: session.row("events_raw", after=wanted.seq - 1, limit=1))
            if found is None or (found[0], found[-1]) != (wanted.seq, wanted.hash):
                damage.lost.append(f"{place}: event {wanted.seq}")
        if whole:
            damage.whole_checks += 1
            damage.corrupt += [f"{place}: {trouble}" for trouble in troubles(path, store)]
    finally:
        store.close()


def troubles(path: Path, store: SqliteStore) -> list[str]:
    raw = apsw.Connection(str(path))
    answer = str(raw.pragma("integrity_check"))
    raw.close()
    return [str(violation) for violation in verify(store).violations] + ([] if answer == "ok" else [answer])


def survey(
    folder: Path, steps: Sequence[Step], acknowledged: Sequence[Acknowledged], *, stride: int, whole_every: int
) -> Damage:
    """Look at each `stride`-th image, and at each `whole_every`-th of those as a whole."""
    damage = Damage()
    newest: Acknowledged | None = None
    later = iter([*acknowledged, Acknowledged(len(steps) + 1, 0, "")])
    coming = next(later)
    for number, image in enumerate(images(steps, random.Random(0), stride=stride)):
        while coming.steps <= image.steps:
            newest = coming if newest is None or coming.seq > newest.seq else newest
            coming = next(later)
        damage.images += 1
        damage.kinds[image.kind] += 1
        place = f"{image.kind} after {image.steps} steps"
        look(rebuilt(folder, image.files), newest, damage, place, whole=number % whole_every == 0)
    return damage


@pytest.fixture
def places(memory: Path) -> tuple[Path, Path]:
    """A folder to work in and one to build images in."""
    work, image = memory / "work", memory / "image"
    work.mkdir()
    image.mkdir()
    return work / "record.db", image


@pytest.mark.timeout(600)
def test_no_acknowledged_change_is_lost_and_the_record_holds_together(places: tuple[Path, Path]) -> None:
    steps, acknowledged = recorded(places[0])
    damage = survey(places[1], steps, acknowledged, stride=1, whole_every=WHOLE_CHECK_EVERY)
    assert damage.lost == []
    assert damage.corrupt == []
    assert damage.images >= IMAGES
    assert damage.whole_checks >= IMAGES // WHOLE_CHECK_EVERY
    assert set(damage.kinds) == {"least", "most", "torn"}


def test_the_work_commits_in_groups_and_copies_the_log_back(places: tuple[Path, Path]) -> None:
    """Else the images would say nothing about either."""
    steps, acknowledged = recorded(places[0])
    syncs = list(accumulate(step.kind == "sync" for step in steps))
    assert len({syncs[each.steps - 1] for each in acknowledged}) < len(acknowledged)
    copied_back = [step for step in steps if step.kind == "sync" and step.file == "record.db"]
    assert len(copied_back) > 10
    assert {step.file for step in steps} == {"record.db", "record.db-wal", "record.db-journal"}


@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
def test_a_store_that_syncs_less_is_found_out(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    """The test of the test: with less than FULL, acknowledged changes are lost, and the images show it."""
    configure = sqlite._configure

    def weakly(raw: apsw.Connection, path: str) -> None:
        configure(raw, path)
        raw.pragma("synchronous", level)

    monkeypatch.setattr(sqlite, "_configure", weakly)
    steps, acknowledged = recorded(places[0])
    damage = survey(places[1], steps, acknowledged, stride=25, whole_every=10)
    assert len(damage.lost) + len(damage.corrupt) > damage.images // 10
