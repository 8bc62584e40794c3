"""Writes the pages of `docs/` that are made from code, or with `--check` says how they differ from it.

    python -m tools.generate_docs [--check]

`PAGES` lists them: a page is a function without arguments that returns the whole text.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pydantic.fields import FieldInfo

from overnight.domain.states import MACHINES, Machine
from overnight.service.requests import Request
from overnight.service.table import OPERATIONS

DOCS = Path(__file__).resolve().parent.parent / "docs"
MADE_FROM = (
    "<!-- Made from {source} by tools/generate_docs.py: change that, then run `python -m tools.generate_docs`. -->"
)

INTRODUCTION = """\
A thing changes its state only by one of these arrows, in one guarded update that also writes the event `noun.arrow`
to the log. The schema's `CHECK`s allow the same states, and `overnight verify-log` finds any other change."""


OPERATIONS_INTRODUCTION = """\
What can be asked of Overnight, over HTTP and through the client and the commands. `{id}` is an id, a unique prefix of
one, or a campaign's name. Operations that change something take an `Idempotency-Key`: repeated, they give the first
answer again. The whole description, with types and bounds, is at `/docs` and `/openapi.json` of a running server."""


def states_page() -> str:
    """`docs/states.md`: every state machine as a sentence, a table and a diagram."""
    parts = [
        "# States",
        MADE_FROM.format(source="src/overnight/domain/states.py"),
        INTRODUCTION,
        *(_machine(machine) for machine in MACHINES),
    ]
    return "\n\n".join(parts) + "\n"


def title_of(machine: Machine) -> str:
    """What a machine is called here: a noun, with its column where that is not simply its state."""
    return machine.noun.capitalize() if machine.column == "state" else f"{machine.noun.capitalize()}: {machine.column}"


def _machine(machine: Machine) -> str:
    return "\n\n".join((f"## {title_of(machine)}", _sentence(machine), _table(machine), _diagram(machine)))


def _sentence(machine: Machine) -> str:
    """Where it is kept, how it begins, how it ends."""
    article = "An" if machine.noun[0] in "aeiou" else "A"
    place = f"`{machine.table}.{machine.column}`"
    begins = f"{article} {machine.noun} has this in {place}; it begins {_either(machine.initial)}."
    if not machine.terminal:
        return f"{begins} No state is final."
    final = [state for state in machine.states if state in machine.terminal]
    ends = f"{_either(final, 'and')} {'is' if len(final) == 1 else 'are'} final"
    if not machine.reopening:
        return f"{begins} {ends}: nothing leaves {'it' if len(final) == 1 else 'them'}."
    return f"{begins} {ends}: only {_either(sorted(machine.reopening))}, asked for by a person or agent, leads out."


def operations_page() -> str:
    """`docs/operations.md`: the table of operations, and what each takes."""
    head = "| operation | request | changes | does |\n|---|---|---|---|"
    rows = [
        f"| [`{it.name}`](#{it.name}) | `{it.method} {it.path}` | {'yes' if it.changes else ''} | {it.summary} |"
        for it in OPERATIONS
    ]
    parts = [
        "# Operations",
        MADE_FROM.format(source="src/overnight/service/table.py and requests.py"),
        OPERATIONS_INTRODUCTION,
        "\n".join([head, *rows]),
        *(f"## {it.name}\n\n{_fields(it.request)}" for it in OPERATIONS),
    ]
    return "\n\n".join(parts) + "\n"


def _fields(request: type[Request]) -> str:
    """What a request holds, as a list."""
    if not request.model_fields:
        return "Takes nothing."
    return "\n".join(_field(name, field) for name, field in request.model_fields.items())


def _field(name: str, field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    needed = "required" if field.is_required() else f"default `{default!r}`"
    return f"- `{name}` ({needed}){': ' + field.description if field.description else ''}"


def _either(names: tuple[str, ...] | list[str], word: str = "or") -> str:
    marked = [f"`{name}`" for name in names]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} {word} {marked[-1]}"


def _table(machine: Machine) -> str:
    lines = ["| arrow | from | to | when |", "|---|---|---|---|"]
    for arrow in machine.arrows:
        sources = ", ".join(f"`{source}`" for source in arrow.sources)
        lines.append(f"| `{arrow.transition}` | {sources} | `{arrow.target}` | {arrow.why} |")
    return "\n".join(lines)


def _diagram(machine: Machine) -> str:
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in _lines(machine)), "```"])


def _lines(machine: Machine) -> Iterator[str]:
    for state in machine.initial:
        yield f"[*] --> {state}"
    for arrow in machine.arrows:
        for source in arrow.sources:
            yield f"{source} --> {arrow.target}: {arrow.transition}"
    for state in machine.states:
        if state in machine.terminal:
            yield f"{state} --> [*]"


PAGES: Mapping[str, Callable[[], str]] = {"states.md": states_page, "operations.md": operations_page}
"""File name under `docs/` -> what makes its text."""


def difference(name: str, folder: Path) -> str:
    """How the page on disk differs from what it should be, as a unified diff; empty when it does not."""
    path = folder / name
    there = path.read_text(encoding="utf-8") if path.exists() else ""
    wanted = PAGES[name]()
    lines = difflib.unified_diff(
        there.splitlines(True), wanted.splitlines(True), f"docs/{name}", f"docs/{name} (wanted)"
    )
    return "".join(lines)


def write(folder: Path) -> list[str]:
    """Write every page that differs; returns their names."""
    changed = [name for name in PAGES if difference(name, folder)]
    for name in changed:
        (folder / name).write_text(PAGES[name](), encoding="utf-8")
    return changed


def main(arguments: list[str] | None = None, folder: Path = DOCS) -> int:
    """Write, or check; 1 when a page differs."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate_docs", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; show what differs and exit 1")
    if not parser.parse_args(arguments).check:
        for name in write(folder):
            print(f"wrote docs/{name}")
        return 0
    differences = [found for name in PAGES if (found := difference(name, folder))]
    if differences:
        print(*differences, sep="\n", end="")
        print("Write them anew with: python -m tools.generate_docs", file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
