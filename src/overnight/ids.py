"""The only place that draws random numbers for names and secrets."""

from __future__ import annotations

import random
import secrets

SHORTEST_PREFIX = 3
"""Characters of an id that a person must type at least."""


def system_random() -> random.Random:
    """A generator seeded by the operating system; tests pass `random.Random(seed)` in its place."""
    return random.SystemRandom()


def new_id(rng: random.Random) -> str:
    """12 lower-case hex digits: the id of a campaign, sweep or run."""
    return f"{rng.getrandbits(48):012x}"


def new_question_id(rng: random.Random) -> str:
    """32 lower-case hex digits: the id of what a job asks, which the Wild V2 protocol calls an alert."""
    return f"{rng.getrandbits(128):032x}"


def new_token() -> str:
    """A secret of 256 bits for the Authorization header."""
    return secrets.token_urlsafe(32)


def new_home_id() -> str:
    """What tells one home from all others on a shared machine: 12 hex digits."""
    return secrets.token_hex(6)


def new_secret() -> str:
    """The secret of an access token: 256 bits behind a word by which scanners of leaks know it."""
    return f"ovn_{new_token()}"


def attempt_id(run_id: str, number: int) -> str:
    """The id of the `number`-th attempt of a run: says both, and is the same however often it is asked for."""
    return f"{run_id}.{number}"


def run_of_attempt(attempt: str) -> str:
    """The run that the id of an attempt names."""
    return attempt.partition(".")[0]
