"""Activating an environment around a command: `/bin/sh -c SCRIPT overnight ARGUMENTS… COMMAND…`. Pure.

The scripts are constants; what users write reaches them as arguments and is never part of their text. They become the
command (`exec`), so that its exit code and signals are the attempt's own. When an environment cannot be activated they
say why on stderr, which is the job's log, write the same text to `environment_failed` in the attempt's folder, and
exit 126. Docker and podman are the exception: see `_CONTAINER`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from overnight.domain.errors import Refused
from overnight.domain.plan import EnvironmentPlan

_FAIL = """\
fail() {
  printf 'overnight: %s\\n' "$1" >&2
  [ -z "$OVERNIGHT_RUN_DIR" ] || printf '%s\\n' "$1" > "$OVERNIGHT_RUN_DIR/environment_failed"
  exit 126
}
"""

_VENV = (
    _FAIL
    + """\
[ -x "$1/bin/python" ] || fail "there is no virtual environment at $1"
VIRTUAL_ENV=$1; PATH=$1/bin:$PATH; export VIRTUAL_ENV PATH; unset PYTHONHOME; shift; exec "$@"
"""
)

_UV = (
    _FAIL
    + """\
overnight_uv=$(command -v uv) || for overnight_uv in "$HOME/.local/bin/uv" "$HOME/.cargo/bin/uv" ""; do
  [ -x "$overnight_uv" ] && break
done
[ -n "$overnight_uv" ] || fail "uv was not found on PATH, in ~/.local/bin or in ~/.cargo/bin"
[ -f "$1/pyproject.toml" ] || fail "there is no uv project at $1 (no pyproject.toml)"
unset VIRTUAL_ENV PYTHONHOME
overnight_frozen=; [ ! -f "$1/uv.lock" ] || overnight_frozen=--frozen
VIRTUAL_ENV=$("$overnight_uv" run --project "$1" $overnight_frozen -- python -c 'import sys; print(sys.prefix)') \\
  || fail "uv could not prepare the environment of $1; its own words are above"
PATH=$VIRTUAL_ENV/bin:$PATH; export VIRTUAL_ENV PATH; shift; exec "$@"
"""
)
"""uv prepares the environment, exactly as its lock says where there is one; then it is activated like any other, so
that no process of uv stands between the job and whoever wants to know how it ended."""

_BASH_OR_SH = 'if command -v bash > /dev/null; then exec bash -c "$@"; fi; exec /bin/sh -c "$@"'
"""What packages run when their environment is activated is often written for bash."""

_CONDA = (
    _FAIL
    + """\
find_conda() {
  for overnight_base in "$HOME/anaconda3" "$HOME/miniconda3" "$HOME/miniforge3" /opt/anaconda3 /opt/miniconda3 \\
/opt/miniforge3 /usr/local/anaconda3 /opt/homebrew/anaconda3; do
    if [ -x "$overnight_base/bin/conda" ]; then printf '%s\\n' "$overnight_base/bin/conda"; return; fi
  done
  command -v conda
}
activate() {
  overnight_environment=$1
  overnight_hook=${2:-${ARIS_CONDA_HOOK:-$(find_conda)}}
  set --
  case $overnight_hook in
    '') fail "conda was not found: neither where it is usually installed nor on PATH" ;;
    eval[[:space:]]*) ;;
    *)
      case $overnight_hook in '~/'*) overnight_hook=$HOME/${overnight_hook#??} ;; esac
      [ -x "$overnight_hook" ] || fail "there is no conda program at $overnight_hook"
      overnight_shell=posix; [ -z "$BASH_VERSION" ] || overnight_shell=bash
      overnight_hook=$("$overnight_hook" "shell.$overnight_shell" hook) || fail "conda could not tell its hook"
      ;;
  esac
  eval "$overnight_hook" || fail "the conda hook failed"
  conda activate "$overnight_environment" && [ -n "$CONDA_PREFIX" ] \\
    || fail "the conda environment $overnight_environment could not be activated"
}
unset CONDA_PREFIX CONDA_SHLVL
activate "$1" "$2"
shift 2; exec "$@"
"""
)

_CONTAINER = (
    _FAIL
    + """\
overnight_image=$1 overnight_gpus=$2 overnight_name=$3 overnight_names=$4 overnight_mounts=$5 overnight_patience=$6
shift 6
for overnight_engine in apptainer singularity podman docker ""; do
  command -v "$overnight_engine" > /dev/null && break
done
[ -n "$overnight_engine" ] || fail "no container engine was found: neither apptainer, singularity, podman nor docker"
set -f; IFS=:
case $overnight_engine in
  podman | docker)
    set -- --entrypoint "" "$overnight_image" "$@"
    for overnight_word in $overnight_names; do set -- --env "$overnight_word" "$@"; done
    for overnight_word in $overnight_mounts; do set -- --volume "$overnight_word:$overnight_word" "$@"; done
    ;;
  *)
    "$overnight_engine" exec "$overnight_image" true > /dev/null || fail "the image $overnight_image cannot be started"
    set -- "$overnight_image" "$@"
    for overnight_word in $overnight_mounts; do set -- --bind "$overnight_word" "$@"; done
    [ -z "$overnight_gpus" ] || set -- --nv "$@"
    exec "$overnight_engine" exec --pwd "$PWD" "$@"
    ;;
esac
if [ "$overnight_engine" = docker ]; then
  [ -z "$overnight_gpus" ] || set -- --gpus all "$@"
  set -- --init --user "$(id -u):$(id -g)" "$@"
else
  [ -z "$overnight_gpus" ] || set -- --device nvidia.com/gpu=all "$@"
  [ "$(id -u)" = 0 ] || set -- --userns keep-id "$@"
fi
end() {
  overnight_told=yes
  "$overnight_engine" stop --time "$overnight_patience" "$overnight_name"
  "$overnight_engine" rm --force "$overnight_name"
}
trap 'end > /dev/null 2>&1' TERM
"$overnight_engine" run --rm --name "$overnight_name" --workdir "$PWD" "$@" &
overnight_code=127
while overnight_told=; do
  wait $!; overnight_now=$?
  [ "$overnight_now" = 127 ] || overnight_code=$overnight_now
  [ -n "$overnight_told" ] || break
done
[ "$overnight_code" != 125 ] || fail "the image $overnight_image cannot be started; the engine's own words are above"
exit "$overnight_code"
"""
)
"""Apptainer's containers are children of the job. Those of podman become so when their starter ends; those of Docker
belong to its daemon, so that only this script can end them: it asks for it as soon as the job is told to end. Variables
are handed over by name: their values appear in no argument. 125 is the engine's own exit code. A `wait` that a signal
interrupted says nothing of the engine's end: it is repeated, and says 127 when the end was told before."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OURS = ("OVERNIGHT_RUN_ID", "OVERNIGHT_RUN_DIR", "OVERNIGHT_FENCE", "OVERNIGHT_ATTEMPT", "OVERNIGHT_RUNNER")
"""What the runner adds to every job's variables."""
_PATIENCE_MARGIN = 2.0
"""Seconds by which a container engine kills before the runner would: it must still be there to do it."""


@dataclass(frozen=True, slots=True)
class Around:
    """What an environment needs to know of the attempt."""

    attempt: str
    workdir: str
    folders: Sequence[str]
    """Absolute paths that the command uses beside the working directory."""
    variables: Iterable[str]
    """Names of the variables that are set for it."""
    gpus: bool
    grace: float


def activated(argv: tuple[str, ...], environment: EnvironmentPlan, around: Around) -> tuple[str, ...]:
    """The command inside its environment. Raises Refused for what an engine cannot be told."""
    if environment.venv is not None:
        return _shell(_VENV, _inside(around.workdir, environment.venv), *argv)
    if environment.uv is not None:
        return _shell(_UV, _inside(around.workdir, environment.uv), *argv)
    if environment.conda is not None:
        name, hook = _no_option(environment.conda, "conda environment"), environment.conda_hook or ""
        return _shell(_BASH_OR_SH, _CONDA, "overnight", name, hook, *argv)
    if environment.container is not None:
        return _shell(_CONTAINER, *_container(environment.container, around), *argv)
    return argv


def _shell(script: str, *arguments: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script, "overnight", *arguments)


def _inside(workdir: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join(workdir, folder))


def _container(image: str, around: Around) -> tuple[str, ...]:
    names = [name for name in (*around.variables, *_OURS) if _NAME.fullmatch(name)]
    mounts = [_mountable(folder) for folder in dict.fromkeys((around.workdir, *around.folders))]
    return (
        _no_option(image, "container image"),
        "gpus" if around.gpus else "",
        "overnight-" + re.sub(r"[^A-Za-z0-9_.-]", "-", around.attempt),
        ":".join(names),
        ":".join(mounts),
        str(int(max(0.0, around.grace - _PATIENCE_MARGIN))),
    )


def _no_option(word: str, what: str) -> str:
    if word.startswith("-"):
        raise Refused(f"{word!r} is no {what}: it would be read as an option", next_step="Choose another name")
    return word


def _mountable(folder: str) -> str:
    if ":" in folder or "," in folder or "\n" in folder:
        raise Refused(f"{folder!r} cannot be given to a container", next_step="Use a path without : and ,")
    return folder
