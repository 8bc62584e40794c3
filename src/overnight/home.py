"""A home: who serves it, and its first token. Light, since every command asks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from overnight.clock import pause
from overnight.config import Configuration
from overnight.domain.errors import Conflict, StoreRefused
from overnight.ids import new_home_id, new_token

TRIES, TRY_SECONDS = 10, 0.02
"""How often the lock is tried while nobody says that it is theirs: whoever looks at it holds it for an instant."""


class HomeLock:
    """The right to be the one server of a home; held by an open file, so that it ends with the process however that
    dies."""

    def __init__(self, configuration: Configuration) -> None:
        """Take the lock; Conflict names the pid and address of the server that has it."""
        self.url = ""
        """Where the server answers, as announced."""
        home = configuration.home
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(configuration.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreRefused(f"{home} cannot be used: {error}", next_step="Check its owner and mode.") from error
        for _ in range(TRIES):
            if _locked(self._descriptor):
                self._announce_first(configuration)
                return
            holder = holder_of(configuration)
            if holder is not None:
                break
            pause(TRY_SECONDS)
        os.close(self._descriptor)
        raise Conflict(
            f"a server of {home} is running already (pid {holder[0] if holder else 'unknown'})",
            next_step="Use that one, or end it first.",
        )

    def _announce_first(self, configuration: Configuration) -> None:
        try:
            self.announce("")
        except OSError as error:
            os.close(self._descriptor)
            raise _unwritable(str(configuration.lock_file), error) from error

    def announce(self, url: str) -> None:
        """Write who holds the lock and where it answers."""
        self.url = url
        text = f"{os.getpid()} {url}\n".encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def release(self) -> None:
        """Give the lock back."""
        with suppress(OSError):  # the text is for people; the lock ends with the descriptor
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def _unwritable(path: str, error: OSError) -> StoreRefused:
    return StoreRefused(
        f"{path} cannot be written: {error.strerror}", next_step="Look at the disk: has it room, is it well?"
    )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holder_of(configuration: Configuration) -> tuple[int, str] | None:
    """(pid, URL or "") of the live server of a home; None when there is none."""
    try:
        descriptor = os.open(configuration.lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.pread(descriptor, 4096, 0).decode("utf-8", errors="replace")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, _, url = text.strip().partition(" ")
            return (int(pid), url) if pid.isdigit() else None
        return None
    finally:
        os.close(descriptor)


def token_of(configuration: Configuration) -> str:
    """The first admin token of a home, made once, readable by its owner only."""
    return _secret_in(configuration.token_file)


def attempt_key_of(configuration: Configuration) -> bytes:
    """What proves the tokens of a home's attempts; made once, like the first token."""
    return _secret_in(configuration.attempt_key_file).encode()


def id_of(configuration: Configuration) -> str:
    """What tells this home's files on other machines from those of other homes: 12 hex digits, made once."""
    return _secret_in(configuration.home / "id", new_home_id)


def _secret_in(path: Path, make: Callable[[], str] = new_token) -> str:
    """What a file holds that only its owner may read, made if there is none; StoreRefused when others can read it."""
    with suppress(FileNotFoundError):
        if path.stat().st_mode & 0o077:
            raise StoreRefused(f"{path} is readable by others", next_step=f"Run: chmod 600 {path}")
        text = path.read_text(encoding="ascii").strip()
        if text:
            return text
    token = make()
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    return token
