"""Whatever values a manifest holds: a real shell hands them over as they are, and runs nothing in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.manifest.template import launch_text
from tests.manifest.queue.reading import cells_of, job_of

SHOW = f"{sys.executable} -c 'import sys; sys.stdout.buffer.write(chr(0).join(sys.argv[1:]).encode(\"utf-8\"))'"
TEXTS = st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",))
    | st.sampled_from(list("$`'\"\\{}!~*?;&|<>()# \n\t-=")),
    max_size=12,
)
HOSTILE = ["$(touch owned)", "`touch owned`", "; touch owned", "' ; touch owned '", "${GPU}", "$${GPU}", "${run_dir}",
           "${needs.a}", "a\nb", "~", "*", "-x", "$'\\n'", "\\", "{N}", "{{N}}", "${x:-y}", "é😀", "!!",
           "#"]  # fmt: skip


def words(command: object, folder: Path | None = None) -> list[str]:
    """The arguments that a command passes on, as its program gets them."""
    assert isinstance(command, str)
    text = launch_text(command, {"GPU": "0,1", "run_dir": "/r"}, shell=True)
    done = subprocess.run(["/bin/sh", "-c", text], check=True, capture_output=True, cwd=folder)
    return done.stdout.decode().split("\0")


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_arrive_as_they_are(value: str, tmp_path: Path) -> None:
    grid = {"N": [value]}
    template = {"id": "a", "cmd": f"{SHOW} ${{N}} x{{N}}", "args": {"k": "${N}", "l": ["${N}", "_${N}"]}}
    (cell,) = cells_of({"grid": grid, "template": template})
    assert words(cell.command, tmp_path) == [value, f"x{value}", "--k", value, "--l", value, f"_{value}"]
    assert list(tmp_path.iterdir()) == []


@given(TEXTS, TEXTS)
@settings(max_examples=60, deadline=None)
def test_any_value_of_an_axis_arrives_as_it_is(value: str, key: str) -> None:
    template = {"id": "a", "cmd": f"{SHOW} ${{N}}", "args": {f"k{key}": ["${N}"]}}
    (cell,) = cells_of({"grid": {"N": [value]}, "template": template})
    assert words(cell.command) == [value, f"--k{key}", value]


def test_the_gpu_is_put_into_arguments_between_whatever_stands_there() -> None:
    cell = job_of(cmd=SHOW, args={"a": "x y${GPU}'$", "b": ["{GPU}", "$$ ${GPU}"]})
    assert words(cell.command) == ["--a", "x y0,1'$", "--b", "0,1", "$$ 0,1"]


@pytest.mark.parametrize("around", ["'{}'", '"{}"', "`echo {}`", "x <<E\n{}\nE", "$(( {} ))"])
def test_safe_values_may_stand_in_quotes(around: str) -> None:
    cell = cells_of({"grid": {"N": [7]}, "template": {"id": "a", "cmd": around.format("${N}")}})[0]
    assert cell.command == around.format("7")
