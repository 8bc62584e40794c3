"""Finds out who answers: the server that the environment names, the live server of the home, or the record itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from overnight.config import Configuration, load
from overnight.surfaces.caller import Caller

if TYPE_CHECKING:
    from overnight.surfaces.cli.doors import Doors


@dataclass(frozen=True, slots=True)
class Reached:
    """Somebody who answers; `served` says whether it also carries runs out."""

    caller: Caller
    served: bool


def configured() -> Configuration:
    """The configuration of this process's environment; Refused when a file of it is wrong."""
    return load(os.environ)


def server_of(doors: Doors, configuration: Configuration, surface: str = "cli") -> Caller | None:
    """The server to talk to over HTTP; None when there is none.

    A server that the environment names is one, whether it answers or not: Unreachable comes with the first call.
    """
    if configuration.url:
        return _client(configuration.url, configuration.token or _kept_token(configuration), surface)
    holder = doors.holder(configuration)
    if holder and holder[1]:
        return _client(holder[1], configuration.token or doors.token(configuration), surface)
    return None


def _client(url: str, token: str, surface: str) -> Caller:
    from overnight.surfaces.client import Client

    return Client(url, token, surface)


def _kept_token(configuration: Configuration) -> str:
    """The home's token if there is one: another server's home has its own, and is not made here."""
    try:
        return configuration.token_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


@contextmanager
def reach(doors: Doors, *, changes: bool = False, surface: str = "cli") -> Iterator[Reached]:
    """Whoever answers for this environment: a server, or without one the record, opened in this process.

    With `changes` the record is opened under the home's lock, so that no two write it; Conflict names who has it.
    """
    configuration = configured()
    server = server_of(doors, configuration, surface)
    if server is not None:
        yield Reached(server, served=True)
        return
    visited = doors.visit(configuration, changes=changes)
    try:
        from overnight.surfaces.cli.local import LocalCaller

        yield Reached(LocalCaller(replace(visited.context, origin=surface)), served=False)
    finally:
        visited.close()
