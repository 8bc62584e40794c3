"""The connection to a runner that floods, stalls, dies quietly or talks nonsense."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from overnight.clock import SystemClock
from overnight.domain.errors import Unavailable, Uncertain
from overnight.targets import link as module
from overnight.targets.link import Link, Message, RunnerRefused

SILENCE = 0.3


class Peer:
    """The other end, in the hands of the test."""

    def __init__(self, silence: float = 30.0) -> None:
        ours, self.socket = socket.socketpair()
        self.heard: list[Message] = []
        self.lost = threading.Event()
        self.link = Link(
            ours,
            lambda _, message: self.heard.append(message),
            lambda _: self.lost.set(),
            clock=SystemClock(),
            silence=silence,
        )
        self.lines = self.socket.makefile("rb")

    def next(self) -> dict[str, Any]:
        return dict(json.loads(self.lines.readline()))

    def say(self, *messages: object) -> None:
        self.socket.sendall(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def close(self) -> None:
        self.link.close()
        assert self.lost.wait(5)
        self.lines.close()
        self.socket.close()


@pytest.fixture
def made() -> Iterator[Callable[..., Peer]]:
    peers: list[Peer] = []

    def make(*arguments: float) -> Peer:
        peers.append(Peer(*arguments))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


def aside(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_request_may_have_fields_of_any_name(made: Callable[..., Peer]) -> None:
    peer = made()
    asked: list[Message] = []
    waiting = aside(lambda: asked.append(peer.link.ask("host.facts", 5.0, timeout=3, self=1, link="x")))
    request = peer.next()
    assert (request["op"], request["timeout"], request["self"]) == ("host.facts", 3, 1)
    peer.say({"event": "beat"}, {"id": request["id"], "ok": True, "found": 1})
    waiting.join()
    assert asked[0]["found"] == 1
    assert peer.heard == [{"event": "beat"}]


def test_fields_cannot_replace_the_number_or_the_verb(made: Callable[..., Peer]) -> None:
    peer = made()
    peer.link.tell("put", lambda _: None, id="7", op="stop")
    assert peer.next() == {"id": 1, "op": "put"}


@pytest.mark.parametrize("error", [{"code": "busy", "message": "later"}, None, "text", 3])
def test_a_refusal_is_one_whatever_it_looks_like(made: Callable[..., Peer], error: object) -> None:
    peer = made()
    caught: list[Exception] = []

    def ask() -> None:
        try:
            peer.link.ask("stop", 5.0)
        except RunnerRefused as refusal:
            caught.append(refusal)

    waiting = aside(ask)
    peer.say({"id": peer.next()["id"], "ok": False, "error": error})
    waiting.join()
    assert len(caught) == 1


@pytest.mark.parametrize("line", [b"[]\n", b"nonsense\n", b"[" * 100_000 + b"\n", b'"text"\n', b"\xff\n"])
def test_what_is_no_message_ends_the_link(made: Callable[..., Peer], line: bytes) -> None:
    peer = made()
    peer.socket.sendall(line)
    assert peer.lost.wait(5)
    assert not peer.link.is_open
    with pytest.raises(Unavailable):
        peer.link.ask("ping", 1.0)


@pytest.mark.parametrize("number", [None, "1", [], {}, 10**30, True, 1.5])
def test_a_reply_to_nothing_is_left_alone(made: Callable[..., Peer], number: object) -> None:
    peer = made()
    peer.say({"id": number, "ok": True}, {"event": "later"})
    for _ in range(500):
        if peer.heard:
            break
        time.sleep(0.01)
    assert peer.heard == [{"event": "later"}]


def test_a_line_without_end_is_not_kept_for_ever(made: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINE", 100_000)
    peer = made()
    peer.socket.sendall(b"x" * 200_000)
    assert peer.lost.wait(5)
    assert "more than" in peer.link.why


def test_a_peer_that_answers_pings_is_kept_and_measured(made: Callable[..., Peer]) -> None:
    peer = made(SILENCE)
    for _ in range(8):
        ping = peer.next()
        assert ping["op"] == "ping"
        peer.say({"id": ping["id"], "ok": True})
    assert peer.link.is_open
    assert peer.link.latency is not None


def test_a_peer_that_is_silent_is_given_up_and_whoever_waits_is_told(made: Callable[..., Peer]) -> None:
    peer = made(SILENCE)
    with pytest.raises(Uncertain, match="nothing came for"):
        peer.link.ask("owned", 60.0)
    assert peer.lost.wait(5)
    assert (peer.link.is_open, peer.link.silent) == (False, True)


def test_a_full_stream_blocks_nobody_for_long(made: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", 0.2)
    peer = made()
    with pytest.raises(Uncertain, match="takes nothing any more"):
        peer.link.tell("start", lambda _: None, text="x" * 10_000_000)
    assert peer.lost.wait(5)
    with pytest.raises(Unavailable):
        peer.link.tell("start", lambda _: None)


def test_a_hint_waits_for_nothing(made: Callable[..., Peer]) -> None:
    peer = made()
    assert peer.link.hint("renew", lambda _: None, n=1)
    assert peer.next() == {"id": 1, "op": "renew", "n": 1}
    with peer.link._lock:
        assert not peer.link.hint("renew", lambda _: None, n=2)
    peer.close()
    assert not peer.link.hint("renew", lambda _: None, n=3)
