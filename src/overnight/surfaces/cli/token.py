"""`overnight token create`, `ls`, `revoke`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from overnight.surfaces.cli.options import json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors

ROLES = ("viewer", "agent", "operator", "approver", "worker")


@click.group("token", short_help="Make, list and revoke access tokens.")
def command() -> None:
    """Make, list and revoke access tokens: who may do what, with which campaigns, until when."""


@command.command("create", short_help="Make a token; its secret is shown once.")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do.")
@click.option(
    "--campaign",
    "campaigns",
    multiple=True,
    metavar="ID",
    help="Only this campaign, and what it makes itself; several.",
)
@click.option("--own", is_flag=True, help="Only what it makes itself.")
@click.option("--verb", "verbs", multiple=True, metavar="VERB", help="Only this verb of its role; several add up.")
@click.option("--budget", type=click.IntRange(0), metavar="N", help="Let it create at most N runs in all.")
@click.option("--expires", metavar="TIME", help="How long it counts: 12h, 30d; 30d when absent.")
@json_option
@click.pass_obj
def create(doors: Doors, /, *, campaigns: tuple[str, ...], own: bool, as_json: bool, **given: Any) -> int:
    """Make an access token NAME, and print its secret: it is shown now and kept nowhere.

    Give it on as OVERNIGHT_TOKEN, or as the header `Authorization: Bearer SECRET`.
    """
    from overnight.surfaces.cli import reach, screen

    fields = {
        "name": given["name"],
        "role": given["role"],
        "campaigns": list(campaigns) if campaigns or own else None,
        "verbs": list(given["verbs"]) or None,
        "budget": given["budget"],
        "expires_in": given["expires"],
    }
    with reach.reach(doors, changes=True) as reached:
        made = reached.caller.call("create_token", **fields)
    if as_json:
        screen.print_json(made)
    elif made["secret"] is None:
        print(f"token {made['name']} was made before; its secret is shown once. Revoke it, and make another one.")
    else:
        print(made["secret"])
    return 0


@command.command("ls", short_help="List tokens, newest first.")
@json_option
@click.pass_obj
def ls(doors: Doors, as_json: bool) -> int:
    """List all tokens that ever were, newest first, without their secrets."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors) as reached:
        answer = reached.caller.call("list_tokens")
    if as_json:
        screen.print_json(answer)
        return 0
    screen.print_table(("name", "role", "state", "campaigns", "runs", "ends", "made by"), map(_row, answer["tokens"]))
    return 0


def _row(it: dict[str, Any]) -> tuple[object, ...]:
    from overnight.surfaces.cli import screen

    campaigns = "all" if it["campaigns"] is None else ", ".join(it["campaigns"]) or "its own"
    runs = str(it["used"]) if it["budget"] is None else f"{it['used']} of {it['budget']}"
    return it["name"], it["role"], it["state"], campaigns, runs, screen.moment(it["expires_at"]), it["created_by"]


@command.command("revoke", short_help="Let a token count no more.")
@click.argument("token")
@json_option
@click.pass_obj
def revoke(doors: Doors, token: str, as_json: bool) -> int:
    """Let a TOKEN, by its name or id, count no more. What it made stays."""
    from overnight.surfaces.cli import reach, screen

    with reach.reach(doors, changes=True) as reached:
        answer = reached.caller.call("revoke_token", id=token)
    if as_json:
        screen.print_json(answer)
    else:
        print(f"token {answer['name']}: {'revoked' if answer['changed'] else 'was revoked before'}")
    return 0
