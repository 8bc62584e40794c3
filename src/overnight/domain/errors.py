"""The tree of errors; the sentence of each is its message.

OvernightError
├── Refused                what was asked is wrong: nothing changed (exit 2, HTTP 4xx)
│   ├── InvalidFile        a campaign file; lists every problem with its place
│   ├── InvalidRequest     a field of a request
│   ├── BadRequest         what a dialect answers with 400: the request makes no sense as things are
│   ├── NotFound           no such thing
│   ├── Ambiguous          a prefix that fits several things
│   ├── Conflict           the state of the thing does not allow it
│   ├── KeyReused          an idempotency key came with a different request before
│   ├── InFlight           the first request with this idempotency key is not answered yet
│   ├── LimitExceeded      more than this token may ask for at once
│   └── Denied             the actor may not do this
├── PreflightFailed        the work could not start as things are: nothing was submitted (exit 1, HTTP 422)
├── StoreRefused           the database cannot be used safely: the server does not start
├── StoreUnavailable       the database cannot be written now; try again later
├── Unreachable            no server answers at an address
└── TargetError
    ├── Unavailable        nothing started; try later
    ├── Rejected           nothing started and never will
    └── Uncertain          unknown whether it started: look for its tag before trying again
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Action(NamedTuple):
    """Something that may be asked next."""

    operation: str
    method: str
    path: str


class OvernightError(Exception):
    """Base of everything that Overnight raises on purpose."""

    code = "error"
    actions: Sequence[Action] = ()
    """What may be asked next, as far as that is known."""

    def __init__(self, message: str, *, place: str | None = None, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.next_step = next_step


class Refused(OvernightError):
    """What was asked is wrong; nothing changed."""

    code = "refused"


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: where (`sweeps.teachers.grid`), on which line (from 1), what, and what to do."""

    place: str
    message: str
    line: int | None = None


class InvalidFile(Refused):
    """A campaign file was refused; `problems` lists everything that is wrong with it, in file order."""

    code = "invalid_file"

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(
            f"{path}: {count} problem{'s' if count != 1 else ''}",
            place=path,
            next_step=f"Correct the file and check it with: overnight plan {path}",
        )
        self.path = path
        self.problems = tuple(problems)


class PreflightFailed(OvernightError):
    """Something that all runs of a sweep need is not there; `problems` lists everything that was found."""

    code = "preflight_failed"

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        super().__init__(
            f"{path}: nothing was submitted, for {'; '.join(problem.message for problem in problems[:1])}"
            + (f", and {len(problems) - 1} more" if len(problems) > 1 else ""),
            place=path,
            next_step=f"See what each run needs with: overnight plan {path}",
        )
        self.path = path
        self.problems = tuple(problems)


class InvalidRequest(Refused):
    """A field of a request is wrong; `place` names it. `details`: all that are wrong, each `type, loc, msg, input`."""

    code = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        place: str | None = None,
        next_step: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message, place=place, next_step=next_step)
        self.details = tuple(details)


class BadRequest(Refused):
    """What the Wild V2 protocol answers with 400."""

    code = "bad_request"


class KeyReused(Refused):
    """An idempotency key came with a different request before."""

    code = "key_reused"


class InFlight(Refused):
    """The first request with this idempotency key is still being carried out: ask again soon."""

    code = "in_flight"


class LimitExceeded(Refused):
    """More than this token may ask for: too many requests or streams at once, too large a grid, a budget used up.

    `retry_after`: seconds after which it may be asked again; None = waiting does not help.
    """

    code = "limit_exceeded"

    def __init__(
        self, message: str, *, place: str | None = None, next_step: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, place=place, next_step=next_step)
        self.retry_after = retry_after


class NotFound(Refused):
    """No such thing."""

    code = "not_found"


class Ambiguous(Refused):
    """A prefix fits several things."""

    code = "ambiguous"


class Conflict(Refused):
    """The state of the thing does not allow it."""

    code = "conflict"


class Denied(Refused):
    """The actor may not do this."""

    code = "denied"


class StoreRefused(OvernightError):
    """The database cannot be used safely."""

    code = "store_refused"


class StoreUnavailable(OvernightError):
    """The database cannot be written now."""

    code = "store_unavailable"


class Unreachable(OvernightError):
    """No server answers at an address, or it stopped answering."""

    code = "unreachable"


class TargetError(OvernightError):
    """A target did not do what it was asked."""

    code = "target_error"


class Unavailable(TargetError):
    """Nothing started; try later."""

    code = "unavailable"


class Rejected(TargetError):
    """Nothing started and never will."""

    code = "rejected"


class Uncertain(TargetError):
    """Unknown whether it started; look for its tag before trying again."""

    code = "uncertain"
