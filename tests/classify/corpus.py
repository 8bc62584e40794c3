"""The corpus of logs: `cases/*.txt`, each `=== name | reason | end` and the text of a log.

The end is `code=N` or `signal=N` (code=1 when nothing is said), then `kills=N` (the control group's counter), `full`
(no room on its disk), `missing` (a declared output), `environment` (the text is that of a failed activation as well).
In a text ␛ is the escape character, ␍ a carriage return, ␀ a byte that is no text, and `<<…>>` is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from overnight.domain.clues import Reading, read_log
from overnight.planner.judge import Outcome, Proof, outcome_of

FOLDER = Path(__file__).parent / "cases"
PIECE = 64 * 1024


@dataclass(frozen=True)
class Case:
    """One attempt that ended."""

    name: str
    reason: str
    log: bytes
    record: dict[str, Any]
    proof: dict[str, Any] = field(default_factory=dict)

    def read(self, piece: int = PIECE) -> Reading:
        """What its log says, read in pieces of so many bytes."""
        pieces = (self.log[start : start + piece] for start in range(0, len(self.log), piece))
        return read_log(pieces, self.record["code"])

    def judged(self, piece: int = PIECE) -> Outcome:
        """What comes of it, as the settle pass would have it."""
        reading = self.read(piece)
        return outcome_of(self.record, Proof(clues=reading.clues, signature=reading.signature, **self.proof))


def corpus() -> list[Case]:
    """All cases, file by file."""
    return [case for path in sorted(FOLDER.glob("*.txt")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:
    for block in re.split(r"(?m)^=== ", path.read_text(encoding="utf-8"))[1:]:
        head, _, text = block.partition("\n")
        name, reason, *end = (word.strip() for word in head.split("|"))
        yield _case(f"{path.stem}: {name}", reason, end[0].split() if end else [], text)


def _case(name: str, reason: str, end: list[str], text: str) -> Case:
    said = dict(word.partition("=")[::2] for word in end)
    signal = int(said["signal"]) if "signal" in said else None
    code = None if signal is not None else int(said.get("code", 1))
    record = {
        "reason": "exited" if signal is None else "signalled",
        "code": code,
        "signal": signal,
        "usage": {"oom_kills": int(said.get("kills", 0))},
    }
    proof = {
        "missing": ("out.json",) if "missing" in said else (),
        "rooms_full": "full" in said,
        "environment": text if "environment" in said else None,
    }
    return Case(name, reason, filled(text), record, proof)


def filled(text: str) -> bytes:
    """The bytes of a log that was written with placeholders."""
    whole = re.sub(r"<<(\w+) ?(-?\d*)>>", lambda found: _FILLINGS[found[1]](int(found[2] or 0)), text)
    bare = whole.replace("␛", "\x1b").replace("␍\n", "\r\n").replace("␍", "\r")
    return bare.encode().replace("␀".encode(), b"\xff\xfe")


def epochs(number: int) -> str:
    """What a training prints."""
    return "\n".join(
        f"[{n:04d}/{number:04d}] train loss {2.0 / (n + 1):.4f} lr 3.0e-04 grad norm 0.81 mem 10240MiB {3 + n % 4} it/s"
        for n in range(number)
    )


def noise(size: int) -> str:
    """So many bytes of it."""
    return (epochs(1 + size // 80) + "\n")[:size].rpartition("\n")[0]


def _traceback(_: int) -> str:
    frames = [
        ("/home/u/train.py", 412, "<module>", "main(parse())"),
        ("/home/u/train.py", 398, "main", "trainer.fit(model, loader)"),
        ("/opt/venv/lib/python3.11/site-packages/torch/nn/modules/module.py", 1751, "_call_impl", "return forward()"),
    ]
    lines = [f'  File "{file}", line {line}, in {name}\n    {source}' for file, line, name, source in frames]
    return "\n".join(["Traceback (most recent call last):", *lines])


def _torchrun(code: int) -> str:
    signal = f"Signal {-code} (SIGKILL) received by PID 14750" if code < 0 else "To enable traceback see: <N/A>"
    return f"""\
Traceback (most recent call last):
  File "/opt/venv/bin/torchrun", line 8, in <module>
    sys.exit(main())
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-01-12_03:14:15
  rank      : 0 (local_rank: 0)
  exitcode  : {code} (pid: 14750)
  error_file: <N/A>
  traceback : {signal}
============================================================"""


def _wandb(_: int) -> str:
    return """\
wandb:
wandb: Run history:
wandb:      epoch ▁▂▃▄▅▆▇█
wandb: train/loss █▆▅▄▃▂▂▁
wandb:
wandb: Run summary:
wandb:      epoch 8
wandb: train/loss 0.31
wandb:
wandb: You can sync this run to the cloud by running:
wandb: wandb sync /home/u/wandb/offline-run-20260112_031415-1f0c"""


_FILLINGS = {
    "epochs": epochs,
    "noise": noise,
    "traceback": _traceback,
    "torchrun": _torchrun,
    "wandb": _wandb,
    "bytes": lambda _: "\x00\x01é漢字",
}
