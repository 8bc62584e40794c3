"""The process of a channel, whatever it prints."""

from __future__ import annotations

import sys
import threading

from overnight.targets.ssh.child import KEPT, Child

FLOOD = "import os\nwhile True: os.write(2, b'x' * 65536)"


def test_words_without_end_are_not_read_without_end() -> None:
    child = Child([sys.executable, "-I", "-c", FLOOD])
    reader = threading.Thread(target=lambda: (child.drain(), child.end()), daemon=True)
    reader.start()
    reader.join(20.0)
    assert not reader.is_alive()
    assert 0 <= len(child.said) <= KEPT
