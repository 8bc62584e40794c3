"""Plans of every kind that a native file can say, for Hypothesis; and one that leaves no field at its default."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from overnight.domain.plan import (
    Budget,
    CampaignPlan,
    CellPlan,
    Direction,
    EnvironmentPlan,
    Goal,
    Need,
    Retry,
    Scalar,
    Smaller,
    SweepNeed,
    SweepPlan,
)

ANY = st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")
PIECES = st.sampled_from(
    ["1.10", "yes", "0x1f", "null", "~", "on", "2024-01-01", "1e5", ": ", " #", "'", '"', "\\", "\n", "\r\n", "\t",
     "${run_dir}", "$${x}", "${x}", "$", "${GPU}", "{a,b}", "[1]", "*", "&a", "!t", "| ", "> ", "- ", "---", "...",
     "é", "\U0001f600", "\x85", "\u2028", "\ufeff", "\u202e", "\x7f", "\x1b[2J", " ", "#", "%", "@", "`", "<<"]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(ANY, max_size=4), min_size=1, max_size=5).map("".join)
SAID = TEXTS.filter(lambda text: bool(text.strip()))
SCALARS: st.SearchStrategy[Scalar] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
COMMANDS = SAID | st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
VARIABLES = st.dictionaries(st.sampled_from(["A", "B", "_c"]), TEXTS | st.just(""), max_size=2)
SECONDS = st.sampled_from([1.0, 90.0, 2700.0, 7200.0, 86400.0]) | st.floats(0.001, 1e8)
MAYBE = st.none() | SECONDS
NEEDS = st.builds(
    Need,
    gpus=st.just(1),
    slots=st.integers(0, 9),
    gpu_memory_mib=st.integers(0, 99999),
    gpu_name=st.none() | SAID,
    devices=st.none() | st.lists(st.integers(0, 9), min_size=1, unique=True).map(tuple),
    free_below_mib=st.none() | st.integers(1, 99999),
    share=st.integers(1, 4),
    or_cpu=st.booleans(),
) | st.builds(Need, slots=st.integers(0, 9))
ENVIRONMENTS = (
    st.just(EnvironmentPlan())
    | st.builds(EnvironmentPlan, venv=st.just("a b/venv"))
    | st.builds(EnvironmentPlan, conda=st.just("torch"), conda_hook=st.none() | SAID)
    | st.builds(EnvironmentPlan, uv=st.just("."))
    | st.builds(EnvironmentPlan, container=st.just("host:5000/image:1.10"))
)
WHERE = [("here",), ("me@box",), ("box-a", "here"), ("box-b", "me@box")]
"""Targets of a sweep."""


@st.composite
def cells(draw: st.DrawFn, sweep: str, count: int, others: list[str]) -> CellPlan:
    parameters = draw(st.dictionaries(st.sampled_from(["x", "a.b", "é", "seed"]), SCALARS, max_size=3))
    env = draw(VARIABLES)
    rung = st.builds(
        Smaller,
        st.fixed_dictionaries(dict.fromkeys(list(parameters)[:1], SCALARS)),
        COMMANDS.filter(is_command),
        VARIABLES | st.just(env),
    )
    return CellPlan(
        name=f"{sweep}.{count}".replace("~", "="),
        parameters=parameters,
        command=draw(COMMANDS.filter(is_command)),
        outputs=draw(st.sampled_from([(), (f"o/{sweep}/{count} é",), (f"${{run_dir}}/{count}", f"{sweep}-{count}-*")])),
        env=env,
        needs=tuple(draw(st.lists(st.sampled_from(others), max_size=2, unique=True))) if others else (),
        requires=tuple(draw(st.lists(SAID, max_size=2))),
        skip_if_done=draw(st.booleans()),
        time_limit=draw(MAYBE),
        estimate=draw(MAYBE),
        stale_after=draw(MAYBE),
        smaller=tuple(draw(st.lists(rung, max_size=2))) if parameters else (),
    )


def is_command(command: str | tuple[str, ...]) -> bool:
    return isinstance(command, str) or command[0] != ""


@st.composite
def sweeps(draw: st.DrawFn, name: str, before: list[SweepPlan]) -> SweepPlan:
    whole = draw(st.lists(st.sampled_from([one.name for one in before]), max_size=1)) if before else []
    owners = {cell.name: one.name for one in before for cell in one.cells}
    own = tuple(draw(cells(name, index, list(owners))) for index in range(draw(st.integers(1, 3))))
    barrier, need = draw(st.booleans()), draw(NEEDS)
    anywhere = not barrier and need.devices is None and not any(cell.requires or cell.skip_if_done for cell in own)
    targets, mirror = draw(st.sampled_from(WHERE if anywhere else WHERE[:2])), draw(st.booleans())
    home = [] if mirror or targets != ("me@box",) else ["~", "~/a b"]
    named = dict.fromkeys(owners[needed] for cell in own for needed in cell.needs)
    return SweepPlan(
        name=name,
        cells=own,
        workdir=draw(st.sampled_from(["/", "/a b/é", "/w", *home])),
        needs=(*map(SweepNeed, whole), *(SweepNeed(other, ()) for other in named if other not in whole)),
        need=need,
        retry=Retry(
            attempts=draw(st.integers(1, 9)),
            delay=draw(SECONDS),
            factor=draw(st.floats(1, 1000)),
            longest=draw(SECONDS),
            only_memory=draw(st.booleans()),
            smaller=max(len(cell.smaller) for cell in own),
        ),
        environment=draw(ENVIRONMENTS),
        time_limit=draw(MAYBE),
        grace=draw(SECONDS | st.just(0.0)),
        parallel=draw(st.none() | st.integers(1, 9)),
        priority=draw(st.integers(-3, 3)),
        replicates=draw(st.sampled_from([(), ("seed",), ("seed", "a.b")])),
        phase=draw(st.sampled_from(["", "p", name])),
        barrier=barrier,
        targets=targets,
        mirror=mirror,
        exclude=tuple(draw(st.lists(SAID, max_size=2))) if mirror else (),
        on_disconnect=draw(st.sampled_from(["hold", "requeue", "kill"])),
        lease=draw(st.sampled_from([60.0, 900.0, 1e6])),
        secrets=draw(st.sampled_from([(), (("Z", "env:TOKEN"), ("Y", "file:/a b"))])),
        estimate=draw(MAYBE),
        stale_after=draw(MAYBE),
        hang=draw(MAYBE),
        precondition_wait=draw(SECONDS | st.just(0.0)),
        breaker=draw(st.none() | st.integers(1, 9)),
    )


@st.composite
def plans(draw: st.DrawFn) -> CampaignPlan:
    """A plan of one to three sweeps, written out cell by cell."""
    made: list[SweepPlan] = []
    for name in draw(st.sampled_from([["a"], ["a", "a~2"], ["b", "a", "c.d"]])):
        made.append(draw(sweeps(name, made)))
    return CampaignPlan(
        name=draw(st.sampled_from(["c", "1.10", "yes", "My digits 2.0"])),
        sweeps=tuple(made),
        goal=draw(st.none() | st.builds(Goal, SAID, st.sampled_from(Direction))),
        budget=draw(st.builds(Budget, st.none() | st.integers(1, 99), MAYBE)),
        parallel=draw(st.none() | st.integers(1, 9)),
        priority=draw(st.integers(-3, 3)),
        analyze=draw(st.booleans()),
    )


def complete() -> CampaignPlan:
    """A plan in which nothing is as it would be if nobody had said it, as far as one plan can be."""
    rung = Smaller({"batch": 16}, "train 16", {"B": "16"})
    first = CellPlan("first", {}, "make it")
    cell = CellPlan(
        "s", {"batch": 32}, "train 32", ("o",), {"B": "32"}, ("first",), None, ("in",), True, 9.0, 8.0, 7.0, (rung,)
    )
    everything: dict[str, Any] = {
        "needs": (SweepNeed("before", ()),),
        "need": Need(1, 2, 1024, (0, 1), 477, 3, or_cpu=True, gpu_name="H100"),
        "retry": Retry(3, 1.0, 3.0, 60.0, only_memory=True, smaller=1),
        "environment": EnvironmentPlan(conda="torch", conda_hook="eval it"),
        "replicates": ("batch",),
        "phase": "p",
        "barrier": True,
        "targets": ("box",),
        "mirror": True,
        "exclude": ("data/",),
        "on_disconnect": "kill",
        "secrets": (("K", "env:K"),),
    }
    numbers = ("time_limit", "grace", "estimate", "stale_after", "hang", "precondition_wait", "lease")
    sweep = SweepPlan(
        "s", (cell,), "/w", parallel=2, priority=4, breaker=3, **everything, **dict.fromkeys(numbers, 99.0)
    )
    return CampaignPlan(
        "c",
        (SweepPlan("before", (first,), "/w"), sweep),
        Goal("a", Direction.MINIMIZE),
        Budget(9, 99.0),
        2,
        3,
        analyze=True,
    )
