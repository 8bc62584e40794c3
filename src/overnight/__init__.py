"""Overnight: a control plane for unattended experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from overnight.surfaces.client_typed import AsyncClient, Client

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "__version__"]


def __getattr__(name: str) -> Any:
    """The clients, loaded when they are first asked for: a command needs neither."""
    if name not in ("Client", "AsyncClient"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from overnight.surfaces import client_typed

    return getattr(client_typed, name)
