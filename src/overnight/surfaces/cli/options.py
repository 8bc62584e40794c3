"""Options and arguments that several commands share."""

from __future__ import annotations

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
id_argument = click.argument("id", metavar="ID")
chat_option = click.option(
    "--chat", metavar="SESSION", envvar="OVERNIGHT_CHAT", help="The conversation that asks for it; else OVERNIGHT_CHAT."
)
file_argument = click.argument("file", metavar="FILE", type=click.Path())
