"""`overnight summary`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors

CELLS_SHOWN = 100
"""Configurations of a sweep that are listed for people; programs get all of them."""
NAMES_SHOWN, LINES_SHOWN = 5, 3
"""Failed runs that are named per reason, and last lines of the first one's log."""


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
        tell(answer)
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


def tell(answer: dict[str, Any]) -> None:
    """Show a summary to people."""
    from overnight.surfaces.cli import screen

    print(f"\ncampaign {screen.clean(answer['campaign']['name'])} {answer['campaign']['id']}")
    print(screen.clean(answer["headline"]))
    if answer["winner"]:
        print(screen.clean(answer["winner"]["sentence"]))
    rows = [
        (p["name"], p["runs"], p["succeeded"], p["failed"], p["other"], p["retried"], screen.length(p["seconds"]))
        for p in answer["phases"]
    ]
    header = ("phase", ">runs", ">succeeded", ">failed", ">other", ">retried", ">took")
    screen.print_table(header, rows, title="Phases")
    for results in answer["results"]:
        _tell_results(results, answer["campaign"]["goal"])
    for group in answer["failures"]:
        _tell_failures(group)
    if answer["next"]:
        print()
    for step in answer["next"]:
        print(f"next: {screen.clean(step)}")


def _tell_results(results: dict[str, Any], goal: dict[str, Any] | None) -> None:
    """One table per sweep: a row per configuration, its goal metric spread out, the other metrics as means."""
    from overnight.surfaces.cli import screen

    metrics = results["metrics"]
    if not metrics:
        return
    leading = goal["metric"] if goal and goal["metric"] in metrics else metrics[0]
    others = [metric for metric in metrics if metric != leading][:3]
    best = results["best"]["label"] if results["best"] else None
    cells = results["cells"]
    rows = [_cell_row(cell, leading, others, best=cell["label"] == best) for cell in cells[:CELLS_SHOWN]]
    header = (
        "configuration",
        ">n",
        f">{leading}",
        ">± sd",
        ">min",
        ">max",
        *(f">{other}" for other in others),
        "missing",
    )
    screen.print_table(header, rows, title=f"Results of {results['sweep']}")
    if len(cells) > CELLS_SHOWN:
        print(f"and {len(cells) - CELLS_SHOWN} more (all of them: --json)")


def _cell_row(cell: dict[str, Any], leading: str, others: list[str], *, best: bool) -> list[Any]:
    from rich.text import Text

    from overnight.surfaces.cli.screen import clean

    spread = cell["metrics"].get(leading) or {}
    figures = [_figure(spread.get(name)) for name in ("mean", "sd", "min", "max")]
    means = [_figure((cell["metrics"].get(other) or {}).get("mean")) for other in others]
    row = [cell["label"] or "all", spread.get("n", 0), *figures, *means, "; ".join(_gaps(cell, spread))]
    return [Text(clean(value), style="bold green") for value in row] if best else row


def _figure(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float | int) else str(value)


def _gaps(cell: dict[str, Any], spread: dict[str, Any]) -> Iterator[str]:
    """What the numbers leave out, so that no mean is taken for more than it is."""
    if spread.get("not_finite"):
        yield f"{spread['not_finite']} not finite"
    for gap in cell["missing"][:NAMES_SHOWN]:
        yield f"{gap['name']} {gap['state']}"
    if len(cell["missing"]) > NAMES_SHOWN:
        yield f"and {len(cell['missing']) - NAMES_SHOWN} more"


def _tell_failures(group: dict[str, Any]) -> None:
    """The runs that failed for one reason, the last words of the first, and what to do."""
    from overnight.surfaces.cli import screen

    runs = group["runs"]
    screen.print_title(f"{screen.plural(group['count'], 'run')} not done: {group['meaning'] or group['reason']}")
    for run in runs[:NAMES_SHOWN]:
        detail = f": {run['detail']}" if run["detail"] else ""
        print(screen.clean(f"{run['name']} {run['id']} {run['state']}{detail}"))
    if len(runs) > NAMES_SHOWN:
        print(f"and {len(runs) - NAMES_SHOWN} more")
    for line in runs[0]["last_lines"][-LINES_SHOWN:]:
        print(f"    {screen.clean(line)}")
    for step in runs[0]["next"]:
        print(f"next: {screen.clean(step)}")
