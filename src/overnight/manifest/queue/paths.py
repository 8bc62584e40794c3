"""Folders that a manifest names: taken as they are, from the file's folder here and from the home folder on a host."""

from __future__ import annotations

import posixpath

from overnight.manifest.document import Node
from overnight.manifest.fields import text_of
from overnight.manifest.findings import Findings, quoted

HOME = "~"
"""The home folder on another host; kept, since only that host knows it."""


def path_of(node: Node, place: str, expected: str, remote: bool, findings: Findings) -> str | None:
    """A path in which nothing is replaced; `~` may begin one on another host only."""
    path = text_of(node, place, expected, findings)
    if path is not None and "${" in path:
        findings.add(place, node.line, f"{quoted(path)} is taken as it is, without ${{...}}: write the path out")
        return None
    if path is not None and path.startswith(HOME) and not remote:
        findings.add(
            place, node.line, f"{quoted(path)} begins with ~, which is known on an `ssh` host only: write it out"
        )
        return None
    return path


def folder(path: str | None, directory: str, remote: bool) -> str:
    """The working folder for a `cwd`, or for None when there is none: absolute, or beginning with `~` on a host."""
    if not remote:
        return posixpath.normpath(posixpath.join(directory, path or "."))
    return posixpath.normpath(posixpath.join(HOME, path)) if path and not path.startswith(HOME) else path or HOME
