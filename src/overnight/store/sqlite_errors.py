"""SQLite's errors in the domain's words, and which of them end the trust in a database."""

from __future__ import annotations

import apsw

from overnight.domain.errors import Conflict, OvernightError, Refused, StoreRefused, StoreUnavailable

LOST_TRUST = (apsw.IOError, apsw.CorruptError)
"""Errors after which nothing may be acknowledged any more: what a failed sync left on disk is unknown (R17)."""


def is_fatal(error: Exception) -> bool:
    """Whether an error concerns the whole transaction, not just the request that met it."""
    return isinstance(error, (*LOST_TRUST, apsw.FullError))


def broken(reason: str) -> StoreUnavailable:
    """The answer to everything after a failed sync."""
    return StoreUnavailable(reason, next_step="Restart the server; it recovers from the log.")


def translated(error: Exception) -> Exception:
    """The domain's error for one of SQLite's, the cause kept; any other error as it is."""
    if not isinstance(error, (apsw.Error, UnicodeError, OverflowError)):
        return error
    found = _explained(error)
    found.__cause__ = error
    return found


def _explained(error: Exception) -> OvernightError:
    if isinstance(error, apsw.ConstraintError):
        return Conflict(f"the database forbids it: {error}", next_step="Look at the present state, then decide anew.")
    if isinstance(error, (apsw.TooBigError, apsw.MismatchError, UnicodeEncodeError, OverflowError)):
        return Refused(f"the database cannot keep this value: {error}", next_step="Send a smaller or plainer value.")
    if isinstance(error, apsw.FullError):
        return StoreUnavailable(
            "the disk of the database is full", next_step="Free space; nothing was changed, try again."
        )
    if isinstance(error, apsw.BusyError):
        return StoreUnavailable(
            "another process holds the database", next_step="Try again; end the other process if it stays."
        )
    return StoreUnavailable(
        f"the database refused: {error}", next_step="Look at the server's log; nothing was changed."
    )


def refusal(path: str, error: Exception) -> StoreRefused:
    """Why a database cannot be opened, for people."""
    if isinstance(error, apsw.NotADBError):
        return StoreRefused(f"{path} is not an SQLite database", next_step="Move the file away.")
    if isinstance(error, apsw.BusyError):
        return StoreRefused(f"another process holds {path}", next_step="End that process, then start again.")
    if isinstance(error, apsw.FullError):
        return StoreRefused(f"the disk of {path} is full", next_step="Free space, then start again.")
    if isinstance(error, (apsw.CantOpenError, apsw.ReadOnlyError, OSError)):
        return StoreRefused(
            f"{path} cannot be opened for writing: {error}",
            next_step="Check owner, mode and mount of it and its folder.",
        )
    if isinstance(error, apsw.IOError):
        return StoreRefused(
            f"{path} cannot be read or written: {error}",
            next_step="Look at the disk (has it room, is it well?) before you think of a backup.",
        )
    return StoreRefused(f"{path} is damaged: {error}", next_step="Restore a backup.")
