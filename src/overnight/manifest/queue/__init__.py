"""Manifests of the experiment queue: `jobs`, `grid` with `template`, or `phases`, in YAML or JSON."""

from overnight.manifest.queue.reader import read_queue

__all__ = ["read_queue"]
