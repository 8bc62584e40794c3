"""What `config.toml` may say, and how it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from overnight.config import AnalysisSettings, Configuration, NotifySettings, load
from overnight.domain.alerts import DEFAULT_KINDS
from overnight.domain.errors import Refused
from overnight.domain.remote import SshSettings

SECRET = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"


def configured(tmp_path: Path, text: str) -> Configuration:
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    return load({"OVERNIGHT_HOME": str(tmp_path)})


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(Refused) as caught:
        configured(tmp_path, text)
    return str(caught.value)


def test_without_a_file_nobody_is_told_and_nothing_analysed(tmp_path: Path) -> None:
    found = load({"OVERNIGHT_HOME": str(tmp_path)})
    assert (found.notify, found.analysis) == (NotifySettings(), AnalysisSettings())
    assert found.notify.on == DEFAULT_KINDS


def test_urls_kinds_command_and_limit_are_read(tmp_path: Path) -> None:
    found = configured(
        tmp_path,
        f'[notify]\nurls = ["{SECRET}", "env:HOOK"]\non = ["settled", "idle"]\n'
        '[analysis]\ncommand = ["python", "a.py"]\ntime_limit = "2m"\n[local]\nslots = 3\n',
    )
    assert found.notify == NotifySettings((SECRET, "env:HOOK"), ("settled", "idle"))
    assert found.analysis == AnalysisSettings(("python", "a.py"), 120.0)
    assert found.local.slots == 3


def test_machines_reached_over_ssh_are_read(tmp_path: Path) -> None:
    text = '[targets.a]\nssh = "ada@box"\n[targets."b.lab"]\nssh = {host = "10.0.0.7", port = 2222}\nslots = 4\n'
    assert configured(tmp_path, text).targets == {
        "a": SshSettings("box", user="ada"),
        "b.lab": SshSettings("10.0.0.7", port=2222, slots=4),
    }
    assert load({"OVERNIGHT_HOME": str(tmp_path / "none")}).targets == {}


def test_urls_are_not_shown_with_the_configuration(tmp_path: Path) -> None:
    assert "JHMHI8" not in repr(configured(tmp_path, f'[notify]\nurls = ["{SECRET}"]\n'))


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    said = refused(tmp_path, '[notify]\non = ["settled", "stuk"]\n')
    assert "notify.on: 'stuk' is no kind of alert; known are settled, stuck, " in said


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("notify = 3", "notify"),
        ('[notify]\nurls = "one"', "notify.urls"),
        ("[notify]\nurls = [1]", "notify.urls"),
        ('[notify]\nurls = [""]', "notify.urls"),
        ("[notify]\non = [[]]", "notify.on"),
        ("[notify]\nurl = []", "notify.url"),
        ("[analysis]\ntime_limit = 3", "analysis.command"),
        ('[analysis]\ncommand = "python a.py"', "analysis.command"),
        ("[analysis]\ncommand = []", "analysis.command"),
        ('[analysis]\ncommand = ["a"]\ntime_limit = "soon"', "analysis.time_limit"),
        ('[analysis]\ncommand = ["a"]\ntime_limit = 0', "analysis.time_limit"),
        ('[analysis]\ncommand = ["a"]\ntime_limit = "2d"', "analysis.time_limit"),
        ('[analysis]\ncommand = ["a"]\ntime_limit = true', "analysis.time_limit"),
        ("[web]\nport = 1", "web"),
        ("local = []", "local"),
        ("targets = []", "targets"),
        ("[targets]\nbox = 'box'", "targets.box"),
        ("[targets.here]\nssh = 'box'", "targets.here"),
        ("[targets.box]\nssh = {port = 22}", "targets.box.ssh.host"),
    ],
)
def test_what_is_wrong_is_named_by_its_key(tmp_path: Path, text: str, place: str) -> None:
    assert f"{place}: " in refused(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [f'[notify]\nurls = ["{SECRET}", ""]', f'[notify]\nurls = "{SECRET}"', f'[notify]\nurls = ["{SECRET}"'],
    ids=["one is empty", "no list", "no TOML"],
)
def test_no_refusal_repeats_an_address(tmp_path: Path, text: str) -> None:
    assert "JHMHI8" not in refused(tmp_path, text)
