"""`overnight plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import file_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors

SHOWN = 50
"""Cells that are listed for people; programs get all of them."""


@click.command("plan", short_help="Expand and check a campaign file without submitting it.")
@file_argument
@json_option
@click.pass_obj
def command(doors: Doors, file: str, as_json: bool) -> int:
    """Expand, check and preflight a campaign file without submitting it.

    Ends with 1 when a cell is blocked, with 2 when the file is refused.
    """
    from overnight.surfaces.cli import campaign_file, reach, screen

    request = campaign_file.read(file)
    with reach.reach(doors) as reached:
        answer = reached.caller.call("plan", **request)
    if as_json:
        screen.print_json(answer)
    elif answer["errors"]:
        _tell_errors(answer["errors"], file)
    else:
        _tell_cells(answer)
    if answer["errors"]:
        return 2
    return 1 if any(cell["blocked"] for cell in answer["cells"]) else 0


def _tell_errors(errors: list[dict[str, Any]], file: str) -> None:
    from overnight.surfaces.cli.failure import problem_lines
    from overnight.surfaces.cli.screen import clean, plural

    click.echo(f"error: {clean(file)}: {plural(len(errors), 'problem')}", err=True)
    for line in problem_lines(file, errors):
        click.echo(line, err=True)


def _tell_cells(answer: dict[str, Any]) -> None:
    from overnight.surfaces.cli import screen

    cells = answer["cells"]
    rows = [
        (cell["sweep"], cell["id"], cell["gpus"], _needs(cell["depends_on"]), screen.command_text(cell["command"]))
        for cell in cells[:SHOWN]
    ]
    print(f"campaign {screen.clean(answer['campaign'])}: {screen.plural(len(cells), 'run')}")
    screen.print_table(("sweep", "run", "gpus", "needs", "command"), rows, right=(2,))
    if len(cells) > SHOWN:
        print(f"and {len(cells) - SHOWN} more (all of them: --json)")
    _tell_sweeps(answer["sweeps"])
    _tell_blocked(answer)
    tell_warnings(answer["warnings"])


def _tell_sweeps(sweeps: list[dict[str, Any]]) -> None:
    """Where each sweep runs; the rest of its settings is for programs."""
    from overnight.surfaces.cli import screen

    shown = sweeps[:SHOWN]
    rows = [(it["name"], it["runs"], ", ".join(it["targets"]), it["workdir"], _environment(it)) for it in shown]
    print()
    screen.print_table(("sweep", "runs", "target", "folder", "environment"), rows, right=(1,))


def _environment(sweep: dict[str, Any]) -> str:
    kinds = {kind: it for kind, it in sweep["environment"].items() if it is not None and kind != "conda_hook"}
    return " ".join(next(iter(kinds.items()), ("plain",)))


def tell_warnings(warnings: list[dict[str, str]]) -> None:
    """What keeps nothing from being submitted, on stderr: it is worth knowing and no answer."""
    from overnight.surfaces.cli.screen import clean

    for warning in warnings:
        click.echo(f"warning: {clean(warning['detail'])} ({warning['code']})", err=True)


def _needs(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _tell_blocked(answer: dict[str, Any]) -> None:
    """One line per sweep and reason; at most `SHOWN`."""
    from overnight.surfaces.cli.screen import clean, plural

    reasons: dict[tuple[str, str, str], int] = {}
    sizes: dict[str, int] = {}
    for cell in answer["cells"]:
        sizes[cell["sweep"]] = sizes.get(cell["sweep"], 0) + 1
        if cell["blocked"]:
            reason = (cell["sweep"], cell["blocked"]["code"], cell["blocked"]["detail"])
            reasons[reason] = reasons.get(reason, 0) + 1
    reasons |= {(it["sweep"], it["code"], it["detail"]): sizes[it["sweep"]] for it in answer["preflight"]}
    for (sweep, code, detail), number in list(reasons.items())[:SHOWN]:
        print(f"blocked: {plural(number, 'run')} of {clean(sweep)}: {clean(detail)} ({code})")
    if len(reasons) > SHOWN:
        print(f"and {len(reasons) - SHOWN} more reasons (all of them: --json)")
