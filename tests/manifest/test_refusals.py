"""Every way a campaign file can be wrong is refused with its place, its line and a sentence that says what to do."""

from __future__ import annotations

from textwrap import dedent

import pytest

from overnight.domain.errors import InvalidFile, Problem
from overnight.manifest import load

TOP = [
    ("unknown key", "gaol: {}", "gaol", "did you mean `goal`"),
    ("key known under another name", "timeout: 3", "timeout", "did you mean `time_limit`"),
    ("goal is text", "goal: accuracy", "goal", "this is text"),
    ("goal without direction", "goal: {metric: a}", "goal", "`direction` is missing"),
    ("goal without metric", "goal: {direction: max}", "goal", "`metric` is missing"),
    ("direction", "goal: {metric: a, direction: up}", "goal.direction", "maximize or minimize"),
    ("unknown key in goal", "goal: {metric: a, direction: max, mod: 1}", "goal.mod", "unknown key"),
    ("workdir is a number", "workdir: 3", "workdir", "a whole number"),
    ("workdir with a tilde", "workdir: ~/x", "workdir", "without ~"),
    ("workdir with a template", "workdir: a/${x}", "workdir", "without ~"),
    ("workdir with NUL", 'workdir: "a\\0b"', "workdir", "NUL"),
    ("environment", "environment: docker", "environment", "{venv: PATH}"),
    ("two environments", "environment: {venv: a, conda: b}", "environment", "two kinds"),
    ("empty environment", "environment: {}", "environment", "no kind"),
    ("name of a variable", "env: {a-b: 1}", "env.a-b", "no name of a variable"),
    ("variable of Overnight", "env: {OVERNIGHT_RUN_ID: 1}", "env.OVERNIGHT_RUN_ID", "set by Overnight"),
    ("CUDA_VISIBLE_DEVICES", "env: {CUDA_VISIBLE_DEVICES: 0}", "env.CUDA_VISIBLE_DEVICES", "set by Overnight"),
    ("variable without value", "env: {A: }", "env.A", "this is nothing"),
    ("variable with a list", "env: {A: [1]}", "env.A", "a list"),
    ("negative gpus", "resources: {gpus: -1}", "resources.gpus", "out of range"),
    ("half a gpu", "resources: {gpus: 0.5}", "resources.gpus", "a number ('0.5')"),
    ("gpus true", "resources: {gpus: true}", "resources.gpus", "true or false"),
    ("less than no slot", "resources: {slots: -1}", "resources.slots", "out of range"),
    ("size without unit", "resources: {gpus: 1, gpu_memory: 24}", "resources.gpu_memory", "24GiB"),
    ("size in a foreign unit", "resources: {gpus: 1, gpu_memory: 24TiB}", "resources.gpu_memory", "24GiB"),
    ("memory without gpu", "resources: {gpu_memory: 24GiB}", "resources.gpu_memory", "no GPU"),
    ("unknown resource", "resources: {gpu: 1}", "resources.gpu", "did you mean `gpus`"),
    ("limits is a number", "limits: 4", "limits", "{parallel: 4"),
    ("no parallel run", "limits: {parallel: 0}", "limits.parallel", "out of range"),
    ("no attempt", "limits: {attempts: 0}", "limits.attempts", "out of range"),
    ("wall", "limits: {wall: long}", "limits.wall", "90s, 45m, 2h, 1d"),
    ("retry zero", "retry: 0", "retry", "out of range"),
    ("retry without attempts", "retry: {delay: 3s}", "retry", "number of attempts is missing"),
    ("retry attempts", "retry: {attempts: 0}", "retry.attempts", "out of range"),
    ("retry delay", "retry: {attempts: 2, delay: -1}", "retry.delay", "out of range"),
    ("retry factor", "retry: {attempts: 2, factor: 0.5}", "retry.factor", "out of range"),
    ("retry longest", "retry: {attempts: 2, longest: 5y}", "retry.longest", "90s"),
    ("no time", "time_limit: 0", "time_limit", "more than 0 seconds"),
    ("negative time", "time_limit: -3", "time_limit", "more than 0 seconds"),
    ("endless time", "time_limit: .inf", "time_limit", "out of range"),
    ("undefined time", "time_limit: .nan", "time_limit", "out of range"),
    ("huge time", f"time_limit: 1{'0' * 350}", "time_limit", "out of range"),
    ("grace", "grace: [1]", "grace", "a list"),
    ("priority", "priority: high", "priority", "a whole number"),
    ("replicates", "replicates: [1]", "replicates[0]", "a whole number"),
    ("replicates twice", "replicates: [seed, seed]", "replicates[1]", "named twice"),
    ("vars", "vars: [1]", "vars", "a mapping"),
    ("name of a var", "vars: {a.b: 1}", "vars.a.b", "cannot be written as ${name}"),
    ("reserved var", "vars: {campaign: 1}", "vars.campaign", "a meaning of its own"),
    ("var without a number", "vars: {a: .inf}", "vars.a", "no finite number"),
    ("var that nothing can resolve", "vars: {a: '${b}'}", "vars.a", "unresolved name ${b}"),
    ("var with a launch name", "vars: {a: '${run_dir}'}", "vars.a", "known only when a run starts"),
    ("devices without gpu", "resources: {devices: [0]}", "resources.devices", "no GPU"),
    ("no devices", "resources: {gpus: 1, devices: []}", "resources.devices", "such as [0, 1]"),
    ("a device twice", "resources: {gpus: 1, devices: [0, 0]}", "resources.devices[1]", "named twice"),
    ("a device below", "resources: {gpus: 1, devices: [-1]}", "resources.devices[0]", "out of range"),
    ("shared by runs of two gpus", "resources: {gpus: 2, share: 2}", "resources.share", "take one GPU"),
    ("shared by nobody", "resources: {gpus: 1, share: 0}", "resources.share", "out of range"),
    ("free without unit", "resources: {gpus: 1, free_below: 500}", "resources.free_below", "500MB"),
    ("cpu instead of no gpu", "resources: {or_cpu: true}", "resources.or_cpu", "no GPU"),
    ("or_cpu is text", "resources: {gpus: 1, or_cpu: 'yes'}", "resources.or_cpu", "true or false"),
    ("retry for another reason", "retry: {attempts: 2, only: disk}", "retry.only", "write memory"),
    ("retry for a number", "retry: {attempts: 2, only: 1}", "retry.only", "write memory"),
    ("hook without conda", "environment: {venv: a, hook: b}", "environment.hook", "belongs to"),
    ("hook is a number", "environment: {conda: a, hook: 1}", "environment.hook", "the path of conda"),
    ("uv with a tilde here", "environment: {uv: ~/x}", "environment.uv", "without ~"),
    ("somebody's home elsewhere", "target: box\nmirror: false\nworkdir: ~me/x", "workdir", "without ~"),
    ("a secret itself", "secrets: {K: hunter2}", "secrets.K", "only by reference"),
    ("a secret in a relative file", "secrets: {K: 'file:k'}", "secrets.K", "only by reference"),
    ("a secret in a variable without a name", "secrets: {K: 'env:'}", "secrets.K", "only by reference"),
    ("a secret number", "secrets: {K: 1234}", "secrets.K", "only by reference"),
    ("name of a secret", "secrets: {a-b: 'env:K'}", "secrets.a-b", "no name of a variable"),
    ("secrets is a list", "secrets: [K]", "secrets", "env:NAME"),
    ("secret and variable", "env: {K: 1}\nsecrets: {K: 'env:K'}", "secrets.K", "in `env` and in `secrets`"),
    ("no estimate", "estimate: 0", "estimate", "more than 0 seconds"),
    ("stale at once", "stale_after: 0", "stale_after", "more than 0 seconds"),
    ("hang is text", "hang: soon", "hang", "90s"),
    ("breaker zero", "breaker: 0", "breaker", "out of range"),
    ("precondition_wait null", "precondition_wait: null", "precondition_wait", "this is nothing"),
    ("skip_if_done is text", "skip_if_done: maybe", "skip_if_done", "true or false"),
    ("target is a number", "target: 3", "target", "a whole number"),
    ("target that is an option", "target: -oProxyCommand=x", "target", "no name of a target"),
    ("target that is a path", "target: a/b", "target", "no name of a target"),
    ("target that is a list", "target: [a, b]", "target", "the name of a target"),
    ("target and targets", "target: a\ntargets: [b]", "targets", "mean the same"),
    ("no targets", "targets: []", "targets", "0 targets"),
    ("too many targets", f"targets: [{', '.join(f't{n}' for n in range(101))}]", "targets", "101 targets"),
    ("a target twice", "targets: [a, here, a]", "targets[2]", "named twice"),
    ("a number among targets", "targets: [a, 3]", "targets[1]", "a list of targets"),
    ("a bad name among targets", "targets: [a, b c]", "targets[1]", "no name of a target"),
    ("a copy of a home there", "target: box\nworkdir: ~/x", "workdir", "without ~"),
    ("a home of several", "targets: [a, b]\nmirror: false\nworkdir: ~/x", "workdir", "without ~"),
    ("mirror is text", "mirror: 'no'", "mirror", "true or false"),
    ("mirror with another key", "mirror: {only: [a]}", "mirror.only", "unknown key"),
    ("what is left out is text", "mirror: {exclude: data}", "mirror.exclude", "a list of patterns"),
    ("what is left out is a number", "mirror: {exclude: [a, 1]}", "mirror.exclude[1]", "a pattern"),
    ("exclude at the top", "exclude: [data/]", "exclude", "did you mean `mirror`"),
    ("another end of a link", "on_disconnect: retry", "on_disconnect", "hold, requeue or kill"),
    ("the end of a link is a list", "on_disconnect: [kill]", "on_disconnect", "hold, requeue or kill"),
    ("a lease of seconds", "lease: 30", "lease", "at least 60 s"),
    ("a lease of words", "lease: long", "lease", "90s"),
    ("name without gpu", "resources: {gpu_name: h100}", "resources.gpu_name", "no GPU"),
    ("name is a number", "resources: {gpus: 1, gpu_name: 100}", "resources.gpu_name", "a GPU's name"),
    ("target that is too long", f"target: {'t' * 201}", "target", "longer than 200"),
    ("analyze is text", "analyze: 'on'", "analyze", "true or false"),
    ("a number as key", "1: x", "(file)", "no text"),
    ("null as key", "~: x", "(file)", "no text"),
    ("true as key", "true: x", "(file)", "no text"),
    ("a list as key", "? [1]\n: x", "(file)", "no text"),
    ("key twice", "grace: 1\ngrace: 2", "grace", "a second time"),
]

SWEEP = [
    ("unknown key", "comand: x", "comand", "did you mean `command`"),
    ("command as key of a neighbour", "depends_on: x", "depends_on", "did you mean `needs`"),
    ("number as key", "3: x", "", "no text"),
    ("command is a number", "command: 3", "command", "a whole number"),
    ("command is blank", "command: '  '", "command", "text for the shell"),
    ("command is a mapping", "command: {a: 1}", "command", "a mapping"),
    ("no argument", "command: []", "command", "empty"),
    ("no program", "command: ['', a]", "command[0]", "name a program"),
    ("argument null", "command: [a, null]", "command[1]", "this is nothing"),
    ("argument list", "command: [a, [b]]", "command[1]", "this is a list"),
    ("argument with NUL", 'command: [a, "\\0"]', "command[1]", "NUL"),
    ("unresolved in command", "command: echo ${HOME}", "command", "write $HOME or $${HOME}"),
    ("unresolved in argument", "command: [echo, '${HOME}']", "command[1]", "no shell reads a list"),
    ("unresolved in output", "outputs: ['${x}']", "outputs[0]", "unresolved name ${x}"),
    ("unresolved in name", "name: a${x}", "name", "unresolved name ${x}"),
    ("unresolved in env", "env: {A: '${x}'}", "env.A", "unresolved name ${x}"),
    ("unresolved in a var", "vars: {A: '${x}'}", "vars.A", "unresolved name ${x}"),
    ("var uses one below", "vars: {a: '${b}', b: 1}", "vars.a", "unresolved name ${b}"),
    ("launch name in name", "name: a${GPU}", "name", "known only when a run starts"),
    ("folder of a sweep that is not needed", "command: cat ${needs.other}/x", "command", "add `needs: {other:"),
    (
        "folder of a sweep needed as a whole",
        "needs: other\ncommand: cat ${needs.other}",
        "command",
        "add `needs: {other:",
    ),
    ("grid is a list", "grid: [1]", "grid", "a mapping"),
    ("grid is empty", "grid: {}", "grid", "no parameter"),
    ("axis is empty", "grid: {x: []}", "grid.x", "no values"),
    ("axis is null", "grid: {x: }", "grid.x", "no values"),
    ("axis is a mapping", "grid: {x: {a: 1}}", "grid.x", "a list of values"),
    ("axis is text", "grid: {x: '1,2'}", "grid.x", "write [1, 2], or ['1,2']"),
    ("axis holds a list", "grid: {x: [[1]]}", "grid.x[0]", "a single value"),
    ("axis holds a mapping", "grid: {x: [{a: 1}]}", "grid.x[0]", "a single value"),
    ("axis holds NaN", "grid: {x: [.nan]}", "grid.x[0]", "no finite number"),
    ("axis holds infinity", "grid: {x: [1e999]}", "grid.x[0]", "no finite number"),
    ("axis holds a number that is too large", "grid: {x: [9223372036854775808]}", "grid.x[0]", "64 bits"),
    ("axis holds NUL", 'grid: {x: ["\\0"]}', "grid.x[0]", "NUL"),
    ("axis called run_dir", "grid: {run_dir: [1]}", "grid.run_dir", "a meaning of its own"),
    ("axis called GPU", "grid: {GPU: [1]}", "grid.GPU", "a meaning of its own"),
    ("axis with a dash", "grid: {a-b: [1]}", "grid.a-b", "letters, digits and _"),
    ("axis is a number", "grid: {1: [1], x: [1]}", "grid", "no text"),
    ("axis twice", "grid: {x: [1], x: [2]}", "grid.x", "a second time"),
    ("equal values", "grid: {x: [1, 1.0]}", "", "equal parameters: x=1 (2 times)"),
    ("zip of two lengths", "zip: {x: [1, 2], y: [1]}", "zip", "x has 2, y has 1"),
    ("axis of grid and zip", "grid: {x: [1]}\nzip: {x: [2]}", "zip.x", "an axis of `grid` too"),
    ("cells is a mapping", "cells: {a: 1}", "cells", "a list of mappings"),
    ("cells is empty", "cells: []", "cells", "this list is empty"),
    ("cell is a number", "cells: [1]", "cells[0]", "a mapping of parameters"),
    ("cell without parameters", "cells: [{}]", "cells[0]", "a mapping of parameters"),
    ("cell with a list", "cells: [{a: [1]}]", "cells[0].a", "a single value"),
    ("equal cells", "cells: [{a: 1}, {a: 1}]", "", "equal parameters"),
    ("cell equal to the grid's", "grid: {a: [1]}\ncells: [{a: 1}]", "", "equal parameters"),
    (
        "parameter of one cell only",
        "cells: [{a: 1}, {b: 1}]\ncommand: echo ${a}",
        "command",
        "not a parameter of every",
    ),
    ("exclude matches nothing", "grid: {x: [1, 2]}\nexclude: [{x: 3}]", "exclude[0]", "no cell has x=3"),
    ("exclude of a bool", "grid: {x: [1, 2]}\nexclude: [{x: true}]", "exclude[0]", "no cell has x=true"),
    ("exclude names no axis", "grid: {x: [1, 2]}\nexclude: [{y: 3}]", "exclude[0].y", "no axis"),
    ("exclude twice", "grid: {x: [1, 2]}\nexclude: [{x: 1}, {x: 1}]", "exclude[1]", "repeats entry [0]"),
    ("exclude everything", "grid: {x: [1]}\nexclude: [{x: 1}]", "", "drops every cell"),
    ("exclude from nothing", "cells: [{x: 1}]\nexclude: [{x: 1}]", "exclude", "needs a `grid` or a `zip`"),
    ("exclude is empty", "grid: {x: [1]}\nexclude: []", "exclude", "this list is empty"),
    ("too many cells", f"grid: {{x: {list(range(400))}, y: {list(range(400))}}}", "", "more than 100,000 cells"),
    ("name of two cells", "grid: {x: [1, 2]}\nname: a", "name", "`a` (s: x=1, s: x=2)"),
    ("name of two cells after cleaning", "grid: {x: [a b, a_b]}", "", "`s-xa_b`"),
    ("name that begins badly", "name: -a", "name", "begins with a letter or digit"),
    ("name that is too long", f"name: {'a' * 129}", "name", "at most 128"),
    ("name is a number", "name: 3", "name", "a whole number"),
    ("unquotable in double quotes", 'grid: {x: [a b]}\ncommand: echo "${x}"', "command", "list of arguments"),
    ("unquotable in single quotes", "grid: {x: [a b]}\ncommand: sh -c 'echo ${x}'", "command", "list of arguments"),
    ("unquotable in backquotes", "grid: {x: [a b]}\ncommand: echo `echo ${x}`", "command", "list of arguments"),
    ("dollar before a launch name", "grid: {x: [a$]}\nenv: {A: '${x}${GPU}'}", "env.A", "ends in $"),
    ("output is a number", "outputs: [1]", "outputs[0]", "the path of a file"),
    ("output is empty", "outputs: ['']", "outputs[0]", "is empty"),
    ("output with NUL", 'outputs: ["a\\0"]', "outputs[0]", "NUL"),
    ("output above the working directory", "outputs: a/../../b", "outputs", "leaves the working directory"),
    ("output above the run folder", "outputs: ['${run_dir}/../b']", "outputs[0]", "leaves the run folder"),
    ("output is the working directory", "outputs: ['a/..']", "outputs[0]", "is a folder"),
    ("output is the run folder", "outputs: ['${run_dir}']", "outputs[0]", "is a folder"),
    ("output glued to the run folder", "outputs: ['${run_dir}x']", "outputs[0]", "without a /"),
    ("run folder in the middle", "outputs: ['a/${run_dir}']", "outputs[0]", "in the middle"),
    ("output with GPU", "outputs: ['a${GPU}']", "outputs[0]", "only ${run_dir} can"),
    (
        "output above through a value",
        "grid: {x: ['../..']}\noutputs: ['a/${x}/c/..']",
        "outputs[0]",
        "leaves the working",
    ),
    ("one output of two cells", "grid: {x: [1, 2]}\noutputs: [a, ./b/../a]", "outputs[0]", "s-x1, s-x2 write the same"),
    ("needs is a number", "needs: 3", "needs", "the name of a sweep"),
    ("needs an unknown sweep", "needs: othr", "needs", "did you mean `other`"),
    ("needs itself", "needs: s", "needs", "cannot need itself"),
    ("needs twice", "needs: [other, other]", "needs[1]", "named twice"),
    ("needs on nothing", "needs: {other: []}", "needs.other", "or `all`"),
    ("needs on text", "needs: {other: seed}", "needs.other", "or `all`"),
    ("needs on a name of one side", "grid: {x: [1]}\nneeds: {other: [x]}", "needs.other", "every cell of `other`"),
    ("needs on a name of the other", "needs: {other: [seed]}", "needs.other", "every cell of this sweep"),
    ("needs without a match", "grid: {seed: [0, 7]}\nneeds: {other: [seed]}", "needs.other", "the seed of s-seed7"),
    ("parallel", "parallel: 0", "parallel", "out of range"),
    ("replicates that it lacks", "grid: {x: [1]}\nreplicates: [y]", "replicates", "not a parameter"),
    ("two environments", "environment: {venv: a, conda: b}", "environment", "two kinds"),
    ("required is empty", "requires: ['']", "requires[0]", "is empty"),
    ("required is empty through a value", "grid: {x: ['']}\nname: n\nrequires: '${x}'", "requires", "is empty"),
    ("required in the run folder", "requires: '${run_dir}/x'", "requires", "known only when a run starts"),
    ("unresolved in a required path", "requires: 'a/${x}'", "requires", "unresolved name ${x}"),
    ("phase with a blank", "phase: a b", "phase", "is no name"),
    ("barrier", "barrier: hard", "barrier", "write settle"),
    ("barrier true", "barrier: true", "barrier", "write settle"),
    ("oom is a list", "grid: {x: [1]}\noom: [{x: 0}]", "oom", "{smaller:"),
    ("unknown key in oom", "grid: {x: [1]}\noom: {smallr: []}", "oom.smallr", "did you mean `smaller`"),
    ("no smaller setting", "grid: {x: [1]}\noom: {smaller: []}", "oom.smaller", "this list is empty"),
    ("smaller in what it lacks", "grid: {x: [1]}\noom: {smaller: [{y: 0}]}", "oom.smaller[0].y", "not a parameter of"),
    (
        "smaller in what some lack",
        "grid: {x: [1]}\ncells: [{y: 1}]\noom: {smaller: [{x: 0}]}",
        "oom.smaller[0].x",
        "not a parameter of every cell",
    ),
    ("secret that is a variable of a sweep", "secrets: {K: 'env:K'}\nenv: {K: 1}", "secrets.K", "remove it from one"),
    ("limits belong to the campaign", "limits: {parallel: 1}", "limits", "unknown key"),
]


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidFile) as refusal:
        load(text, "file.yaml", "/base")
    assert refusal.value.path == "file.yaml"
    return refusal.value.problems


@pytest.mark.parametrize(("_what", "key", "place", "says"), TOP, ids=[row[0] for row in TOP])
def test_a_mistake_at_the_top_is_one_problem_in_its_place(_what: str, key: str, place: str, says: str) -> None:
    text = f"campaign: c\nsweeps: {{s: {{command: 'true'}}}}\n# here\n{key}\n"
    (problem,) = problems(text)
    assert problem.place == place
    assert says in problem.message
    assert problem.line == len(text.splitlines()) - (1 if key.startswith("?") else 0)


@pytest.mark.parametrize(("_what", "keys", "place", "says"), SWEEP, ids=[row[0] for row in SWEEP])
def test_a_mistake_in_a_sweep_is_one_problem_in_its_place(_what: str, keys: str, place: str, says: str) -> None:
    lines = keys.splitlines()
    if not any(line.startswith("command:") for line in lines):
        lines.append("command: 'true'")
    body = "\n".join(f"    {line}" for line in lines)
    text = f"campaign: c\nsweeps:\n  other: {{grid: {{seed: [0, 1]}}, command: 'true'}}\n  s:\n{body}\n"
    (problem,) = problems(text)
    assert problem.place == (f"sweeps.s.{place}" if place else "sweeps.s")
    assert says in problem.message
    first = place.split(".", maxsplit=1)[0].split("[", maxsplit=1)[0]
    named = [number for number, line in enumerate(text.splitlines(), 1) if first and line.startswith(f"    {first}:")]
    assert problem.line in (named or (4, 5, 6))


RUNS = [
    ("runs is a mapping", "runs: {a: 1}", "runs", 5, "a list of runs"),
    ("no runs", "runs: []", "runs", 5, "this list is empty"),
    ("a run is text", "runs: [a]", "runs[0]", 5, "a mapping with at least"),
    ("beside a grid", "runs: [{name: a, command: x}]\ngrid: {x: [1]}", "grid", 6, "remove one of them"),
    ("beside a command", "command: x\nruns: [{name: a, command: x}]", "command", 5, "remove one of them"),
    ("unknown key", "runs: [{name: a, cmd: x, command: y}]", "runs[0].cmd", 5, "did you mean `command`"),
    ("no name", "runs:\n- {name: a, command: x}\n- {command: x}", "runs[1].name", 7, "is missing"),
    ("no command", "runs:\n- {name: a}", "runs[0].command", 6, "is missing"),
    ("a blank in the name", "runs: [{name: a b, command: x}]", "runs[0].name", 5, "is no name"),
    ("name is a number", "runs: [{name: 3, command: x}]", "runs[0].name", 5, "a whole number"),
    ("one name twice", "runs:\n- {name: a, command: x}\n- {name: a, command: x}", "", 4, "rename one of them"),
    ("name of another sweep", "runs: [{name: other-seed0, command: x}]", "", 4, "rename one of them"),
    ("output above", "runs: [{name: a, command: x, outputs: ../x}]", "runs[0].outputs", 5, "leaves the working"),
    (
        "output with GPU",
        "runs: [{name: a, command: x, outputs: ['${GPU}']}]",
        "runs[0].outputs[0]",
        5,
        "only ${run_dir}",
    ),
    (
        "one output of two runs",
        "runs:\n- {name: a, command: x, outputs: o}\n- {name: b, command: x, outputs: ./o}",
        "runs[1].outputs",
        7,
        "write the same file",
    ),
    (
        "a parameter with a list",
        "runs: [{name: a, command: x, parameters: {p: [1]}}]",
        "runs[0].parameters.p",
        5,
        "single",
    ),
    (
        "a secret as variable",
        "secrets: {K: 'env:K'}\nruns: [{name: a, command: x, env: {K: 1}}]",
        "runs[0].env.K",
        6,
        "one",
    ),
    ("required is empty", "runs: [{name: a, command: x, requires: ['']}]", "runs[0].requires[0]", 5, "is empty"),
    ("no time", "runs: [{name: a, command: x, time_limit: 0}]", "runs[0].time_limit", 5, "more than 0"),
    ("skip is text", "runs: [{name: a, command: x, skip_if_done: 'no'}]", "runs[0].skip_if_done", 5, "true or false"),
    ("needs a stranger", "runs: [{name: a, command: x, needs: [other-seed7]}]", "runs[0].needs[0]", 5, "did you mean"),
    ("needs nobody", "runs: [{name: a, command: x, needs: qqq}]", "runs[0].needs", 5, "name a run of another"),
    (
        "needs a run beside it",
        "runs: [{name: a, command: x}, {name: b, command: x, needs: a}]",
        "runs[1].needs",
        5,
        "only runs of other sweeps",
    ),
    ("folder of no run", "runs: [{name: a, command: '${needs.other}'}]", "runs[0]", 5, "needs 0 of `other`"),
    (
        "folder of two runs",
        "runs: [{name: a, command: '${needs.other}', needs: [other-seed0, other-seed1]}]",
        "runs[0]",
        5,
        "needs 2 of `other`",
    ),
    (
        "smaller is a mapping",
        "runs: [{name: a, command: x, smaller: {a: 1}}]",
        "runs[0].smaller",
        5,
        "a list of mappings",
    ),
    ("smaller is text", "runs: [{name: a, command: x, smaller: [y]}]", "runs[0].smaller[0]", 5, "a mapping with"),
    (
        "smaller changes nothing that it has",
        "runs: [{name: a, command: x, smaller: [{changed: {p: 1}, command: y}]}]",
        "runs[0].smaller[0].changed",
        5,
        "some of the parameters of this run",
    ),
    ("unresolved in the common env", "env: {A: '${x}'}\nruns: [{name: a, command: x}]", "env.A", 5, "unresolved name"),
]


@pytest.mark.parametrize(("_what", "keys", "place", "line", "says"), RUNS, ids=[row[0] for row in RUNS])
def test_a_mistake_in_a_written_run_is_one_problem_in_its_place(
    _what: str, keys: str, place: str, line: int, says: str
) -> None:
    body = "\n".join(f"    {line}" for line in keys.splitlines())
    (problem,) = problems(f"campaign: c\nsweeps:\n  other: {{grid: {{seed: [0, 1]}}, command: x}}\n  s:\n{body}\n")
    assert (problem.place, problem.line) == (f"sweeps.s.{place}".rstrip("."), line), problem
    assert says in problem.message


def test_a_literal_secret_is_not_repeated() -> None:
    text = "campaign: c\nsweeps: {s: {command: x, secrets: {K: hunter2, L: [hunter2]}}}\n"
    assert all("hunter2" not in problem.message for problem in problems(text))
    assert len(problems(text)) == 2


def test_a_home_folder_of_another_machine_is_none_here() -> None:
    text = "campaign: c\ntarget: box\nmirror: false\nworkdir: ~/x\nsweeps:\n  s:\n    command: x\n    "
    for key, value in (("target", "here"), ("targets", "[box, here]"), ("mirror", "true")):
        (problem,) = problems(f"{text}{key}: {value}\n")
        assert (problem.place, problem.line, "another machine" in problem.message) == (f"sweeps.s.{key}", 8, True)


@pytest.mark.parametrize(
    ("keys", "place", "line", "says"),
    [
        ("command: x\nrequires: [a]", "sweeps.s.requires", 6, "required files"),
        ("command: x\nskip_if_done: true\noutputs: [o]", "sweeps.s.skip_if_done", 6, "outputs that are there"),
        ("command: x\nbarrier: settle", "sweeps.s.barrier", 6, "a barrier waits"),
        ("command: x\nresources: {gpus: 1, devices: [0]}", "sweeps.s.resources", 6, "positions of GPUs"),
        ("runs: [{name: a, command: x, requires: [a]}]", "sweeps.s", 5, "required files"),
        ("targets: [c, d]\nruns: [{name: a, command: x, skip_if_done: true}]", "sweeps.s.targets", 5, "c, d"),
    ],
)
def test_what_means_something_on_one_machine_needs_one(keys: str, place: str, line: int, says: str) -> None:
    text = "campaign: c\ntargets: [a, b]\nsweeps:\n  s:\n" + "\n".join(f"    {it}" for it in keys.splitlines())
    (problem,) = problems(text + "\n")
    assert (problem.place, problem.line) == (place, line), problem
    assert says in problem.message
    assert "name one target" in problem.message
    assert load(text.replace("[a, b]", "[a]").replace("[c, d]", "[d]"), "m", "/base").sweeps


def test_runs_that_wait_for_each_other_are_a_cycle() -> None:
    text = """\
campaign: c
sweeps:
  a: {runs: [{name: a1, command: x, needs: b1}]}
  b: {runs: [{name: b1, command: x, needs: a1}]}
"""
    (problem,) = problems(text)
    assert (problem.place, "a -> b -> a" in problem.message) == ("sweeps.a.runs[0].needs", True)


def test_names_of_runs_are_not_called_unknown_where_their_sweep_could_not_be_read() -> None:
    text = "campaign: c\nsweeps:\n  a: {command: 1}\n  b: {runs: [{name: b, command: x, needs: a}]}\n"
    assert [problem.place for problem in problems(text)] == ["sweeps.a.command"]


@pytest.mark.parametrize(
    ("text", "place", "line", "says"),
    [
        ("", "(file)", 1, "the file is empty"),
        ("# nothing\n", "(file)", 1, "the file is empty"),
        ("- a\n", "(file)", 1, "the file is a list"),
        ("hello", "(file)", 1, "the file is text"),
        ("campaign: c\n", "sweeps", 1, "no sweeps"),
        ("campaign: c\nsweeps: {}\n", "sweeps", 2, "no sweeps"),
        ("campaign: c\nsweeps: []\n", "sweeps", 2, "a list"),
        ("sweeps: {s: {command: x}}\n", "campaign", 1, "the name of the campaign is missing"),
        ("campaign: -c\nsweeps: {s: {command: x}}\n", "campaign", 1, "is no name"),
        ("campaign: 3\nsweeps: {s: {command: x}}\n", "campaign", 1, "a whole number"),
        ("campaign: c\nsweeps:\n  s:\n", "sweeps.s", 3, "this is nothing"),
        ("campaign: c\nsweeps:\n  s: {grid: {a: 1}}\n", "sweeps.s.command", 3, "the command is missing"),
        ("campaign: c\nsweeps:\n  -s: {command: x}\n", "sweeps.-s", 3, "is no name"),
        ("campaign: c\nsweeps:\n  s: {command: x}\n  s: {command: x}\n", "sweeps.s", 4, "first on line 3"),
        ("a: [1\n", "(file)", 2, "no valid YAML"),
        ("a: 1\n b: 2\n", "(file)", 2, "no valid YAML"),
        ("a: 1\nb: \x01\n", "(file)", 2, "no valid YAML"),
        ('a: 1\nb: "\\UFFFFFFFF"\n', "(file)", None, "no valid YAML"),
        ('a: 1\nb: "\\ud800"\n', "(file)", 2, "half a character"),
        ("a: 1\n---\nb: 1\n", "(file)", 2, "a second document"),
        ("a: 1\nb: !!python/name:os.system x\n", "(file)", 2, "the tag"),
        ("a: 1\nb: !x [1]\n", "(file)", 2, "the tag"),
        ("a: *x\n", "(file)", 1, "no anchor"),
        ("a: &x [*x]\n", "(file)", 1, "inside its own anchor"),
        ("a: 1\nb: " + "[" * 60 + "]" * 60, "(file)", 2, "nested deeper"),
        ("phases: []\n", "phases", 1, "there are no phases"),
        ("project: c\njobs: []\n", "jobs", 2, "has no jobs"),
        ("jobs: [{id: a, cmd: x}]\nphases: [{jobs: [{id: b, cmd: x}]}]\n", "jobs", 1, "`jobs` and `phases` both"),
        ("project: c\ngoal: {metric: a}\n", "(file)", 1, "an experiment queue has `jobs`, `phases`"),
        ("{}\n", "(file)", 1, "a native campaign file has `sweeps`"),
    ],
)
def test_a_file_that_is_no_campaign_is_one_problem(text: str, place: str, line: int | None, says: str) -> None:
    (problem,) = problems(text)
    assert (problem.place, says in problem.message) == (place, True), problem
    assert line is None or problem.line == line


def test_aliases_cannot_unfold_into_more_than_the_limit() -> None:
    rows = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (problem,) = problems("\n".join(rows))
    assert "with its aliases" in problem.message
    assert problem.line == 6


def test_a_large_file_is_refused_before_it_is_read() -> None:
    (problem,) = problems("#" * (4 * 1024 * 1024 + 1))
    assert "larger than 4 MiB" in problem.message
    (problem,) = problems("#" + "é" * (2 * 1024 * 1024))
    assert "larger than 4 MiB" in problem.message


def test_everything_wrong_is_told_at_once_in_file_order() -> None:
    text = dedent("""\
        campaign: "?"
        goal: {metric: a, direction: up}
        resources: {gpus: -1}
        sweeps:
          a:
            grid: {x: [], y: [1]}
            command: echo ${z}
            retry: 0
          b:
            needs: a
            grid: {x: [1, 2]}
            outputs: [same, ../up]
            command: sh -c "${x} ${q}"
          c:
            needs: nobody
            grid: {x: [1, 2]}
            exclude: [{x: 3}]
            name: c
            outputs: [other]
            command: "true"
        """)
    found = [(problem.line, problem.place) for problem in problems(text)]
    assert found == [
        (1, "campaign"),
        (2, "goal.direction"),
        (3, "resources.gpus"),
        (6, "sweeps.a.grid.x"),
        (7, "sweeps.a.command"),
        (8, "sweeps.a.retry"),
        (12, "sweeps.b.outputs[1]"),
        (13, "sweeps.b.command"),
        (15, "sweeps.c.needs"),
        (17, "sweeps.c.exclude[0]"),
        (18, "sweeps.c.name"),
        (19, "sweeps.c.outputs[0]"),
    ]


def test_a_cycle_of_sweeps_is_told_once_with_its_path() -> None:
    text = dedent("""\
        campaign: c
        sweeps:
          a: {command: x, needs: c}
          b: {command: x, needs: a}
          c: {command: x, needs: b}
          d: {command: x, needs: [a, c]}
        """)
    (problem,) = problems(text)
    assert "a -> c -> b -> a" in problem.message
    assert (problem.place, problem.line) == ("sweeps.a.needs", 3)


def test_a_barrier_before_which_something_needs_it_is_refused_but_not_within_one_phase() -> None:
    text = dedent("""\
        campaign: c
        sweeps:
          a: {command: x, phase: p, needs: b}
          b: {command: x, phase: q, barrier: settle}
        """)
    (problem,) = problems(text)
    assert (problem.place, problem.line) == ("sweeps.a.needs", 3)
    assert load(text.replace("phase: q", "phase: p"), "f", "/base").cells == 2


def test_the_folder_of_a_needed_run_must_be_one_run() -> None:
    text = dedent("""\
        campaign: c
        sweeps:
          t: {grid: {seed: [0, 1], width: [1, 2]}, command: x}
          s:
            grid: {seed: [0, 1]}
            needs: {t: [seed]}
            command: cat ${needs.t}/x
        """)
    (problem,) = problems(text)
    assert "several cells of `t` match s-seed0, s-seed1 on seed" in problem.message
    assert (problem.place, problem.line) == ("sweeps.s.needs.t", 6)


def test_outputs_collide_across_sweeps_only_where_their_folders_meet() -> None:
    text = "campaign: c\nsweeps:\n  a: {command: x, outputs: o}\n  b: {command: x, outputs: d/../o, workdir: W}\n"
    assert load(text.replace("W", "sub"), "f", "/base").cells == 2
    (problem,) = problems(text.replace("W", "."))
    assert "a, b write the same file '/base/o'" in problem.message
    assert (problem.place, problem.line) == ("sweeps.b.outputs", 4)


def test_a_mistake_that_every_cell_shares_is_told_once() -> None:
    text = (
        "campaign: c\nsweeps:\n  s:\n    grid: {x: [a b, c d, e f, g h]}\n    command: sh -c '${x}'\n    name: _${x}\n"
    )
    assert [problem.place for problem in problems(text)] == ["sweeps.s.command", "sweeps.s.name"]


def test_the_line_within_a_block_command_is_exact() -> None:
    text = "campaign: c\nsweeps:\n  s:\n    command: |\n      echo one\n      echo ${two}\n"
    (problem,) = problems(text)
    assert problem.line == 6


def test_a_mapping_of_more_names_than_anybody_reads_is_refused() -> None:
    names = ", ".join(f"a{number}: 1" for number in range(1001))
    (problem,) = problems(f"campaign: c\nvars: {{{names}}}\nsweeps: {{s: {{command: x}}}}\n")
    assert (problem.place, "more than 1,000 names" in problem.message) == ("vars", True)


def test_a_thousand_problems_are_enough() -> None:
    text = "campaign: c\nsweeps: {s: {command: x}}\n" + "".join(f"no{number}: 1\n" for number in range(3000))
    assert len(problems(text)) == 1000


def test_cells_that_unfold_into_too_much_text_are_refused_and_not_built() -> None:
    values = list(range(5000))
    text = f"campaign: c\nsweeps:\n  s: {{grid: {{x: {values}}}, command: '{'a' * 100_000} ${{x}}'}}\n"
    (problem,) = problems(text)
    assert (problem.place, "the texts of all cells together" in problem.message) == ("sweeps.s", True)


@pytest.mark.parametrize(
    ("text", "place", "line", "says"),
    [
        (
            '{"campaign": "c",\n"sweeps": {"s": {"command": "x",\n"command": "y"}}}',
            "sweeps.s.command",
            3,
            "second time",
        ),
        (
            '{"campaign": "c",\n"sweeps": {"s": {"command": "x", "grid": {"x":\n[NaN]}}}}',
            "sweeps.s.grid.x[0]",
            3,
            "finite",
        ),
        ('{"campaign": "c",\n"sweeps": {"s": {"command": "\\ud800"}}}', "(file)", 2, "half a character"),
        ('{"campaign": "c",\n"sweeps": {"s": {"command": "x"}}\n', "(file)", 3, "no valid YAML"),
        ('{"a":\n' + "[" * 60 + "]" * 60 + "}", "(file)", 2, "nested deeper"),
        ('{"campaign": "c", "sweeps":\n{"s": {"command": 1}}}', "sweeps.s.command", 2, "a whole number"),
    ],
)
def test_json_is_refused_with_place_and_line_too(text: str, place: str, line: int, says: str) -> None:
    (problem,) = problems(text)
    assert (problem.place, problem.line, says in problem.message) == (place, line, True), problem


def test_many_dependencies_between_cells_are_refused_and_not_built() -> None:
    values = list(range(1500))
    text = f"campaign: c\nsweeps:\n  a: {{grid: {{x: {values}, k: 1}}, command: x}}\n"
    text += f"  b: {{grid: {{y: {values}, k: 1}}, needs: {{a: [k]}}, command: x}}\n"
    (problem,) = problems(text)
    assert "more than 1,000,000 dependencies" in problem.message
