"""What a missing real part does to a test: skipped with its reason here, failed under CI, listed at the end of both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = """
from tools import real_parts
real_parts.PARTS = {
    "here": real_parts.Part("a part that is here", lambda: True, ("apackage",)),
    "gone": real_parts.Part("a part that is gone", lambda: False, ("apackage", "another")),
}
"""
TESTS = """
import pytest

@pytest.mark.real("here")
def test_runs(): pass

@pytest.mark.real("gone")
def test_needs_it(): raise SystemExit("ran without its part")
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    pytester.makeini(f"[pytest]\npythonpath = {ROOT}\nmarkers = real(part): needs a part\n")
    pytester.makeconftest(
        TABLE + (ROOT / "tests" / "conftest.py").read_text().replace("from __future__ import annotations", "")
    )
    pytester.makepyfile(TESTS)
    return pytester


def test_a_missing_part_skips_with_its_reason_and_is_listed(project: pytest.Pytester) -> None:
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["*missing real parts*", "gone: 1 test not run. Get it: make real-parts (apackage another)"]
    )


def test_under_ci_a_missing_part_is_a_failure(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = project.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_an_unknown_part_is_a_failure_everywhere(project: pytest.Pytester) -> None:
    project.makepyfile(test_typo='import pytest\n@pytest.mark.real("gonne")\ndef test_it(): pass')
    result = project.runpytest_subprocess("test_typo.py")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no such real part: gonne; known: here, gone*"])


def test_the_list_of_parts_needs_nothing_but_the_standard_library() -> None:
    listing = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "tools" / "real_parts.py")], capture_output=True, text=True, check=False
    )
    assert "postgresql" in listing.stdout
    assert listing.stderr == ""
