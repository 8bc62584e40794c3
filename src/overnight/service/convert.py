"""The operation that writes any campaign file as a native one."""

from __future__ import annotations

from overnight.manifest import load
from overnight.manifest.write import native_text
from overnight.service.context import Context
from overnight.service.requests import CampaignFile
from overnight.service.views import View


def convert(context: Context, request: CampaignFile) -> View:  # noqa: ARG001
    """The same campaign as the text of a native file; nothing changes. InvalidFile, or Refused where none can be."""
    return {"file": native_text(load(request.file, request.path, request.directory))}
