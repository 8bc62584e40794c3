"""A machine that is reached over SSH, as a target."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from overnight.clock import Clock
from overnight.domain.errors import Rejected, Unavailable
from overnight.domain.remote import FOLDER, SshSettings
from overnight.ids import new_question_id
from overnight.targets.base import Offer
from overnight.targets.keeper import Patience
from overnight.targets.remote_files import RemoteFiles
from overnight.targets.runner_target import RunnerTarget
from overnight.targets.ssh.handshake import NoSense
from overnight.targets.ssh.shipment import shipment
from overnight.targets.ssh.way import SshWay
from overnight.targets.status import Unreached, Why

PATIENCE = Patience(silence=15.0, first=1.0, longest=30.0, share=0.1)
"""Quick enough that a host which comes back is there again within ten seconds, as TCP alone is not: after a cut of 13 s
it would next try at 25 s. A host that is away for long is tried less often."""
LONGEST_PATH = 4096
"""Bytes of a path, for the kernel."""


class SshTarget(RunnerTarget):
    """Carries attempts out on a host through one SSH channel, and looks into their files by the same."""

    def __init__(
        self,
        name: str,
        settings: SshSettings,
        *,
        home: str,
        clock: Clock,
        session: Callable[[int], int],
        rng: random.Random,
        claim: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """`home`: id of our home (hex), which keeps its runner and files there apart from those of others. `claim`
        takes the place that was found there, or names the target that has it, see `Claims`."""
        self.settings = settings
        self._claim = claim
        self._way = SshWay(name, settings, home, shipment, clock, lambda: new_question_id(rng), self._greeted)
        self._greeting: Mapping[str, Any] = {}
        super().__init__(
            name,
            self._way,
            clock=clock,
            session=session,
            patience=PATIENCE,
            offers=self._look,
            luck=rng.random,
        )
        self.files = RemoteFiles(self.ask)
        """The files of attempts there, by the same channel."""

    def retry_now(self) -> None:
        """See `RunnerTarget.retry_now`; the user's SSH configuration is read anew, too."""
        self._way.forget()
        super().retry_now()

    def _greeted(self, said: str) -> None:
        """Keep what the host says of itself. Raises NoSense, and Unreached where another target has that place."""
        try:
            greeting = json.loads(said)
            known = all(_is_path(greeting.get(name)) for name in ("folder", "user_home"))
        except (ValueError, AttributeError) as error:
            raise NoSense("its greeting is no JSON object") from error
        if not known:
            raise NoSense("it does not say where our folder is")
        other = self._claim(f"{greeting.get('boot_id')} {greeting.get('folder_id')} {greeting['folder']}")
        if other is not None:
            raise Unreached(self._is_another(other))
        self._greeting = greeting

    def _is_another(self, other: str) -> Why:
        sentence = f"{self.name} is not used: it is the same machine and folder as target '{other}'"
        step = f"Name {other!r} in campaigns, or keep them apart: another `folder` in [targets.{self.name}]"
        return Why("same_machine", sentence, step)

    def folder(self) -> str:
        """Where everything of our home lies there. Raises Unavailable before the host was first reached."""
        return self._said("folder")

    def user_home(self) -> str:
        """The home folder of the user there. Raises Unavailable before the host was first reached."""
        return self._said("user_home")

    def _said(self, name: str) -> str:
        if not self._greeting:
            raise Unavailable(f"{self.name} was not reached yet")
        return str(self._greeting[name])

    def session(self, *words: str) -> list[str]:
        """The command for one more session to the same host, for bulk: through an open master connection where the user
        has one, else a login of its own. `words` is what runs there.

        Raises Rejected for words that a shell there could change, and Unavailable.
        """
        for word in words:
            if not FOLDER.fullmatch(f"/{word}"):
                raise Rejected(f"{word!r} is no plain word, as a login shell on {self.name} needs it")
        return [*self._way.session(), "--", self.settings.host, *words]

    def remote_shell(self) -> list[str]:
        """`ssh` with its options but without the host, as rsync's `-e` wants it (joined by `shlex.join`).

        Raises Unavailable.
        """
        return self._way.session()

    def _look(self) -> list[Offer]:
        """The devices there, read by the host itself. Raises Unavailable."""
        return self.files.offers(self.name, self.settings.slots, self.settings.gpu_free_threshold_mib)


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/") and "\0" not in value and len(value) < LONGEST_PATH
