"""Whether it is worth starting a probe at all, without loading anything."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

LIBRARY = "libnvidia-ml.so.1"
"""The name by which the library is loaded."""

CACHE = Path("/etc/ld.so.cache")
"""The loader's own list of libraries."""

FOLDERS = (Path("/lib"), Path("/usr/lib"), Path("/lib64"), Path("/usr/lib64"))
"""Where the loader looks beside its list."""


def driver_tools(env: Mapping[str, str], *, cache: Path = CACHE, folders: Sequence[Path] = FOLDERS) -> bool:
    """Whether a process with this environment could load NVML or run nvidia-smi. Reads a few folders: microseconds."""
    return program_there(env) or library_there(env, cache=cache, folders=folders)


def program_there(env: Mapping[str, str]) -> bool:
    """Whether nvidia-smi is on the environment's PATH."""
    return shutil.which("nvidia-smi", path=env.get("PATH", os.defpath)) is not None


def library_there(env: Mapping[str, str], *, cache: Path, folders: Sequence[Path]) -> bool:
    """Whether the loader would find the library: in LD_LIBRARY_PATH, in its list, in its folders."""
    named = [Path(folder) for folder in env.get("LD_LIBRARY_PATH", "").split(":") if folder]
    if any((folder / LIBRARY).exists() for folder in (*named, *folders)):
        return True
    try:
        return LIBRARY.encode() in cache.read_bytes()
    except OSError:
        return False  # a machine without a list: its folders were all there is
