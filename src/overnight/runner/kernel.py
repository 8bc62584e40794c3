"""System calls that a Python may not know although its kernel does: those of conda and others are built on old systems.

The numbers are the same on every architecture but alpha.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping, Sequence

PIDFD_SEND_SIGNAL, PIDFD_OPEN = 424, 434
"""Numbers of the system calls; they came with Linux 5.1 and 5.3."""


def pidfd_open(pid: int) -> int:
    """A descriptor that names exactly this process. Raises OSError."""
    if hasattr(os, "pidfd_open"):
        return os.pidfd_open(pid)
    descriptor = _call(PIDFD_OPEN, pid, 0)
    os.set_inheritable(descriptor, False)
    return descriptor


def pidfd_send_signal(descriptor: int, number: int) -> None:
    """Send a signal to the process behind a descriptor. Raises OSError."""
    if hasattr(signal, "pidfd_send_signal"):
        signal.pidfd_send_signal(descriptor, number)
    else:
        _call(PIDFD_SEND_SIGNAL, descriptor, number, None, 0)


def _call(number: int, *arguments: int | None) -> int:
    """A system call. Raises OSError, of the kind that its number means."""
    words = [None if it is None else ctypes.c_long(it) for it in arguments]
    result = int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *words))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def fork_and_execute(
    path: str, argv: tuple[str, ...], variables: Mapping[str, str], output: int, defaulted: Sequence[int]
) -> int:
    """What `posix_spawn` does with a session of its own, where that cannot: the pid of the new process.

    `output` becomes its descriptors 1 and 2, the signals `defaulted` mean to it what they mean to everybody. Raises
    OSError and ValueError.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _execute(path, argv, variables, output, defaulted, writing)
    os.close(writing)
    with open(reading, "rb") as answers:
        problem = answers.read()
    if problem:
        os.waitpid(pid, 0)
        raise _told(problem)
    return pid


def _told(problem: bytes) -> Exception:
    """What the child says: the number of an error of the system, or in words what is wrong with the arguments."""
    if problem.isdigit():
        return OSError(int(problem), os.strerror(int(problem)))
    return ValueError(problem.decode(errors="replace"))


def _execute(
    path: str, argv: tuple[str, ...], variables: Mapping[str, str], output: int, defaulted: Sequence[int], writing: int
) -> None:
    """In the child: become the program, or tell why not. `writing` is closed by the kernel when it has become it."""
    try:
        os.setsid()
        for descriptor in (1, 2):
            os.dup2(output, descriptor)
        for number in defaulted:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve(path, argv, variables)
    except OSError as error:
        os.write(writing, str(error.errno).encode())
    except BaseException as error:
        os.write(writing, str(error).encode(errors="replace"))
    finally:
        os._exit(127)
