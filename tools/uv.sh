#!/bin/sh
# uv: the one on PATH if it works, else the one that tools/setup.sh put into .venv.
set -eu
cd "$(dirname "$0")/.."
if uv --version > /dev/null 2>&1; then exec uv "$@"; fi
exec .venv/bin/uv "$@"
