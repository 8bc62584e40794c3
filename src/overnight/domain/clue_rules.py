"""Which lines of a log convince of which reason, and which only look as if.

A rule needs a form of words that programs, drivers or platforms print when they fail. Prose about the same thing
(settings, help texts, commit messages, a warning that it was handled) is recognised by the words around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from overnight.domain.reasons import Reason

CAPITALS = re.compile(
    rb"OutOfMemory|OUT_OF_|RESOURCE_EXHAUSTED|Resource ?[Ee]xhausted|CUBLAS_|CUDNN_|OOM|Out Of Memory|KV cache"
    rb"|No available memory|MemoryAllocation|No executable batch|Free memory on device|MemoryError|CPUAllocator"
    rb"|Cannot allocate|Unable to allocate|Killed process|Exceeded|DataLoader worker|SIGKILL|Disk quota|ENOSPC"
    rb"|PytorchStreamWriter|Bus error|/dev/shm|NoKernelImage|CUDA|Driver/library|Error 804|NVIDIA driver|Torch not"
    rb"|Xid|ECC|NV[Ll][Ii][Nn][Kk]|GPU is lost|PREEMPT|Evicted|Spot|NODE FAIL|TIME LIMIT|RUNLIMIT"
)
"""Words that begin with a capital: one pattern finds them fast, since capitals are rare."""
SMALL = (
    b" of memory", b"bad_alloc", b"o space left", b"bus error", b"shared memory", b"exitcode", b"return code",
    b"off the bus", b"preempted", b"evicted", b"low on ", b"walltime", b"oom-kill", b"oom_kill", b"disk is full",
    b"inline_container",
)  # fmt: skip
"""The others: each is searched for by itself, which is many times faster than a pattern. Some of these words, or one of
`CAPITALS`, is in every line that a rule may convince of something."""

_BEFORE = re.compile(
    r"""\b(?:handl|avoid|prevent|recover|catch|caught|skip|retr(?:y|ie)|ignor|simulat|guard|detect_|except\b|isinstance
    |raise\b|assert\b|elif\b|if\b|in\ case|might|could|may\b|should|would|will\b|fix(?:e[sd])?\b|without\b|until\b
    |INFO\b|DEBUG\b|TRACE\b|no\b|never\b|on_|--\w)|^\s*(?:\#|//|\*)|\#\ """,
    re.VERBOSE | re.IGNORECASE,
)
"""Words before the decisive ones that make a line harmless: it tells of care, of a condition, or of source code."""
_RAISED = re.compile(r"(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception)\b:")
"""The beginning of an exception as it is printed: what follows is its message, whatever the words."""
_AFTER = re.compile(
    r"\b(?:skip|retr(?:y|ie)|graceful|recover|ignor|handl(?:ed|ing|er)|fall(?:ing|s)? ?back|reduc|halv"
    r"|will (?:try|be)|continu|trying again|errors? ?[:=] ?0\b|policy|callback|guard|protection|count(?:er)?s?\W+0\b)",
    re.IGNORECASE,
)
"""Words shortly after the decisive ones that do the same."""
_NEAR = 60
"""Characters after the decisive words in which `_AFTER` is looked for: later ones are advice of the program."""


@dataclass(frozen=True)
class Rule:
    """Words that convince of a reason, unless others are in the same line."""

    reason: Reason
    words: re.Pattern[str]
    unless: re.Pattern[str] | None = None
    prose: bool = True
    """Whether the words occur in prose too, so that those around them count."""


def _rule(reason: Reason, words: str, unless: str | None = None, *, prose: bool = True) -> Rule:
    return Rule(reason, re.compile(words), re.compile(unless) if unless else None, prose)


RULES = (
    _rule(
        Reason.PREEMPTED,
        r"DUE TO PREEMPTION|DUE TO NODE FAIL"
        r"|Spot (?:[Ii]nstance|VM|interruption).{0,60}(?:interrupt|reclaim|preempt|terminat|evict)"
        r"|\b(?:[Ii]nstance|VM|[Nn]ode|[Pp]od|[Jj]ob|[Mm]achine)\b.{0,60}\b(?:was|is being|has been) (?:preempted"
        r"|evicted)"
        r"|(?:[Ss]tatus|[Rr]eason|[Ss]tate)\W{1,4}(?:Evicted|PREEMPTED)\b|was low on resource: ",
    ),
    _rule(Reason.TIME_LIMIT, r"DUE TO TIME LIMIT|walltime \d+ exceeded limit|TERM_RUNLIMIT: job killed", prose=False),
    _rule(
        Reason.HARDWARE,
        r"Xid \(PCI:[0-9A-Fa-f:.]+\): (?:48|62|64|74|79|95|119|120|149)\b|fallen off the bus|GPU is lost"
        r"|ncorrectable ECC error (?:encountered|detected)|ECC_UNCORRECTABLE|ECCUncorrectable"
        r"|(?:[Uu]ncorrectable|[Ff]atal) NVLink|NVLink error was detected|NVLINK_\w*FATAL",
        prose=False,
    ),
    _rule(
        Reason.SHM,
        r"is killed by signal: Bus error|bus error encountered in worker|insufficient shared memory"
        r"|unable to (?:open shared memory object|write to file </torch_)|/dev/shm.*No space left"
        r"|No space left on device.*/dev/shm|^Bus error\b|: +(?:line \d+: +)?\d+ Bus error",
    ),
    _rule(
        Reason.DISK_FULL,
        r"[Nn]o space left on device|Disk quota exceeded|\bENOSPC\b|disk is full"
        r"|PytorchStreamWriter failed writing|inline_container\.cc:\d+\] ?\. ?unexpected pos",
    ),
    _rule(
        Reason.HOST_OOM,
        r"java\.lang\.OutOfMemoryError|node running low on memory|Killed process \d+|oom[-_]kill(?:er|ed|[:=])"
        r"|Detected [1-9]\d* oom[-_]kill|OOM[ -]?[Kk]illed|task \d+: Out Of Memory|\bOUT_OF_MEMORY\b"
        r"|Exceeded (?:job|step|virtual) memory limit|Memory cgroup out of memory",
        r"oom_kill\W{1,3}0\b",
    ),
    _rule(
        Reason.VRAM_OOM,
        r"(?:CUDA|HIP|MPS backend|XPU|NPU) out of memory"
        r"|(?:CUDA|HIP|cuda\w*|Cuda) (?:\w+ )?(?:error|failure)\b.{0,40}out of memory"
        r"|OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY|MemoryAllocation\b|hipErrorOutOfMemory|OUT_OF_DEVICE_MEMORY"
        r"|RESOURCE_EXHAUSTED|ResourceExhaustedError|STATUS_ALLOC_FAILED|OOM when allocating tensor"
        r"|No available memory for the cache blocks|(?:cuda|hip)Malloc\w* failed: out of memory"
        r"|ut of memory (?:while trying to allocate|allocating) [\d,.]+|No executable batch size found"
        r"|Free memory on device\b.*less than desired|larger than the .{0,60}KV cache",
        r"StatusCode\.|larger than max\b|[Qq]uota|[Rr]ate.?[Ll]imit|ray\.exceptions|this is not a failure",
    ),
    _rule(
        Reason.GPU_BUSY,
        r"CUDA-capable device(?:\(s\) is/are|s are) busy or unavailable|CUDA_ERROR_DEVICE_UNAVAILABLE",
    ),
    _rule(
        Reason.HOST_OOM,
        r"(?:^|[\s.:])_?(?:Array)?MemoryError\b(?!\w)|Unable to allocate [\d.]+ [KMGTP]iB for an array|std::bad_alloc"
        r"|CPUAllocator: (?:not enough memory|can't allocate memory)|Cannot allocate memory",
        r"static TLS block",
    ),
    _rule(
        Reason.KILLED,
        r"is killed by signal: (?:Killed|Terminated)|Signal 9 \(SIGKILL\) received by PID"
        r"|(?:exitcode|return code)\s{0,2}[:=] -9\b",
        prose=False,
    ),
    _rule(
        Reason.NO_GPU,
        r"no kernel image is available|no CUDA-capable device|CUDA driver version is insufficient"
        r"|Driver/library version mismatch|Error 804\b|no NVIDIA driver|NVIDIA driver on your system is too old"
        r"|No CUDA GPUs are available|Torch not compiled with CUDA",
        r"Warning\b|WARN|failed call to cuInit|^\[?W\d*\b",
    ),
)
"""In the order in which they are asked: the first that a line convinces decides."""

_SIZE = r"([\d.]+) ([KMGT]i?B|bytes)"
_UNITS = {"bytes": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40}
_CAPACITY = re.compile(rf"total capac\w+ of {_SIZE}")
_OTHERS = re.compile(rf"Process \d+ has {_SIZE} memory in use")
_OWN = re.compile(rf"this process has {_SIZE} memory in use")
_FREE = re.compile(r"Free memory on device.{0,20}\(([\d.]+)/([\d.]+) GiB\)")


def reason_of(line: str) -> Reason | None:
    """What a plain line of a log convinces of; None = nothing."""
    for rule in RULES:
        found = rule.words.search(line)
        if found is None or (rule.unless is not None and rule.unless.search(line)):
            continue
        if rule.prose and _is_prose(line, found):
            continue
        if rule.reason is Reason.VRAM_OOM and _was_a_neighbour(line):
            return Reason.NEIGHBOUR_OOM
        return rule.reason
    return None


def _is_prose(line: str, found: re.Match[str]) -> bool:
    if _AFTER.search(line[found.end() : found.end() + _NEAR]):
        return True
    return _RAISED.match(line) is None and _BEFORE.search(line[: found.start()]) is not None


def _was_a_neighbour(line: str) -> bool:
    """Whether others held more than half of the device, and more than this process did."""
    if free := _FREE.search(line):
        return float(free[1]) < float(free[2]) / 2
    capacity, own = _CAPACITY.search(line), _OWN.search(line)
    others = sum(_bytes(*found) for found in _OTHERS.findall(line))
    if capacity is None or own is None:
        return False
    return others > _bytes(*capacity.groups()) / 2 and others > _bytes(*own.groups())


def _bytes(number: str, unit: str) -> float:
    try:
        return float(number) * _UNITS.get(unit[0], _UNITS.get(unit, 1.0))
    except ValueError:
        return 0.0
