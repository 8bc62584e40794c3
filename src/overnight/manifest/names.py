"""Whether every name in the texts of a sweep means something there."""

from __future__ import annotations

from overnight.manifest.axes import Axes
from overnight.manifest.cells import CellTemplates, Placed
from overnight.manifest.findings import Findings, listing
from overnight.manifest.template import LAUNCH_NAMES, NEEDS, is_launch_name

_HINTS = {
    "shell": "write $NAME or $${{NAME}} to leave it to the shell",
    "argument": "no shell reads a list of arguments; write $${{NAME}} for the literal text",
    "output": "write $${{NAME}} for the literal text",
    "requires": "write $${{NAME}} for the literal text",
    "env": "variables of the server are not read here; write $${{NAME}} for the literal text",
    "name": "add it to the parameters or to `vars`",
    "variable": "a variable may use parameters and the variables above it",
}


def check_names(templates: CellTemplates, axes: Axes, needed: frozenset[str], findings: Findings) -> None:
    """Note every name that some cell could not resolve; `needed` are the sweeps matched cell by cell."""
    known = {*templates.variables, *templates.built_in, *axes.names}
    for part, where in templates.texts():
        _check_text(part, where, templates.sweep, axes, known, needed, findings)
    above = {*templates.built_in, *axes.names}
    used = frozenset(templates.used_variables())
    own = f"sweeps.{templates.sweep}."
    for name, part in templates.variables.items():
        if name in used or part.source.place.startswith(own):
            _check_text(part, "variable", templates.sweep, axes, above, needed, findings)
        above.add(name)


def _check_text(
    part: Placed, where: str, sweep: str, axes: Axes, known: set[str], needed: frozenset[str], findings: Findings
) -> None:
    for reference in part.template.references:
        name, line = reference.name, part.line_of(reference)
        if is_launch_name(name):
            message = launch_problem(name, where, needed)
        elif name not in known:
            hint = _HINTS[where].replace("NAME", name).replace("{{", "{").replace("}}", "}")
            message = f"unresolved name ${{{name}}} in sweep `{sweep}`: known are {listing(sorted(known), 20)}; {hint}"
        elif name in axes.names and name not in axes.everywhere and name not in known - set(axes.names):
            message = f"${{{name}}} is not a parameter of every cell of sweep `{sweep}`: give it to each of `cells`"
        else:
            continue
        if message:
            findings.add(part.source.place, line, message)


def launch_problem(name: str, where: str, needed: frozenset[str]) -> str:
    """What is wrong with a name of the launch here; empty text when nothing is."""
    if where in ("name", "variable", "requires"):
        return f"${{{name}}} is known only when a run starts: use it in `command`, `outputs` or `env`"
    if where == "output" and name != "run_dir":
        return f"${{{name}}} cannot be part of an output: only ${{run_dir}} can, at the beginning"
    if name in LAUNCH_NAMES or name.removeprefix(NEEDS) in needed:
        return ""
    sweep = name.removeprefix(NEEDS)
    return f"${{{name}}} means one run of `{sweep}` for each cell: add `needs: {{{sweep}: [parameter, ...]}}` here"
