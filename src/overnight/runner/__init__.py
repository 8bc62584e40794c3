"""What stands beside the user's command on any host: standard library only, Linux only.

`python -m overnight.runner STATE_DIR` is one detached supervisor per home. It starts attempts through long-lived
executors, keeps a journal, answers on a Unix socket, and adopts what an earlier runner left behind.
The protocol, the files and the promises are described in `docs/notes/runner.md`.
"""

from __future__ import annotations

PROTOCOL_VERSION = 1
"""Version of the socket protocol and of the exit record; a server refuses a runner with another one."""
