"""Plans as native campaign files, whatever dialect they came from."""

from overnight.manifest.write.native import native_text

__all__ = ["native_text"]
