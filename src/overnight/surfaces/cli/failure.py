"""Errors as people and programs read them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from overnight.domain.errors import InvalidFile, OvernightError, PreflightFailed, Refused
from overnight.surfaces.cli.screen import clean

FAILED, WRONG = 1, 2
"""Exit codes: the work failed; the request was wrong."""


def tell(error: Exception, *, as_json: bool) -> int:
    """Say on stderr what went wrong; returns the exit code. What is not an error of ours is raised again."""
    if isinstance(error, click.ClickException):
        said, code = _usage(error), WRONG
    elif isinstance(error, OvernightError):
        said, code = described(error), exit_code(error)
    else:
        raise error
    if as_json:
        print(json.dumps({"error": said}), file=sys.stderr)
    else:
        print("\n".join(lines_of(said)), file=sys.stderr)
    return code


def exit_code(error: OvernightError) -> int:
    """2 when something else should have been asked, or asked of another server; 1 when ours could not do it."""
    return WRONG if isinstance(error, Refused) or error.code == "unreachable" else FAILED


def described(error: OvernightError) -> dict[str, Any]:
    """`{code, message, place?, next?, problems?}`."""
    said: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.place:
        said["place"] = error.place
    if error.next_step:
        said["next"] = error.next_step
    if isinstance(error, InvalidFile | PreflightFailed):
        said["problems"] = [{"place": it.place, "line": it.line, "message": it.message} for it in error.problems]
    return said


def _usage(error: click.ClickException) -> dict[str, Any]:
    said: dict[str, Any] = {"code": "usage", "message": error.format_message()}
    context = getattr(error, "ctx", None)
    if context is not None:
        said["next"] = f"{context.command_path} --help"
    return said


def lines_of(said: dict[str, Any]) -> list[str]:
    """An error for people: the sentence, every problem with file and line, what to do next."""
    lines = [f"error: {clean(said['message'])}", *problem_lines(said.get("place", ""), said.get("problems", ()))]
    if "next" in said:
        lines.append(f"next: {clean(said['next'])}")
    return lines


def problem_lines(file: str, problems: Iterable[dict[str, Any]]) -> Iterator[str]:
    """A line for each problem of a file: where it is, and what."""
    for problem in problems:
        line = f":{problem['line']}" if problem["line"] else ""
        yield f"  {clean(file)}{line}: {clean(problem['place'])}: {clean(problem['message'])}"
