"""The child that talks to the driver: `python -m overnight.targets.devices.probe`.

One JSON line `{"id": N}` on stdin, one JSON line (`reading.encode`) on stdout. It owns no time-outs, since a call into
a hung driver cannot be interrupted from inside: the server kills it. When stdin ends it answers what was asked and
goes; if the driver hangs then, it goes all the same.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from typing import TextIO

import pynvml

from overnight.targets.devices import smi
from overnight.targets.devices.nvml import Library
from overnight.targets.devices.reading import Answer, encode

LINGER_SECONDS = 2.0
"""How long a probe whose server is gone may still be inside the driver."""


def main() -> None:
    """Answer until stdin ends."""
    replies = private_stdout()
    requests: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    finished = threading.Event()
    threading.Thread(target=listen, args=(requests, finished), daemon=True).start()
    library = Library()
    while (line := requests.get()) is not None:
        try:
            print(encode(int(json.loads(line)["id"]), read(library)), file=replies, flush=True)
        except BrokenPipeError:
            break  # the server is gone
    finished.set()


def read(library: Library) -> Answer:
    """What the library says, else what nvidia-smi says, else why nobody says anything."""
    try:
        return library.read()
    except pynvml.NVMLError as error:
        why = f"NVML: {error}"
    try:
        answer = smi.read()
    except smi.SmiFailed as error:
        return Answer("none", why=f"{why}; {error}")
    return Answer(answer.kind, why, answer.gpus, answer.nameless, answer.notes)


def listen(requests: queue.SimpleQueue[str | None], finished: threading.Event) -> None:
    """Pass lines on. When they end, nobody is left who would kill a hung probe, so this thread does."""
    for line in sys.stdin:
        requests.put(line)
    requests.put(None)
    if not finished.wait(LINGER_SECONDS):
        end_group()


def end_group() -> None:
    """End this process, and the nvidia-smi that it may be waiting for, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


def private_stdout() -> TextIO:
    """The pipe to the server, out of reach of a library that prints; stdout becomes stderr."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


if __name__ == "__main__":
    main()
