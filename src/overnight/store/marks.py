"""What is worth saying of an attempt, and what a person should hear: each once."""

from __future__ import annotations

from overnight.domain.reasons import Mark
from overnight.store.base import Session


def mark(session: Session, attempt_id: str, run_id: str, kind: Mark, detail: str) -> bool:
    """Mark an attempt; False when it has that mark already."""
    if not session.rows("mark_insert", attempt_id=attempt_id, kind=kind, run_id=run_id, detail=detail, now=session.now):
        return False
    session.record("attempt.annotate", attempt_id, mark=kind, detail=detail, run=run_id)
    return True


def alert(session: Session, kind: str, subject: str, *, campaign_id: str | None, title: str, detail: str) -> bool:
    """Have people told, once per kind and subject; False when that was done before. `subject` is the id of what
    happened once: an attempt, a hold, a settled campaign with its time."""
    inserted = session.rows(
        "alert_insert",
        seq=session.value("alert_last_seq") + 1,
        kind=kind,
        subject=subject,
        campaign_id=campaign_id,
        title=title,
        detail=detail,
        now=session.now,
    )
    if not inserted:
        return False
    session.record("alert.raise", subject, alert=kind, title=title)
    return True


def hold(session: Session, subject: str, code: str, detail: str) -> None:
    """Let nothing new start on a target (its name) or of a sweep (its id), for a reason that is shown."""
    known = {row[0]: (row[1], row[2]) for row in session.rows("holds_all")}
    session.rows("hold_put", subject=subject, code=code, detail=detail, now=session.now)
    if known.get(subject, ("", ""))[0] != code:
        session.record("hold.put", subject, code=code, detail=detail)


def release(session: Session, subject: str) -> bool:
    """Take a hold away; False when there was none."""
    dropped = session.rows("hold_drop", subject=subject)
    if dropped:
        session.record("hold.drop", subject, code=dropped[0][0])
    return bool(dropped)


def holds(session: Session) -> dict[str, tuple[str, str]]:
    """subject -> (code, detail) of everything that is held now."""
    return {row[0]: (row[1], row[2]) for row in session.rows("holds_all")}
