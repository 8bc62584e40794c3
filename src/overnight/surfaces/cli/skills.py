"""`overnight skills install`, `ls`."""

from __future__ import annotations

import click

from overnight.surfaces.cli.options import json_option


@click.group("skills", short_help="Teach agents' tools to work with Overnight.")
def command() -> None:
    """Texts that teach agents to work with Overnight, as skills of their tools."""


@command.command("install", short_help="Write them where agents' tools look for them.")
@click.option("--claude", is_flag=True, help="For Claude Code: ~/.claude/skills.")
@click.option("--codex", is_flag=True, help="For Codex: ~/.agents/skills.")
@click.option("--cursor", is_flag=True, help="For Cursor: ~/.cursor/skills.")
@click.argument("path", type=click.Path(file_okay=False), required=False)
@click.option("--force", is_flag=True, help="Overwrite files that Overnight did not write, or that were changed.")
@json_option
def install(path: str | None, force: bool, as_json: bool, **tools: bool) -> int:
    """Write every skill as a folder with a SKILL.md, below PATH or where a tool looks for the skills of a user.

    Repeat it after an update of Overnight: it replaces what it wrote itself, and nothing else.
    """
    from pathlib import Path

    from overnight.skills.install import TOOLS
    from overnight.skills.install import install as place
    from overnight.surfaces.cli import screen

    folders = [Path(folder).expanduser() for tool, folder in TOOLS.items() if tools[tool]]
    folders += [Path(path).absolute()] if path else []
    if not folders:
        raise click.UsageError("Say for whom: --claude, --codex, --cursor or a PATH.", click.get_current_context())
    placed = place(folders, force=force)
    if as_json:
        screen.print_json({"skills": [{"id": it.skill, "path": str(it.path), "did": it.did} for it in placed]})
    else:
        print("\n".join(f"{it.did} {screen.clean(it.path)}" for it in placed))
    return 0


@command.command("ls", short_help="List them.")
@json_option
def ls(as_json: bool) -> int:
    """List the skills that come with Overnight. A server may have others: GET /prompt-skills."""
    from overnight.skills import built_in
    from overnight.surfaces.cli import screen

    found = built_in().values()
    if as_json:
        named = [{"id": it.id, "category": it.category, "description": it.description} for it in found]
        screen.print_json({"skills": named})
    else:
        screen.print_table(("skill", "category", "teaches"), [(it.id, it.category, it.description) for it in found])
    return 0
