"""Texts that teach agents: those that come with the program, and those that were made here. Source: the protocol's
section 2.6."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from overnight import skills as built
from overnight.domain.errors import BadRequest, Conflict, Denied, InvalidRequest, NotFound
from overnight.service.context import Context
from overnight.service.wild.requests import Empty, OneRun
from overnight.service.wild.skill_requests import (
    CreateSkill,
    EditSkill,
    FileOf,
    FileText,
    FileView,
    FoundSkill,
    Message,
    Render,
    Rendered,
    Search,
    SkillView,
)
from overnight.service.wild.work import Work
from overnight.skills import Skill
from overnight.store import skills
from overnight.store.base import Session

EQUAL, IN_NAME, IN_DESCRIPTION, IN_BODY = 100, 60, 30, 10
"""What it is worth where the words that are looked for stand; the sum is the score."""

Answer = dict[str, Any]


def list_skills(context: Context, _: Empty) -> list[Answer]:
    """All texts."""
    return [_view(it) for it in context.store.read(_all)]


def search(context: Context, request: Search) -> list[Answer]:
    """Texts that fit some words, best first."""
    words = request.q.strip().lower()
    found = context.store.read(_all)
    if not words:
        return [_view(it) for it in found[: request.limit]]
    scored = [(score(it, words), it) for it in found]
    best = sorted((pair for pair in scored if pair[0]), key=lambda pair: (-pair[0], pair[1].id))
    return [{**_view(it), "_score": points} for points, it in best[: request.limit]]


def score(it: Skill, words: str) -> int:
    """How well a text fits words in small letters; 0 = not at all."""
    name = it.name.lower()
    points = EQUAL if words == name else IN_NAME if words in name else 0
    points += IN_DESCRIPTION if words in it.description.lower() else 0
    return points + (IN_BODY if words in it.template.lower() else 0)


def get(context: Context, request: OneRun) -> Answer:
    """One text."""
    return context.store.read(lambda session: _view(_find(session, request.id)))


def create(context: Context, request: CreateSkill) -> Answer:
    """Keep a new text."""
    skill_id = re.sub(r"[^a-z0-9_-]", "_", request.name.strip().lower())
    if not skill_id.strip("_-"):
        raise InvalidRequest("name: needs a letter or digit of ASCII", place="name", next_step="Choose another name.")
    made = Skill(skill_id, request.name, request.description, request.category, request.template)

    def change(session: Session) -> Answer:
        if skill_id in built.built_in() or skills.get(session, skill_id):
            raise Conflict(f"Skill '{skill_id}' already exists", next_step="Change it, or choose another name.")
        skills.insert(session, made)
        return _view(made)

    return context.store.write(context.change, change)


def edit(context: Context, request: EditSkill) -> Answer:
    """Change a text that was made here."""

    def change(session: Session) -> Answer:
        before = _made_here(session, request.id)
        after = replace(
            before,
            template=before.template if request.template is None else request.template,
            description=before.description if request.description is None else request.description,
            category=before.category if request.category is None else request.category,
        )
        if after != before:
            skills.update(session, before, after)
        return _view(after)

    return context.store.write(context.change, change)


def delete(context: Context, request: OneRun) -> Answer:
    """Take a text away that was made here."""

    def change(session: Session) -> Answer:
        skills.delete(session, _made_here(session, request.id))
        return {"message": f"Skill '{request.id}' deleted"}

    return context.store.write(context.change, change)


def render(context: Context, request: Render) -> Answer:
    """A text with its variables filled in."""
    given: Mapping[str, Any] = request.model_extra or {}
    inner = given.get("variables")
    values = {name: _text(value) for name, value in (inner if isinstance(inner, dict) else given).items()}
    return context.store.read(lambda s: {"rendered": built.render(_find(s, request.id).template, values)})


def list_files(context: Context, request: OneRun) -> list[Answer]:
    """The files and folders of a text."""
    it = context.store.read(lambda session: _find(session, request.id))
    return [
        {"name": path.rsplit("/", 1)[-1], "path": path, "type": "directory" if folder else "file", "size": size}
        for path, folder, size in _files(it)
    ]


def get_file(context: Context, request: FileOf) -> Answer:
    """One file of a text; BadRequest for a path that could lead elsewhere."""
    path = request.path
    if not path or path.startswith("/") or "\\" in path or "\0" in path or ".." in path.split("/"):
        raise BadRequest("A path inside the skill's folder is needed", place="path", next_step="See its list of files.")
    it = context.store.read(lambda session: _find(session, request.id))
    content = built.read(it.id, path) if it.built_in else _written(it) if path == built.TEXT else None
    if content is None:
        raise NotFound(f"File not found: {path}", next_step="See its list of files.")
    return {"path": path, "content": content}


def _all(session: Session) -> list[Skill]:
    return [*built.built_in().values(), *skills.made(session)]


def _find(session: Session, skill_id: str) -> Skill:
    found = built.built_in().get(skill_id) or skills.get(session, skill_id)
    if found is None:
        raise NotFound(f"Prompt skill '{skill_id}' not found", next_step="List them with: GET /prompt-skills")
    return found


def _made_here(session: Session, skill_id: str) -> Skill:
    found = _find(session, skill_id)
    if found.built_in:
        kind = "internal" if found.internal else "built-in"
        raise Denied(f"Skill '{skill_id}' is {kind} and read-only", next_step="Make a copy under another name.")
    return found


def _files(it: Skill) -> Iterator[tuple[str, bool, int]]:
    if it.built_in:
        yield from ((entry.path, entry.folder, entry.size) for entry in built.entries(it.id))
    else:
        yield built.TEXT, False, len(_written(it).encode())


def _written(it: Skill) -> str:
    """A text that was made here, as a file."""
    head = {"name": it.name, "description": it.description, "category": it.category}
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()]
    return "\n".join(["---", *lines, "---", it.template])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _view(it: Skill) -> Answer:
    return {
        "id": it.id,
        "name": it.name,
        "description": it.description,
        "template": it.template,
        "variables": list(it.variables),
        "category": it.category,
        "built_in": it.built_in,
        "internal": it.internal,
    }


WORK: dict[str, Work] = {
    "list_skills": Work(Empty, list_skills, list[SkillView]),
    "search_skills": Work(Search, search, list[FoundSkill]),
    "get_skill": Work(OneRun, get, SkillView),
    "create_skill": Work(CreateSkill, create, SkillView),
    "edit_skill": Work(EditSkill, edit, SkillView),
    "delete_skill": Work(OneRun, delete, Message),
    "render_skill": Work(Render, render, Rendered),
    "list_skill_files": Work(OneRun, list_files, list[FileView]),
    "get_skill_file": Work(FileOf, get_file, FileText),
}
"""Name of an operation -> what it takes, what carries it out, what it answers."""
