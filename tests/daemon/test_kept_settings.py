"""What an attempt was started with stays with it when the file is edited meanwhile."""

from __future__ import annotations

from pathlib import Path

from overnight.daemon.placing import claimed_again
from overnight.domain.plan import CellPlan
from overnight.store import campaigns, runs, updates
from tests.daemon.stage import PERSON, Stage


def test_a_server_that_comes_back_knows_with_what_a_live_attempt_was_started(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    before = stage.sweep("s", CellPlan("a", {}, "true"), time_limit=60.0)
    campaign = stage.submit(before)
    (sweep,) = stage.store.read(lambda s: campaigns.sweeps_of(s, campaign))
    stage.start("a")
    after = stage.sweep("s", CellPlan("a", {}, "true"), time_limit=5.0, workdir="/elsewhere")
    assert stage.store.write(PERSON, lambda s: updates.update_sweep(s, sweep, after))
    (attempt,) = stage.store.read(lambda s: runs.live_attempts(s, "here"))
    again = stage.store.read(lambda s: claimed_again(s, stage.world, attempt))
    assert (again.settings.time_limit, again.settings.workdir) == (60.0, str(stage.work))
    stage.store.close()
