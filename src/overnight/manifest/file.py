"""Campaign files on disk."""

from __future__ import annotations

import os
from pathlib import Path

from overnight.domain.errors import InvalidFile, Problem
from overnight.domain.plan import CampaignPlan
from overnight.manifest.dialects import load
from overnight.manifest.document import MAX_BYTES


def load_path(path: str | os.PathLike[str]) -> tuple[CampaignPlan, str]:
    """The plan of a campaign file and the file's text, which is stored beside it.

    A relative `workdir` starts from the file's own folder. Raises InvalidFile, with one problem when the file cannot be
    read at all.
    """
    name = os.fspath(path)
    text = _text(name)
    return load(text, name, str(Path(name).absolute().parent)), text


def _text(name: str) -> str:
    try:
        with open(name, "rb") as file:
            # One byte more than allowed is enough for `load` to see that the file is too large.
            content = file.read(MAX_BYTES + 1)
        return content.decode("utf-8")
    except FileNotFoundError as error:
        raise _refused(name, "there is no such file: check the path") from error
    except IsADirectoryError as error:
        raise _refused(name, "this is a folder: name the campaign file in it") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start + 1} is no UTF-8 text: save the file as UTF-8"
        raise InvalidFile(name, [Problem("(file)", message, line)]) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refused(name, f"the file cannot be read: {reason}") from error


def _refused(name: str, message: str) -> InvalidFile:
    return InvalidFile(name, [Problem("(file)", message)])
