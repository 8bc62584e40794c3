"""`brief` and `wait`, through real commands: what an agent has that knows an id and nothing else."""

import json
import signal
from typing import Any

from tests.surfaces.cli.harness import Home, wait_until

CAMPAIGN: dict[str, Any] = {
    "campaign": "night",
    "workdir": ".",
    "sweeps": {
        "train": {"name": "gated", "command": "echo began; while [ ! -e go ]; do sleep 0.02; done; exit 3"},
        "after": {"name": "later", "command": "true", "needs": ["train"]},
    },
}


def submitted(home: Home) -> str:
    return str(home.run("submit", home.campaign(json.dumps(CAMPAIGN)), "--json").json["campaign"]["id"])


def test_a_wait_goes_on_through_the_death_of_the_server(home: Home) -> None:
    with home.up() as first:
        campaign = submitted(home)
        assert home.run("wait", "night/gated", "--until", "started", "--timeout", "20").code == 0
        before = home.run("wait", campaign, "--timeout", "0", "--json").json
        waiting = home.start("wait", campaign, "--until", "run.fail", "--timeout", "50", "--json")
        wait_until(lambda: home.run("status").code == 0, "it has begun to wait")
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert waiting.poll() is None
    with home.up():
        (home.folder / "go").touch()
        out, err = waiting.communicate(timeout=50)
    assert waiting.returncode == 0, err
    answer = json.loads(out)
    assert (answer["came"], answer["why"], answer["event"]["kind"]) == (True, "came", "run.fail")
    assert 0 < answer["seconds"] < 50
    again = home.run("wait", campaign, "--until", "run.fail", "--after", str(before["next"]), "--json").json
    assert again["event"]["seq"] == answer["event"]["seq"], "an agent that lost its context misses nothing"


def test_a_wait_that_comes_to_nothing_ends_with_one(home: Home) -> None:
    with home.up():
        submitted(home)
        late = home.run("wait", "night/later", "--until", "running", "--timeout", "0.2")
        assert (late.code, late.out.startswith("timeout: run later ")) == (1, True), late
        home.run("cancel", "night/later")
        over = home.run("wait", "night/later", "--until", "running", "--timeout", "20")
        assert (over.code, over.out.startswith("cannot come any more: run later ")) == (1, True), over
        assert home.run("wait", "night/later").out.startswith("final: run later ")
    for words, code in ((["nix"], 2), (["night", "--until", "sucess"], 2), (["night", "--timeout", "100000"], 2)):
        assert home.run("wait", *words).code == code
    assert home.run("wait", "night/later", "--until", "succeeded").code == 1, "without a server the record answers"


def test_a_newcomer_goes_on_with_an_id_and_what_the_brief_says(home: Home) -> None:
    (home.folder / "go").touch()
    with home.up():
        campaign = submitted(home)
        assert home.run("wait", "night", "--timeout", "30").code == 0
        night = home.run("brief", campaign)
        assert f"# campaign night ({campaign}): failed since" in night.out
        assert "attempt 1 of gated on here ended, nonzero_exit: failed for good" in night.out
        assert "   | began" in night.out
        assert len(night.out.splitlines()) <= 80
        listed = home.run("brief", campaign, "--json").json
        command = next(it for it in listed["next"] if it.startswith("overnight brief "))
        one = home.run(*command.split()[1:], "--json").json
        assert (one["kind"], one["attempts"][0]["code"], one["attempts"][0]["log"]) == ("attempt", 3, ["began"])
        retry = next(line.strip() for line in home.run("brief", "night/gated").out.splitlines() if " retry " in line)
        assert home.run(*retry.split()[1:]).code == 0
        assert home.run("wait", "night/gated", "--until", "attempt.exit", "--after", str(one["last_event"])).code == 0
    assert f"campaign night {campaign} is over" in home.run("brief").out
