"""Texts that teach agents and were made here; those that come with the program are files of it (`overnight.skills`)."""

from __future__ import annotations

from overnight.skills import Skill
from overnight.store.base import Session

MOST = 1_000
"""Texts that are listed."""
SHOWN = 2_000
"""Characters of a text that an event repeats; of a longer one only these."""


def made(session: Session) -> list[Skill]:
    """All of them, by id."""
    return [Skill(*row) for row in session.rows("skills_made", after_id="", limit=MOST)]


def get(session: Session, skill_id: str) -> Skill | None:
    """One of them."""
    found = session.row("skill_get", id=skill_id)
    return Skill(*found) if found else None


def insert(session: Session, it: Skill) -> None:
    """Keep a new text; Conflict when there is one of this id."""
    session.rows("skill_insert", **_columns(it), now=session.now, actor=session.change.actor)
    session.record("skill.create", it.id, after=_shown(it))


def update(session: Session, before: Skill, after: Skill) -> None:
    """Keep another version of a text."""
    session.rows("skill_update", **_columns(after), now=session.now)
    session.record("skill.edit", after.id, before=_shown(before), after=_shown(after))


def delete(session: Session, it: Skill) -> None:
    """Take a text away; the event keeps its beginning."""
    session.rows("skill_delete", id=it.id)
    session.record("skill.delete", it.id, before=_shown(it))


def _columns(it: Skill) -> dict[str, str]:
    named = {"id": it.id, "name": it.name, "description": it.description}
    return {**named, "category": it.category, "template": it.template}


def _shown(it: Skill) -> dict[str, str]:
    return {name: value[:SHOWN] for name, value in _columns(it).items()}
