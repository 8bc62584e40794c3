"""Reads the named queries: `sql/queries.sql`, with the overrides of a dialect on top.

What many queries say alike is a part: `-- part: NAME` starts one, `{NAME}` stands for its text.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_HEADER = re.compile(r"^-- (name|part): (\w+)$", re.MULTILINE)
_PART = re.compile(r"\{(\w+)\}")
_COMMENT = re.compile(r"^--.*$\n?", re.MULTILINE)
_ARGUMENT = re.compile(r"(?<![:\w]):([a-z_]+)")
_INDEXED_BY = re.compile(r"\s+INDEXED BY \w+")
_LISTED = re.compile(r"SELECT value FROM json_each\((:[a-z_]+)\)")


def named(text: str) -> dict[str, str]:
    """Split a file of `-- name: NAME` queries into name -> SQL without comments; parts stand in their places."""
    pieces = _HEADER.split(text)
    found = [
        (kind, name, _COMMENT.sub("", body).strip().rstrip(";"))
        for kind, name, body in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True)
    ]
    parts: dict[str, str] = {}
    for kind, name, body in found:
        if kind == "part":
            parts[name] = _filled(body, parts)
    return {name: _filled(body, parts) for kind, name, body in found if kind == "name"}


def _filled(body: str, parts: dict[str, str]) -> str:
    return _PART.sub(lambda match: parts[match[1]], body)


def _text(name: str) -> str:
    return files("overnight.store").joinpath("sql", name).read_text(encoding="utf-8")


@cache
def sqlite() -> dict[str, str]:
    """The queries as SQLite takes them; arguments are `:name`."""
    return named(_text("queries.sql"))


@cache
def postgres() -> dict[str, str]:
    """The queries as psycopg takes them: arguments are `%(name)s`; index hints, which PostgreSQL lacks, are dropped;
    members of a JSON list of texts are taken by its own function."""
    merged = {**named(_text("queries.sql")), **named(_text("postgres.sql"))}
    return {name: to_postgres(sql) for name, sql in merged.items()}


def to_postgres(sql: str) -> str:
    """One query in psycopg's parameter style, without SQLite's index hints and table function."""
    plain = _LISTED.sub(r"SELECT json_array_elements_text(CAST(\1 AS json))", _INDEXED_BY.sub("", sql))
    return _ARGUMENT.sub(r"%(\1)s", plain.replace("%", "%%"))
