"""The group of all commands, and the one place where an error becomes an exit code.

The table is static and commands are imported by name, so that `overnight --help` loads click and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("run", "run", "Run a campaign file to its end; resumes it if it was interrupted."),
    ("plan", "plan", "Expand and check a campaign file without submitting it."),
    ("convert", "convert", "Write any campaign file as a native one."),
    ("submit", "submit", "Submit a campaign file and return."),
    ("up", "up", "Serve: carry runs out until stopped."),
    ("ls", "ls", "List campaigns and runs."),
    ("status", "status", "What goes on now, or how the queue of a campaign stands."),
    ("show", "show", "One campaign, sweep or run, whole."),
    ("logs", "logs", "What a run has written."),
    ("events", "events", "What happened, in order."),
    ("alerts", "alerts", "What people were told, or are still to be told."),
    ("brief", "brief", "State, history and next steps of one thing, or of everything open."),
    ("wait", "wait", "Wait until something came of a campaign, sweep, run or attempt."),
    ("explain", "explain", "Why something waits or failed, and what may be done."),
    ("summary", "summary", "What a campaign found."),
    ("compare", "compare", "Two runs side by side."),
    ("start", "start", "Queue ready runs."),
    ("cancel", "cancel", "Cancel a campaign, sweep or run."),
    ("retry", "retry", "Try failed, blocked or chosen runs again."),
    ("pause", "pause", "Start nothing new of a campaign or sweep."),
    ("resume", "resume", "Allow starts again."),
    ("priority", "priority", "Let something go before the rest."),
    ("label", "label", "Put labels on something, or take them off."),
    ("token", "token", "Make, list and revoke access tokens."),
    ("doctor", "doctor", "Preflight of a target."),
    ("mcp", "mcp", "Serve an agent over standard input and output."),
    ("skills", "skills", "Teach agents' tools to work with Overnight."),
    ("verify-log", "verify_log", "Check the record against itself."),
)
"""Name, module in this package, and one line of help; in the order in which they are shown."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it."""


class Commands(click.Group):
    """Commands that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All names, in the order of the table."""
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, or None."""
        for name, module, _ in COMMANDS:
            if name == cmd_name:
                return cast("click.Command", import_module(f"overnight.surfaces.cli.{module}").command)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, _, help_line in COMMANDS])


@click.command(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, help="Show the version and exit.")
@click.pass_context
def overnight(context: click.Context, version: bool) -> None:
    """Run experiment campaigns unattended.

    Every command takes --json and ends with 0 (fine), 1 (the work failed) or 2 (the request was wrong). An id may be
    shortened to a unique prefix; a campaign also goes by its name.
    """
    if version:
        from overnight import __version__

        click.echo(__version__)
    elif context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str], doors: Doors) -> int:
    """Carry one command line out; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")
    try:
        code = overnight.main(list(arguments), prog_name="overnight", standalone_mode=False, obj=doors)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # click makes the latter from the former, and from nothing else here
        return _reader_left()
    except Exception as error:
        from overnight.surfaces.cli.failure import tell

        return tell(error, as_json="--json" in arguments)


def _reader_left() -> int:
    """Whoever read our output has gone (`overnight ls | head`): nothing is wrong, and nothing more can be said."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
