"""Runs: create, list, look. What changes a run is in `edits`, what becomes of it in `stages`."""

from __future__ import annotations

from overnight.domain.errors import NotFound
from overnight.planner.wild import states_of
from overnight.service.context import Context
from overnight.service.wild import create, edits, stages, views
from overnight.service.wild.create import New, Recipe
from overnight.service.wild.requests import OneRun
from overnight.service.wild.run_requests import NewRun, NewSweepRun, RunPage, plain
from overnight.service.wild.views import RunView
from overnight.service.wild.work import Listed, Work
from overnight.store import listing, runs, scope
from overnight.store.base import Session
from overnight.store.listing import Wanted

NEWEST = 2**62
"""A place after every run."""
AT_ONCE = 100
"""Runs that are read at once for a page."""
LARGEST_PAGE = 16 * 1024 * 1024
"""Characters of commands after which a page ends early, with a cursor: commands may be long, and 10,000 of them too
much for one answer."""


def create_run(context: Context, request: NewRun) -> RunView:
    """Make a run: ready, or queued with `auto_start`."""
    return _create(context, request, request.sweep_id)


def create_sweep_run(context: Context, request: NewSweepRun) -> RunView:
    """Make a run in the sweep that the path names."""
    try:
        return _create(context, request, request.id)
    except NotFound as error:
        raise NotFound("Sweep not found", next_step=error.next_step) from error


def _create(context: Context, request: NewRun, sweep_id: str | None) -> RunView:
    recipe = Recipe(request.command, create.folder_of(context, request.workdir), plain(request.gpuwrap_config))
    kept = create.kept_of(request, create.git_of(context, recipe.workdir))
    new = New(request.name, create.config_of(request.command, kept))

    def change(session: Session) -> RunView:
        home = create.home_of(session, context, request, sweep_id)
        plan = create.plan_of(recipe, in_sweep=home.campaign is not None)
        (run_id,) = create.insert(session, context, home, plan, [new], queued=request.auto_start)
        return views.one(session, runs.get(session, run_id))

    answer = context.store.write(context.change, change)
    context.wake()
    return answer


def get_runs(context: Context, request: RunPage) -> list[RunView]:
    """Runs, newest first; a page ends where its cursor says."""

    def read(session: Session) -> list[RunView]:
        if request.sweep_id:
            scope.require_campaign(session, request.sweep_id)
        return _page(session, request)

    return context.store.read(read)


def _page(session: Session, request: RunPage) -> list[RunView]:
    wanted = Wanted(
        campaign=request.sweep_id or None,
        states=states_of(request.status) if request.status else (),
        chat=request.chat_session_id or None,
        archived=request.archived,
    )
    place, shown, length = int(request.cursor[1:], 16) if request.cursor else NEWEST, list[RunView](), 0
    while len(shown) < request.limit:
        size = min(request.limit - len(shown), AT_ONCE)
        found = listing.page(session, wanted, place, size, newest=True)
        for run, view in zip(found, views.many(session, found), strict=True):
            if length >= LARGEST_PAGE:
                return Listed(shown, f"r{place:x}")
            place = run.seq
            if request.status in (None, view["status"]):
                shown.append(view)
                length += len(view["command"])
        if len(found) < size:
            return Listed(shown, None)
    return Listed(shown, f"r{place:x}" if request.limit else None)


def get_run(context: Context, request: OneRun) -> RunView:
    """One run, with the reason why it is queued still."""
    return context.store.read(lambda session: views.one(session, scope.require_run(session, request.id), reason=True))


WORK: dict[str, Work] = {
    "create_run": Work(NewRun, create_run, RunView),
    "create_sweep_run": Work(NewSweepRun, create_sweep_run, RunView),
    "get_runs": Work(RunPage, get_runs, list[RunView]),
    "get_run": Work(OneRun, get_run, RunView),
    **edits.WORK,
    **stages.WORK,
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
