"""`overnight convert`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from overnight.surfaces.cli.options import file_argument, json_option

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@click.command("convert", short_help="Write any campaign file as a native one.")
@file_argument
@click.option("-o", "--output", type=click.Path(dir_okay=False), metavar="OUT", help="Write it there.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
@click.pass_obj
def command(doors: Doors, file: str, output: str | None, force: bool, as_json: bool) -> int:
    """Write a campaign file of any dialect as a native one that means the same.

    What is written was read back and compared. Folders are absolute, so it may lie anywhere.
    """
    from overnight.surfaces.cli import campaign_file, reach, screen

    request = campaign_file.read(file)
    with reach.reach(doors) as reached:
        answer = reached.caller.call("convert", **request)
    if output is not None:
        _write(answer["file"], output, force=force)
    if as_json:
        screen.print_json(answer)
    elif output is None:
        print(answer["file"], end="")
    return 0


def _write(text: str, output: str, *, force: bool) -> None:
    """A new file, or with `force` the old one exchanged in one step."""
    import os
    from pathlib import Path

    from overnight.domain.errors import Refused

    temporary = Path(f"{output}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        if force:
            temporary.replace(output)
        else:
            os.link(temporary, output)
    except FileExistsError as error:
        raise Refused(f"{output} is there already", place=output, next_step="Write over it with --force.") from error
    except OSError as error:
        raise Refused(f"{output} cannot be written: {error.strerror}", place=output) from error
    finally:
        temporary.unlink(missing_ok=True)
