"""What this machine has: GPUs by UUID, and CPU slots.

The driver is only ever called in a child process (`probe`), because a call into a broken driver may never return. The
server's side (`gpus`) bounds every wait; everything else here is values in, values out.
"""

from __future__ import annotations
