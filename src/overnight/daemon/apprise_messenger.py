"""People are told by Apprise: chats, mail, pushes, whatever its addresses name."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence

from apprise import Apprise, AppriseAsset, NotifyFormat

from overnight.domain.errors import Refused
from overnight.targets.secrets import read_secret

REFERENCES = ("env:", "file:")
"""Beginnings of what only names an address."""


class AppriseMessenger:
    """One Apprise object per address, so that each is told and tried again by itself.

    Apprise bounds a connection and an answer to 4 s each; `cto` and `rto` in an address change that.
    """

    def __init__(self, urls: Sequence[str], home: str, environment: Mapping[str, str] | None = None) -> None:
        """Read the references and check every address; Refused names its place in the list, never the address."""
        _silence()
        known = os.environ if environment is None else environment
        self._addresses = [_address(place, _resolved(place, url, home, known)) for place, url in enumerate(urls)]

    @property
    def places(self) -> Sequence[str]:
        """See `Messenger.places`: what each kind of service is called."""
        return [str(next(iter(it)).service_name) for it in self._addresses]

    def send(self, place: int, title: str, body: str) -> str | None:
        """See `Messenger.send`."""
        try:
            taken = self._addresses[place].notify(body, title, body_format=NotifyFormat.TEXT, interpret_escapes=False)
        except Exception as error:  # whatever a plug-in raises: its text may hold the address
            return f"the service could not be asked ({type(error).__name__})"
        return None if taken else "the service did not take it"


def _silence() -> None:
    """Apprise writes addresses into its log; nobody is to read them there."""
    logger = logging.getLogger("apprise")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False


def _resolved(place: int, url: str, home: str, environment: Mapping[str, str]) -> str:
    if not url.startswith(REFERENCES) or url.startswith("file://"):
        return url
    try:
        return read_secret(f"notify.urls[{place}]", url, home, environment).strip()
    except Refused as error:
        raise Refused(str(error), place=error.place, next_step="Provide it, or take it out of config.toml.") from None


def _address(place: int, url: str) -> Apprise:
    # in memory: Apprise keeps tokens of some services on disk otherwise
    address = Apprise(asset=AppriseAsset(storage_mode="memory", async_mode=False))
    if not address.add(url):
        raise Refused(
            f"notify.urls[{place}] is no address that Apprise knows",
            place=f"notify.urls[{place}]",
            next_step="Correct it in config.toml; Apprise's documentation lists the forms of its addresses.",
        )
    return address
