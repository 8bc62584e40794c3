"""`overnight summary`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.caller import Caller
    from overnight.surfaces.cli.doors import Doors

LINES_SHOWN = 5
"""Last lines of a failed run's log that are shown."""


@click.command("summary", short_help="What a campaign found.")
@click.argument("campaign", metavar="CAMPAIGN")
@click.option("--markdown", "document", flag_value="markdown", help="The whole report as Markdown.")
@click.option("--html", "document", flag_value="html", help="The whole report as one HTML page.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="FILE", help="Write it there.")
@json_option
@click.pass_obj
def command(doors: Doors, campaign: str, document: str | None, output: str | None, as_json: bool) -> int:
    """What a campaign found: counts, phases, results over replicates, the winner, failures."""
    from overnight.surfaces.cli import reach, screen

    if as_json and document:
        raise click.UsageError("--json and a document exclude each other")
    if output and not document:
        document = document_of(output)
    with reach.reach(doors) as reached:
        if document:
            content = reached.caller.call("report", id=campaign, format=document)["content"]
            _deliver(content, output)
            return 0
        answer = reached.caller.call("summary", id=campaign)
        if as_json:
            screen.print_json(answer)
        else:
            tell(answer, tables_of(reached.caller, campaign))
    return 0


def document_of(output: str) -> str:
    """What a file's name says that it is to hold."""
    known = {".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".svg": "svg"}
    for ending, document in known.items():
        if output.lower().endswith(ending):
            return document
    raise click.UsageError(f"-o {output}: say what to write with --markdown or --html")


def _deliver(content: str, output: str | None) -> None:
    """To a file, exchanged in one step so that a reader never sees half of it, or to standard output."""
    import os
    from pathlib import Path

    from overnight.domain.errors import Refused

    if output is None:
        print(content, end="" if content.endswith("\n") else "\n")
        return
    temporary = Path(f"{output}.{os.getpid()}.tmp")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Refused(f"{output} cannot be written: {error.strerror}", place=output) from error


def tell(answer: dict[str, Any], tables: list[dict[str, Any]]) -> None:
    """Show a summary and the tables of its report to people."""
    from overnight.surfaces.cli import screen

    print(f"\ncampaign {screen.clean(answer['campaign']['name'])} {answer['campaign']['id']}")
    print(screen.clean(answer["headline"]))
    print(screen.clean("; ".join([f"Jobs: {answer['jobs_line']}", *answer["facts"]])))
    if answer["winner"]:
        print(screen.clean(answer["winner"]["sentence"]))
    for table in tables:
        screen.print_report_table(table)
    for group in answer["failures"]:
        _tell_failures(group)
    if answer["next"]:
        print()
    for step in answer["next"]:
        print(f"next: {screen.clean(step)}")


def tables_of(caller: Caller, campaign: str) -> list[dict[str, Any]]:
    """The tables that every rendering of the summary shows."""
    found: list[dict[str, Any]] = caller.call("report", id=campaign, format="tables")["tables"]
    return found


def _tell_failures(group: dict[str, Any]) -> None:
    """The last words of the first run that failed for one reason."""
    from overnight.surfaces.cli import screen

    run = group["runs"][0]
    if run["last_lines"]:
        screen.print_title(f"The last words of {run['name']}")
    for line in run["last_lines"][-LINES_SHOWN:]:
        print(f"    {screen.clean(line)}")
