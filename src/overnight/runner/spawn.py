"""Bringing the job to life: its folder, log, environment, command and process."""

from __future__ import annotations

import errno
import os
import signal
import stat
from collections.abc import Mapping

from . import kernel, log
from .launch import Launch
from .processes import ATTEMPT_VARIABLE, RUNNER_VARIABLE

OWN_PREFIX = "OVERNIGHT_"
"""Variables of ours never leak from the runner's environment into a job."""
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Where commands are looked for when the job has no PATH."""
_DEFAULTED = [
    number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP) and number < 32
]


class StartFailed(Exception):
    """The job could not be started; the message is one sentence that names the thing."""


class AlreadyStarted(Exception):
    """The attempt's folder is there: this attempt was started before."""


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what every job inherits from the runner's own environment."""
    return {name: value for name, value in environ.items() if not name.startswith(OWN_PREFIX)}


def environment(base: Mapping[str, str], launch: Launch, state_dir: str) -> dict[str, str]:
    """Return the job's environment: base, then the launch's own (None removes), then who it is."""
    result = dict(base)
    result["PWD"] = launch.cwd
    for name, value in launch.env.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = value
    result["OVERNIGHT_RUN_ID"] = launch.run
    result["OVERNIGHT_RUN_DIR"] = launch.folder
    result["OVERNIGHT_FENCE"] = str(launch.fence)
    result[ATTEMPT_VARIABLE] = launch.attempt
    result[RUNNER_VARIABLE] = state_dir
    return result


def make_folder(folder: str) -> None:
    """Make the attempt's folder, mode 0700. Raises AlreadyStarted when it is there, StartFailed when it cannot be."""
    try:
        try:
            os.mkdir(folder, 0o700)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            os.mkdir(folder, 0o700)
    except FileExistsError as error:
        if os.path.lexists(folder):
            raise AlreadyStarted(folder) from error
        raise StartFailed(f"The attempt's folder {folder} cannot be made: a parent of it is a file.") from error
    except OSError as error:
        raise StartFailed(f"The attempt's folder {folder} cannot be made: {_why(error)}.") from error


def open_log(folder: str) -> int:
    """Return a descriptor of a new log in the folder, opened for appending. Raises StartFailed."""
    path = f"{folder}/{log.FILE}"
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    except OSError as error:
        raise StartFailed(f"The log {path} cannot be made: {_why(error)}.") from error


def enter_directory(path: str) -> None:
    """Make path the caller's working directory, which the job inherits. Raises StartFailed."""
    try:
        os.chdir(path)
    except FileNotFoundError as error:
        raise StartFailed(f"The working directory {path} does not exist.") from error
    except NotADirectoryError as error:
        raise StartFailed(f"The working directory {path} is not a directory.") from error
    except OSError as error:
        raise StartFailed(f"The working directory {path} cannot be entered: {_why(error)}.") from error


def resolve(command: str, search: str) -> str:
    """Return the file to execute: command itself when it names a path, else the first executable on search."""
    if "/" in command:
        return command
    blocked = None
    for folder in search.split(":"):
        path = f"{folder or '.'}/{command}"
        if os.access(path, os.X_OK):
            if not os.path.isdir(path):
                return path
        elif os.path.exists(path):
            blocked = path
    if blocked is not None:
        raise StartFailed(f"The command {blocked} is not executable.")
    raise StartFailed(f"The command {command!r} was not found on PATH ({search}).")


def spawn(path: str, argv: tuple[str, ...], variables: dict[str, str], output: int) -> int:
    """Start a command in a session of its own and return its pid; `output` becomes its descriptors 1 and 2.

    Descriptor 0 must be /dev/null. Raises StartFailed.
    """
    try:
        return _spawn(path, argv, variables, output)
    except ValueError as error:
        raise StartFailed(f"The command {argv[0]!r} cannot be started: {error}.") from error
    except OSError as error:
        raise StartFailed(_explain(path, error)) from error


def _spawn(path: str, argv: tuple[str, ...], variables: dict[str, str], output: int) -> int:
    try:
        return os.posix_spawn(
            path,
            argv,
            variables,
            file_actions=((os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)),
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULTED,
        )
    except NotImplementedError:  # a Python that was built on an old system has no sessions there
        return kernel.fork_and_execute(path, argv, variables, output, _DEFAULTED)


def _explain(path: str, error: OSError) -> str:
    if error.errno == errno.ENOEXEC:
        return f"The command {path} cannot be executed: it is neither a program nor a script with a #! line."
    if error.errno == errno.E2BIG:
        return f"The command {path} cannot be executed: its arguments and environment are too large."
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return f"The command {path} does not exist."
    except OSError as problem:
        return f"The command {path} cannot be reached: {_why(problem)}."
    if stat.S_ISDIR(mode):
        return f"The command {path} is a directory."
    if error.errno == errno.ENOENT:
        return f"The command {path} cannot be executed: the interpreter that it names does not exist."
    if error.errno == errno.EACCES and not os.access(path, os.X_OK):
        return f"The command {path} is not executable."
    return f"The command {path} cannot be executed: {_why(error)}."


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
