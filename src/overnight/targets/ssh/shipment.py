"""The file that is brought to other machines: one archive with everything that runs there, named by its content.

It is built of the modules that are installed here. Equal modules give equal bytes: nothing is compressed (other
libraries compress otherwise), and every time in it is the same.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
"""Folder of `overnight`."""
SHIPPED = (
    "__init__.py",
    "domain/__init__.py",
    "domain/clue_rules.py",
    "domain/clues.py",
    "domain/endings.py",
    "domain/errors.py",
    "domain/metrics.py",
    "domain/reasons.py",
    "domain/signatures.py",
    "domain/words.py",
    "host/*.py",
    "runner/*.py",
    "targets/__init__.py",
    "targets/artifacts.py",
    "targets/base.py",
    "targets/devices/__init__.py",
    "targets/devices/known.py",
    "targets/devices/offers.py",
    "targets/devices/owners.py",
    "targets/devices/reading.py",
    "targets/devices/smi.py",
    "targets/doing.py",
    "targets/files.py",
    "targets/progress.py",
    "targets/put.py",
)
"""Files of the package that travel; all of them run on Python 3.9 with nothing but the standard library."""
MAIN = b"import sys\n\nfrom overnight.host.__main__ import main\n\nsys.exit(main(sys.argv[1:]))\n"
"""What is executed of the archive."""
_TIME = (1980, 1, 1, 0, 0, 0)
"""The first that such archives know."""


@dataclass(frozen=True)
class Shipment:
    """The archive as it travels."""

    data: bytes
    hash: str
    """SHA-256 of `data`, in hex."""

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.data)


@cache
def shipment(package: Path = PACKAGE) -> Shipment:
    """The archive of the modules below `package`; built once per process. Raises OSError."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry("__main__.py"), MAIN)
        for path in modules(package):
            archive.writestr(_entry(f"overnight/{path.relative_to(package).as_posix()}"), path.read_bytes())
    data = memory.getvalue()
    return Shipment(data, hashlib.sha256(data).hexdigest())


def modules(package: Path = PACKAGE) -> Iterator[Path]:
    """The files that travel, in order."""
    for pattern in SHIPPED:
        yield from sorted(package.glob(pattern))


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry
