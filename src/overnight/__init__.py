"""Overnight: a control plane for unattended experiments."""

__version__ = "0.1.0"
