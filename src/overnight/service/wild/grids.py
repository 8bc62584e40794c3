"""The runs of a grid: made from what its client said of it, all of them or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from overnight.domain.errors import LimitExceeded
from overnight.domain.nouns import Attribution, Campaign
from overnight.service.context import Context
from overnight.service.limits import refuse_many
from overnight.service.wild import create, expand
from overnight.service.wild.create import Home, New, Recipe
from overnight.store.base import Session

LARGEST_BYTES = 256 * 1024 * 1024
"""Text of the commands of one grid."""


def fill(
    session: Session,
    context: Context,
    campaign: Campaign,
    said: Mapping[str, Any],
    git: Mapping[str, Any],
    *,
    queued: bool,
) -> None:
    """Make the runs of a grid, `NAME #1` and on. `said`: `base_command, workdir, parameters, max_runs`."""
    recipe = Recipe(said["base_command"], said["workdir"])
    new = [
        New(f"{campaign.name} #{place}", _config(said["base_command"], values, git))
        for place, values in enumerate(expand.expanded(said["parameters"], said["max_runs"]), start=1)
    ]
    home = Home(campaign, Attribution(campaign.origin, campaign.chat, campaign.attributed))
    create.insert(session, context, home, create.plan_of(recipe, in_sweep=True), new, queued=queued)


def _config(base: str, values: Mapping[str, Any], git: Mapping[str, Any]) -> dict[str, Any]:
    kept = {"gpuwrap_config": None, "origin_alert_id": None, "git": dict(git), "sweep_params": dict(values)}
    parameters = {name: expand.scalar(value) for name, value in values.items()}
    return create.config_of(expand.command_of(base, values), kept, parameters)


def refuse_size(context: Context, said: Mapping[str, Any]) -> None:
    """LimitExceeded for more runs than a token may make at once, or more text than a server should hold."""
    number = min(expand.combinations(said["parameters"]), said["max_runs"])
    refuse_many(context, number, "Make the grid smaller.")
    if number * len(said["base_command"]) > LARGEST_BYTES:
        raise LimitExceeded("the commands of this grid are too long together", next_step="Make the grid smaller.")
