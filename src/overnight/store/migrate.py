"""The schema is the sum of its migrations, applied in order, each in one transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Protocol

from overnight.domain.errors import StoreRefused

APPLICATION_ID = 0x4F564E54
"""'OVNT' in the header of the SQLite file: tells our database from somebody else's."""

_TYPES = ((re.compile(r"\bINTEGER\b"), "BIGINT"), (re.compile(r"\bREAL\b"), "DOUBLE PRECISION"))
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
_ONLY = re.compile(r"^-- only: (sqlite|postgres|all)$", re.MULTILINE)
"""From such a line on, up to the next one, statements are for one dialect: SQLite cannot change a CHECK in place."""


class Migrator(Protocol):
    """What a dialect must offer to be migrated."""

    def tables(self) -> frozenset[str]:
        """Names of the tables that exist."""

    def version(self) -> int:
        """Number of the last applied migration; 0 before the first. Only asked when the table `meta` exists."""

    def apply(self, number: int, statements: Sequence[str]) -> None:
        """Run the statements and note the number, in one transaction."""


def migrations() -> list[tuple[int, str]]:
    """All migrations, (number, SQL text), in order."""
    folder = files("overnight.store").joinpath("migrations")
    found = [
        (int(entry.name[:4]), entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def statements(text: str, *, postgres: bool) -> list[str]:
    """The single statements of a migration, in the dialect's types."""
    text = _COMMENT.sub("", _meant_for("postgres" if postgres else "sqlite", text))
    if postgres:
        for pattern, name in _TYPES:
            text = pattern.sub(name, text)
    return [part.strip() for part in text.split(";") if part.strip()]


def _meant_for(dialect: str, text: str) -> str:
    first, *rest = _ONLY.split(text)
    return first + "".join(part for only, part in zip(rest[::2], rest[1::2], strict=True) if only in (dialect, "all"))


def migrate(migrator: Migrator, *, postgres: bool, where: str) -> None:
    """Bring the schema up to date; refuses a database that is not ours or newer than this program."""
    known = migrations()
    tables = migrator.tables()
    if tables and "meta" not in tables:
        raise StoreRefused(
            f"{where} holds tables of another program ({', '.join(sorted(tables)[:3])})",
            next_step="Point OVERNIGHT_DATABASE_URL at a database of its own.",
        )
    version = migrator.version() if tables else 0
    if version > known[-1][0]:
        raise StoreRefused(
            f"{where} was written by a newer Overnight (schema {version}, this program knows {known[-1][0]})",
            next_step="Install the newer version again, or restore a backup made before the upgrade.",
        )
    for number, text in known:
        if number > version:
            migrator.apply(number, statements(text, postgres=postgres))
