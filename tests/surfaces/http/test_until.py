"""Waiting over HTTP: woken by what happens, ended by a newer supervisor, bounded per token."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest

from tests.surfaces.http.harness import Server, poll


def wait(server: Server, run: str, query: str = "", token: str | None = None) -> dict[str, Any]:
    headers = {"X-Auth-Token": token} if token else {}
    reply = server.ask("GET", f"/v1/things/{run}/wait?{query}", headers=headers, timeout=60)
    return {"status": reply.status, **reply.json}


def token(server: Server, name: str) -> str:
    reply = server.ask("POST", "/v1/tokens", {"name": name, "role": "agent"})
    assert reply.status == 201, reply.body
    return str(reply.json["secret"])


def test_a_wait_is_answered_when_the_run_ends(server: Server) -> None:
    run = server.run(["sleep", "1"])
    answer = wait(server, run, "until=succeeded&wait=30")
    assert (answer["came"], answer["why"], answer["state"]) == (True, "came", "succeeded")


def test_its_time_is_bounded_and_an_end_that_will_not_come_is_told_at_once(server: Server) -> None:
    run = server.run(gpus=64)
    began = time.monotonic()
    answer = wait(server, run, "until=running&wait=0.5")
    assert (answer["came"], answer["why"], answer["state"]) == (False, "timeout", "queued")
    assert time.monotonic() - began >= 0.4
    server.ask("POST", f"/v1/things/{run}/cancel")
    assert wait(server, run, f"until=running&wait=30&after={answer['next']}")["why"] == "cannot"


def test_a_new_supervisor_of_a_run_ends_the_one_before(server: Server) -> None:
    run = server.run(gpus=64)
    with ThreadPoolExecutor(2) as pool:
        old = pool.submit(wait, server, run, "until=running&wait=40&subscriber=old")
        # Nothing can be seen of a request that waits: newer ones come until it has ended.
        names = (f"new{number}" for number in count())
        poll(lambda: wait(server, run, f"until=running&wait=0.05&subscriber={next(names)}") and old.done())
        assert old.result()["why"] == "superseded"
        newest = pool.submit(wait, server, run, f"until=running&wait=40&subscriber={next(names)}")
        assert wait(server, run, "until=running&wait=40&subscriber=old")["why"] == "superseded", "it comes back"
        assert not newest.done()
        server.ask("POST", f"/v1/things/{run}/cancel")
        assert newest.result(timeout=20)["why"] == "cannot"


def test_another_token_and_another_run_have_supervisors_of_their_own(server: Server) -> None:
    first, second = server.run(gpus=64), server.run(gpus=64)
    other = token(server, "other")
    with ThreadPoolExecutor(3) as pool:
        waits = [
            pool.submit(wait, server, first, "until=running&wait=40"),
            pool.submit(wait, server, second, "until=running&wait=40"),
            pool.submit(wait, server, first, "until=running&wait=40", other),
        ]
        time.sleep(0.3)  # nothing can be seen of a request that waits: that none was answered is the best there is
        assert not any(it.done() for it in waits)
        for run in (first, second):
            server.ask("POST", f"/v1/things/{run}/cancel")
        assert {it.result(timeout=20)["why"] for it in waits} == {"cannot"}


def test_waits_of_one_token_are_as_few_as_its_streams(server: Server) -> None:
    many = token(server, "many")
    runs = [server.run(gpus=64) for _ in range(60)]
    with ThreadPoolExecutor(60) as pool:
        found = list(pool.map(lambda run: wait(server, run, "until=running&wait=2", many)["status"], runs))
    assert set(found) == {200, 429}
    assert poll(lambda: wait(server, runs[0], "until=running&wait=0.1", many)["status"] == 200), "all are forgotten"


@pytest.mark.parametrize("query", ["until=sucess", "until=", "wait=1000", "until=Final", "after=-1", "subscriber=%00"])
def test_what_makes_no_sense_is_refused(server: Server, query: str) -> None:
    run = server.run(gpus=64)
    answer = wait(server, run, query)
    assert (answer["status"], answer["code"]) == (422, "invalid_request"), answer


def test_a_wait_ends_with_the_token_by_which_it_was_asked(server: Server) -> None:
    gone, run = token(server, "gone"), server.run(gpus=64)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(wait, server, run, "until=running&wait=40", gone)
        time.sleep(0.3)  # whether it waits already or not, the answer must be the same
        server.ask("POST", "/v1/tokens/gone/revoke")
        assert asked.result(timeout=20)["status"] in (401, 403)
