"""The file that travels: the same wherever it is built, and whole."""

from __future__ import annotations

import ast
import hashlib
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from overnight.targets.ssh.shipment import PACKAGE, modules, shipment


def old_pythons() -> list[str]:
    """The oldest that hosts may have, where this machine has it too; a name on PATH may be a program that says no."""
    named = [
        it
        for it in [shutil.which("python3.9")]
        if it and subprocess.run([it, "-V"], capture_output=True, check=False).returncode == 0
    ]
    return named or [str(it) for it in sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python3"))]


IMPORT = """
import importlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
for name, module in sorted(sys.modules.items()):
    origin = str(getattr(module, "__file__", None))
    assert not name.startswith("overnight") or origin.startswith(sys.argv[1]), (name, origin)
    assert "site-packages" not in origin, (name, origin)
"""


def names() -> list[str]:
    with zipfile.ZipFile(BytesIO(shipment().data)) as archive:
        return archive.namelist()


def test_equal_modules_give_equal_bytes(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(PACKAGE, tmp_path / "overnight", ignore=shutil.ignore_patterns("__pycache__")))
    (copied / "runner" / "attempt.py").touch()
    assert shipment(copied).data == shipment().data
    assert shipment().hash == hashlib.sha256(shipment().data).hexdigest()


def test_a_changed_module_gives_another_name(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(PACKAGE, tmp_path / "overnight", ignore=shutil.ignore_patterns("__pycache__")))
    with (copied / "runner" / "attempt.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert shipment(copied).hash != shipment().hash


@pytest.mark.parametrize("python", [sys.executable, *old_pythons()])
def test_it_has_every_module_that_it_imports_and_needs_nothing_of_the_host(tmp_path: Path, python: str) -> None:
    archive = tmp_path / "program.pyz"
    archive.write_bytes(shipment().data)
    names_of = [it[:-3].replace("/", ".").removesuffix(".__init__") for it in names() if it.startswith("overnight/")]
    code = f"import sys; sys.path.insert(0, {str(archive)!r})\n{IMPORT}"
    done = subprocess.run(
        [python, "-I", "-S", "-c", code, str(archive), *names_of], env={}, cwd="/", capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(names_of) > 40


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_uses_what_python_3_9_has_not(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    for call in (it for it in ast.walk(tree) if isinstance(it, ast.Call)):
        name = ast.unparse(call.func)
        words = {it.arg for it in call.keywords}
        assert not (name in ("isinstance", "issubclass") and isinstance(call.args[1], ast.BinOp)), call.lineno
        assert not (name == "zip" and "strict" in words), call.lineno
        assert not (name == "dataclass" and words & {"slots", "kw_only"}), call.lineno


def test_it_says_what_it_can_do(tmp_path: Path) -> None:
    archive = tmp_path / "program.pyz"
    archive.write_bytes(shipment().data)
    done = subprocess.run([sys.executable, "-I", "-S", str(archive)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "attend ROOT HOME NONCE" in done.stderr
