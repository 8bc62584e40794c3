#!/bin/sh
# Makes or refreshes .venv: locked, hashed dependencies and this package in editable form.
# Changes nothing outside this folder: a missing uv comes into .venv itself. PYTHON chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

supported() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if supported "$candidate"; then command -v "$candidate"; return; fi
    done
    echo "setup: no Python 3.11 or newer found; install one, or name it: PYTHON=/path/to/python3 make setup" >&2
    return 1
}

python=$(find_python)
# an environment whose interpreter is gone or too old cannot be repaired
if [ -e .venv ] && ! supported .venv/bin/python; then rm -rf .venv; fi

if uv --version > /dev/null 2>&1; then
    [ -x .venv/bin/python ] || uv venv --quiet --no-python-downloads --python "$python" .venv
else
    [ -x .venv/bin/pip ] || "$python" -m venv --clear .venv || {
        rm -rf .venv
        echo "setup: this Python cannot make environments; on Debian: apt-get install python3-venv, or install uv" >&2
        exit 1
    }
    [ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
fi

# compiled now: every run of the examples would pay for it where PYTHONDONTWRITEBYTECODE is set (common in containers)
tools/uv.sh pip install --quiet --compile-bytecode --python .venv/bin/python --require-hashes -r requirements/dev.txt
# no build isolation: the build backend is locked in dev.txt as well
tools/uv.sh pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
echo "setup: .venv is ready; 'make help' lists what can be done"
