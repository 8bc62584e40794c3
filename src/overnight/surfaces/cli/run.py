"""`overnight run`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import chat_option, file_argument, json_option

if TYPE_CHECKING:
    from overnight.clock import Clock
    from overnight.surfaces.caller import Caller
    from overnight.surfaces.cli.doors import Doors
    from overnight.surfaces.cli.watch import View

INTERRUPTED = 130
"""Exit code after Ctrl-C."""
TERMINAL_WAIT, PIPE_WAIT = 1.0, 5.0
"""Longest wait for news, in seconds: a terminal shows the time that passes; both notice a broken server by it."""


@click.command("run", short_help="Run a campaign file to its end; resumes it if it was interrupted.")
@file_argument
@click.option("--no-wait", is_flag=True, help="Submit and return; without a server its runs start with the next one.")
@click.option("--port", type=click.IntRange(0, 65535), help="Without a server, answer on this port meanwhile; 0: any.")
@chat_option
@json_option
@click.pass_obj
def command(doors: Doors, file: str, no_wait: bool, port: int | None, chat: str | None, as_json: bool) -> int:
    """Submit a campaign file, follow it to the end and show what it found.

    The same file again, while its campaign has not ended, goes on with it: runs that have ended are not repeated.
    Without a server this process carries the runs out for as long as it takes. Ends with 0 only if every run succeeded.
    """
    from overnight.surfaces.cli import campaign_file, reach
    from overnight.surfaces.cli.submit import command as submit

    if no_wait:
        return int(click.get_current_context().invoke(submit, file=file, chat=chat, as_json=as_json))
    request = campaign_file.read(file, chat)
    configuration = reach.configured()
    server = reach.server_of(doors, configuration)
    if server is not None:
        return _carry_on(server, _submit(server, request), file, as_json, lambda: None, serves=False)
    # Submitted before anything moves: a campaign whose last runs ended meanwhile is still the one to go on with.
    with reach.reach(doors, changes=True) as reached:
        submitted = _submit(reached.caller, request)
    from overnight.clock import SystemClock
    from overnight.surfaces.cli import analysis
    from overnight.surfaces.cli.serving import serving

    with serving(doors, configuration, port) as (caller, trouble):
        code = _carry_on(caller, submitted, file, as_json, trouble.check, serves=True)
        if code != INTERRUPTED:
            limit = configuration.analysis.time_limit
            analysis.wait_for(caller, submitted.campaign, SystemClock(), limit, told=not as_json)
        return code


@dataclass(frozen=True, slots=True)
class Submitted:
    """What there was when a campaign was submitted."""

    answer: dict[str, Any]
    seen: int
    """Number of the last event before it."""

    @property
    def campaign(self) -> str:
        """The campaign's id."""
        return str(self.answer["campaign"]["id"])


def _submit(caller: Caller, request: dict[str, str]) -> Submitted:
    seen = int(caller.call("events", limit=1)["next"])
    return Submitted(caller.call("submit", **request), seen)


def _carry_on(
    caller: Caller, submitted: Submitted, file: str, as_json: bool, check: Callable[[], None], *, serves: bool
) -> int:
    """Follow to the end and show what was found."""
    from overnight.clock import SystemClock
    from overnight.surfaces.cli import screen, summary

    if not as_json:
        _tell_start(caller, submitted.answer)
    clock = SystemClock()
    try:
        state = _follow(caller, submitted, _view(clock, as_json=as_json), clock, check)
    except KeyboardInterrupt:
        _tell_interrupted(file, submitted.campaign, serves=serves)
        return INTERRUPTED
    found = caller.call("summary", id=submitted.campaign)
    if as_json:
        screen.print_json(found)
    else:
        summary.tell(found, summary.tables_of(caller, submitted.campaign))
    return 0 if state == "succeeded" else 1


def _view(clock: Clock, *, as_json: bool) -> View:
    from overnight.surfaces.cli import screen, watch

    if as_json:
        return watch.Silence()
    return watch.LiveTable(screen.console()) if sys.stdout.isatty() else watch.Lines(clock)


def _follow(caller: Caller, submitted: Submitted, view: View, clock: Clock, check: Callable[[], None]) -> str:
    """Follow to the end; returns the state that the campaign ended in."""
    from overnight.clock import pause
    from overnight.surfaces.cli.follow import Follower

    wait = TERMINAL_WAIT if sys.stdout.isatty() else PIPE_WAIT
    state = ""
    try:
        for standing in Follower(caller, submitted.campaign, clock, pause, wait, submitted.seen).standings():
            check()
            view.show(standing)
            state = standing.campaign["state"]
    finally:
        view.close()
    return state


def _tell_start(caller: Caller, answer: dict[str, Any]) -> None:
    from overnight.surfaces.cli.plan import tell_warnings
    from overnight.surfaces.cli.screen import clean, plural

    tell_warnings(answer["warnings"])
    campaign = answer["campaign"]
    line = f"campaign {clean(campaign['name'])} {campaign['id']}: {plural(answer['runs'], 'run')}"
    if answer["resumed"]:
        counts = caller.call("show", id=campaign["id"])["counts"]
        line += f"; goes on where it was interrupted, {counts['succeeded']} of them have succeeded already"
    print(line, flush=True)


def _tell_interrupted(file: str, campaign: str, *, serves: bool) -> None:
    """What goes on without us, and how to come back."""
    from overnight.surfaces.cli.screen import clean

    if serves:
        print("\ninterrupted: runs that have started go on; the others start when you come back", file=sys.stderr)
    else:
        print("\nnot followed any more: the server goes on with it", file=sys.stderr)
    print(f"next: overnight run {clean(file)} (goes on), overnight show {campaign} (looks)", file=sys.stderr)
