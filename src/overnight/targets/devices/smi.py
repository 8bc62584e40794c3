"""Reads the GPUs through the `nvidia-smi` on PATH, for machines where the library cannot be loaded.

Its answers are foreign text: a cell that is no number is None with a note, a line that is no row tells of a GPU in
trouble.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace

from overnight.targets.devices.reading import Answer, Gpu, Nameless, Process

SMI_SECONDS = 30.0
"""How long one call may take. The server usually loses patience before; this keeps a probe without a server bounded."""

BASIC = ("index", "uuid", "name", "memory.total", "memory.used", "utilization.gpu", "temperature.gpu")
ECC = "ecc.errors.uncorrected.volatile.total"
MIG = "mig.mode.current"
UNKNOWN_FIELD = 2
"""Its exit code for a field that this version does not know."""
NO_DRIVER = 9
"""Its exit code when there is no driver to talk to."""
LONGEST_NUMBER = 18
"""Digits of a number that is believed."""
ILL = ("unknown error", "gpu is lost", "requires reset", "reset required", "err!")
"""Cells that say that the GPU, not the field, is at fault."""


class SmiFailed(Exception):
    """`nvidia-smi` gave nothing that can be used; the message says why."""


def read() -> Answer:
    """All GPUs now. Raises SmiFailed."""
    code, lines = query_gpus([])
    if code == NO_DRIVER:
        raise SmiFailed(f"nvidia-smi found no driver: {first(lines)}")
    rows = [row for row in parse(lines) if is_row(row)]
    if code and not rows and not any("GPU" in line for line in lines):
        raise SmiFailed(f"nvidia-smi ended with exit code {code}: {first(lines)}")
    notes: list[str] = []
    gpus = [gpu_of(row, notes) for row in rows]
    nameless: list[Nameless] = []
    if code:  # one ill GPU ends the whole table: ask for the others one by one
        gpus += rest(seen={gpu.uuid for gpu in gpus}, notes=notes)
        nameless = [] if any(gpu.fault for gpu in gpus) else [Nameless(None, first(lines))]
    return with_processes(Answer("nvidia-smi", gpus=tuple(gpus), nameless=tuple(nameless), notes=tuple(notes)))


def query_gpus(which: Sequence[str]) -> tuple[int, list[str]]:
    """The table with as many columns as this version knows."""
    code, lines = run([f"--query-gpu={','.join((*BASIC, ECC, MIG))}", "--format=csv,noheader,nounits", *which])
    if code != UNKNOWN_FIELD:
        return code, lines
    return run([f"--query-gpu={','.join(BASIC)}", "--format=csv,noheader,nounits", *which])


def rest(seen: set[str], notes: list[str]) -> list[Gpu]:
    """Every GPU that `nvidia-smi -L` names and the table left out; the ones that cannot be read carry their fault."""
    found = []
    for index, uuid, name in list_gpus():
        if uuid in seen:
            continue
        code, lines = query_gpus(["-i", uuid])
        row = next((row for row in parse(lines) if is_row(row)), None)
        if code == 0 and row:
            found.append(gpu_of(row, notes))
        else:
            found.append(Gpu(index, uuid, name, processes=None, fault=fault_of(first(lines))))
    return found


def list_gpus() -> list[tuple[int, str, str]]:
    """(index, UUID, name) from lines like `GPU 0: NVIDIA A100 (UUID: GPU-…)`."""
    found = []
    for line in run(["-L"])[1]:
        head, _, tail = line.partition(": ")
        name, _, uuid = tail.partition(" (UUID: ")
        place = head.removeprefix("GPU ")
        if uuid and is_number(place):
            found.append((int(place), uuid.rstrip(") "), name))
    return found


def gpu_of(row: Sequence[str], notes: list[str]) -> Gpu:
    """One row of the table."""
    index, uuid, name, total, used, utilisation, temperature = row[: len(BASIC)]
    cells = {"memory": used, "utilisation": utilisation, "temperature": temperature}
    notes.extend(
        f"GPU {uuid} does not tell its {what} ({cell or '[N/A]'})"
        for what, cell in cells.items()
        if not is_number(cell)
    )
    extra = dict(zip((ECC, MIG), row[len(BASIC) :]))
    if extra.get(MIG) == "Enabled":
        notes.append(f"GPU {uuid} is split by MIG; it is treated as one device")
    return Gpu(
        index=int(index),
        uuid=uuid,
        name=name,
        memory_total_mib=number(total),
        memory_used_mib=number(used),
        utilisation=number(utilisation),
        temperature=number(temperature),
        fault=ill(row) or uncorrected(extra.get(ECC, "")),
    )


def with_processes(answer: Answer) -> Answer:
    """The answer with the compute processes of each GPU; None for all of them when the list cannot be had."""
    if not answer.gpus:
        return answer
    code, lines = run(["--query-compute-apps=gpu_uuid,pid,used_memory", "--format=csv,noheader,nounits"])
    if code:
        note = f"nvidia-smi does not tell the processes ({first(lines)})"
        gpus = tuple(replace(gpu, processes=None) for gpu in answer.gpus)
        return replace(answer, gpus=gpus, notes=(*answer.notes, note))
    users: dict[str, list[Process]] = {}
    for row in parse(lines):
        if len(row) == 3 and is_number(row[1]):
            users.setdefault(row[0], []).append(Process(int(row[1]), number(row[2])))
    gpus = tuple(
        gpu if gpu.processes is None else replace(gpu, processes=tuple(users.get(gpu.uuid, ()))) for gpu in answer.gpus
    )
    return replace(answer, gpus=gpus)


def run(arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Exit code and lines of one call. Raises SmiFailed when it cannot be started or does not end."""
    try:
        done = subprocess.run(
            ["nvidia-smi", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SMI_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise SmiFailed("there is no nvidia-smi on PATH") from error
    except OSError as error:
        raise SmiFailed(f"nvidia-smi cannot be started: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise SmiFailed(f"nvidia-smi did not answer within {SMI_SECONDS:.0f} s") from error
    text = done.stdout if done.stdout.strip() else done.stderr
    return done.returncode, [line for line in text.splitlines() if line.strip()]


def parse(lines: Sequence[str]) -> list[list[str]]:
    """The cells of each line. nvidia-smi quotes nothing, so a quote in a line means nothing either."""
    return [[cell.strip() for cell in line.split(",")] for line in lines]


def is_row(row: Sequence[str]) -> bool:
    return len(row) >= len(BASIC) and is_number(row[0]) and row[1].startswith(("GPU-", "MIG-"))


def is_number(cell: str) -> bool:
    return cell.isascii() and cell.isdigit() and len(cell) <= LONGEST_NUMBER


def number(cell: str) -> int | None:
    return int(cell) if is_number(cell) else None


def ill(row: Sequence[str]) -> str | None:
    """The fault that a cell of the row confesses."""
    return next((fault_of(cell) for cell in row[3:] if any(word in cell.lower() for word in ILL)), None)


def fault_of(text: str) -> str:
    """What its words mean for the GPU."""
    if "lost" in text.lower():
        return f"lost: it has fallen off the bus ({text}); reboot the machine"
    return f"nvidia-smi cannot read it: {text}"


def uncorrected(cell: str) -> str | None:
    """The fault of memory errors, where they are counted."""
    if not number(cell):
        return None
    return f"ECC: {cell} uncorrected memory errors since the driver was loaded; reset the GPU"


def first(lines: Sequence[str]) -> str:
    """The first line, cut to a sentence's length."""
    return lines[0].strip()[:300] if lines else "it said nothing"
