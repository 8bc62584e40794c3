"""What the last lines of a failed program's log say: the exception that ended it, a wrong call, what came after.

Python prints the exception that ended a program last, but not alone: clean-up raises more of them, launchers report
that a child failed, loggers print tracebacks of what was handled. `ending_of` finds the one that decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from overnight.domain.clue_rules import reason_of
from overnight.domain.reasons import Reason
from overnight.domain.signatures import unprefixed

_ALWAYS = re.compile(
    r"SyntaxError|IndentationError|TabError|NameError|UnboundLocalError|AttributeError|TypeError|KeyError"
    r"|NotImplementedError|ConfigAttributeError|ConfigKeyError|MissingMandatoryValue"
)
"""Exceptions by which the same program fails every time."""
_IMPORTS = re.compile(r"ModuleNotFoundError|ImportError|PackageNotFoundError")
_OWN = re.compile(
    r"ValueError|AssertionError|IndexError|FileNotFoundError|ZeroDivisionError|IsADirectoryError"
    r"|NotADirectoryError|FileExistsError|PermissionError|RecursionError|UnicodeDecodeError|JSONDecodeError"
    r"|OverflowError|LookupError"
)
"""Exceptions of the program itself that explain its end, though not every time: earlier trouble was got over."""
_MESSENGERS = re.compile(
    r"ChildFailedError|CalledProcessError|RayTaskError|SystemExit|KeyboardInterrupt|BrokenPipeError"
    r"|EOFError|SignalException|BrokenProcessPool|ProcessRaisedException|ProcessExitedException"
    r"|RemoteTraceback|_RemoteTraceback|ActorDiedError|WorkerCrashedError|CancelledError"
)
"""Exceptions that only report that something else failed."""
_REPORTS = re.compile(r"[Ss]ee root cause above|exited unexpectedly|[Ee]ngine core initialization failed")
_NETWORK = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|ConnectionResetError|ConnectionAbortedError"
    r"|ConnectTimeoutError|ReadTimeoutError|NewConnectionError|MaxRetryError|ProxyError|RemoteDisconnected"
    r"|ChunkedEncodingError|IncompleteRead|ProtocolError|ClientConnectorError|ServerDisconnectedError"
    r"|APIConnectionError|APITimeoutError|RateLimitError|ServiceUnavailable|gaierror|CommError|timeout"
)
_HICCUP = re.compile(
    r"[Cc]onnection (?:was )?(?:reset|aborted|timed out)|[Rr]ead timed out|[Oo]peration timed out|[Gg]ateway Time-?out"
    r"|Temporary failure in name resolution|[Nn]ame or service not known|Max retries exceeded with url"
    r"|\b(?:429|50[0234])\b.{0,40}(?:Error|Gateway|Service|Too Many)|Service (?:Temporarily )?Unavailable"
    r"|[Tt]oo [Mm]any [Rr]equests|[Cc]ould not resolve host|couldn't connect to 'https?:|Network is unreachable"
    r"|Remote end closed connection|TLS connection was non-properly terminated|early EOF|has timed out after \d"
)
_REFUSED = re.compile(r"\b40[0134]\b|permission|unauthorized|forbidden", re.IGNORECASE)
"""A service that was there and said no."""
_PEERS = re.compile(r"gloo|nccl|tcpstore|rendezvous|processgroup|socketstartconnect|\brank\b", re.IGNORECASE)
"""Talk between the processes of one training: when it breaks, a process has died, not a service."""
_NOT_FINITE = re.compile(
    r"[Ll]oss (?:is|was|became|went to|turned|diverged to) (?:\w+ )?(?:-?inf|nan)\b|\bnan loss|non-?finite loss"
    r"|returned nan values|Minimum loss scale reached|loss scale already at minimum"
    r"|contains either `?inf`?, `?nan`?|found invalid values:.*\bnan"
    r"|(?:input|output|gradient|loss|weight)s? contains? (?:nan|infinity|inf)\b|training (?:has )?diverged",
    re.IGNORECASE,
)
_LOSS = re.compile(
    r"\bloss\b[\"']?\s{0,3}[:=]?\s{0,3}(?:tensor\()?([-+]?(?:nan|inf(?:inity)?|\d[\d.e+-]*))(?![a-z])", re.IGNORECASE
)
_EXCEPTION = re.compile(
    r"(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*(?:Error|Exception|Interrupt|Exit|Timeout))(?:\(\w+\))?(?::(?:\s|$)|$)"
)
_ANY_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)(?:\(\w+\))?(?::\s|:?$)")
"""Any name on a line of its own, or before a colon: an exception where a traceback is open."""
_OPEN = "Traceback (most recent call last)"
_CHAINED = re.compile(r"During handling of the above exception|direct cause of the following exception")
_ASIDE = re.compile(r"Exception ignored in|Error in atexit|--- Logging error ---|Exception in thread")
"""What stands before tracebacks that ended nothing."""
_WRONG_CALL = re.compile(
    r"^\S+: error: (?:the following arguments|unrecognized|argument |invalid|ambiguous|expected|too few|one of)"
    r"|^(?:[│|] )?(?:Error: )?(?:No such (?:option|command)|Missing (?:option|argument|parameter)|Invalid value for"
    r"|Got unexpected)"
    r"|can't open file '.*No such file|: [Ss]yntax error\b"
)
_NOT_FOUND = re.compile(r": (?:command )?not found$|: No such file or directory$")
_NO_LIBRARY = re.compile(r"error while loading shared libraries: ")
_LAST_LINES = 40
"""How many of the last lines may tell of a service that was not there, or of a training that diverged."""


@dataclass(frozen=True)
class Ending:
    """What ended a program, as far as the end of its log says."""

    reason: Reason | None
    line: str
    """The line that says so."""
    after: int
    """Number of the line after which earlier lines of the log explain nothing any more; -1 = all may."""
    signature: str
    """The line to make the signature of; "" when there is none."""


@dataclass
class _Raised:
    """An exception that was printed: type, line and its number; `aside` = it ended nothing."""

    name: str
    line: str
    place: int
    chained: bool
    aside: bool

    @property
    def tells(self) -> bool:
        return not self.aside and not _MESSENGERS.fullmatch(self.name) and not _REPORTS.search(self.line)


def ending_of(lines: Sequence[str], code: int | None) -> Ending:
    """Judge the plain last lines of a log by an exit code (None = ended by a signal)."""
    raised = _raised(lines)
    last = next((place for place in reversed(range(len(raised))) if raised[place].tells), None)
    if last is None:
        return _without_exception(lines, code)
    chain = _chain(raised, last)
    final = chain[-1]
    for it in reversed(chain):
        if reason := reason_of(it.line):
            return Ending(reason, it.line, chain[0].place, final.line)
    reason, decides = _of_exception(final, chain)
    if reason is None:
        reason, line = _weak(lines)
        return Ending(reason, line or final.line, -1, final.line)
    return Ending(
        reason if reason is not Reason.NONZERO_EXIT else None, final.line, chain[0].place if decides else -1, final.line
    )


def _raised(lines: Sequence[str]) -> list[_Raised]:
    found: list[_Raised] = []
    is_open = chained = aside = False
    for place, whole in enumerate(lines):
        line = unprefixed(whole)
        if _CHAINED.search(line):
            chained = True
        elif _ASIDE.search(line):
            aside = True
        elif _OPEN in line:
            is_open = True
        elif line and not line[0].isspace():
            match = (_ANY_EXCEPTION if is_open else _EXCEPTION).match(line)
            if match:
                found.append(_Raised(match[1], line.strip(), place, chained, aside))
                is_open = chained = aside = False
    return found


def _chain(raised: Sequence[_Raised], last: int) -> list[_Raised]:
    """The exceptions of which the one at `last` is the end, oldest first."""
    first = last
    while first > 0 and raised[first].chained:
        first -= 1
    return list(raised[first : last + 1])


def _of_exception(final: _Raised, chain: Sequence[_Raised]) -> tuple[Reason | None, bool]:
    """(reason, whether it decides against earlier lines); NONZERO_EXIT = it is explained, but by nothing special."""
    if _NOT_FINITE.search(final.line):
        return Reason.DIVERGED, True
    if _IMPORTS.fullmatch(final.name):
        return Reason.MISSING_DEPENDENCY, True
    if _ALWAYS.fullmatch(final.name):
        return Reason.CODE_ERROR, True
    if any(_is_hiccup(it) for it in chain):
        return Reason.TRANSIENT, False
    return (Reason.NONZERO_EXIT, True) if _OWN.fullmatch(final.name) else (None, False)


def _is_hiccup(raised: _Raised) -> bool:
    if _PEERS.search(raised.line) or _REFUSED.search(raised.line):
        return False
    return _NETWORK.fullmatch(raised.name) is not None or _HICCUP.search(raised.line) is not None


def _without_exception(lines: Sequence[str], code: int | None) -> Ending:
    last = next((line for line in reversed(lines) if line.strip()), "").strip()
    for line in reversed(lines[-_LAST_LINES:]):
        bare = unprefixed(line).strip()
        if code == 2 and _WRONG_CALL.search(bare):
            return Ending(Reason.CODE_ERROR, bare, -1, bare)
        if (code == 127 and _NOT_FOUND.search(bare)) or _NO_LIBRARY.search(bare):
            return Ending(Reason.MISSING_DEPENDENCY, bare, -1, bare)
        if _EXCEPTION.match(bare) is None and reason_of(bare):
            return Ending(None, bare, -1, bare)
    reason, line = _weak(lines)
    return Ending(reason, line or last, -1, line or last)


def _weak(lines: Sequence[str]) -> tuple[Reason | None, str]:
    """What the last lines hint at, if nothing else explains the end."""
    near = [unprefixed(line).strip() for line in lines[-_LAST_LINES:]]
    for line in reversed(near):
        if _NOT_FINITE.search(line):
            return Reason.DIVERGED, line
        if _HICCUP.search(line) and not _PEERS.search(line):
            return Reason.TRANSIENT, line
    reported = [(found[1], line) for line in near if (found := _LOSS.search(line))]
    if reported and not reported[-1][0][-1].isdigit() and not reported[-1][0].endswith("."):
        return Reason.DIVERGED, reported[-1][1]
    return None, ""
