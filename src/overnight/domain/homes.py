"""Paths that begin with `~`: the home folder of a user, which only the machine that is meant knows."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from dataclasses import replace

from overnight.domain.plan import EnvironmentPlan


def is_home(path: str) -> bool:
    """Whether a path starts from the home folder of whoever runs."""
    return path == "~" or path.startswith("~/")


def below_home(path: str, home: Callable[[], str]) -> str:
    """The path with the home folder in the place of `~`; `home` is asked only where that is needed."""
    return posixpath.join(home(), path[2:]).rstrip("/") or "/" if is_home(path) else path


def environment_below_home(plan: EnvironmentPlan, home: Callable[[], str]) -> EnvironmentPlan:
    """The same for the paths of an environment."""
    given = {name: getattr(plan, name) for name in ("venv", "conda", "conda_hook", "uv")}
    return replace(plan, **{name: below_home(it, home) for name, it in given.items() if it is not None})
