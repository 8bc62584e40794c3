#!/bin/sh
# Lint, format, types, import contracts, generated docs: runs them all, then says which failed.
set -u
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=

run() {
    name=$1
    shift
    printf '== %s\n' "$name"
    "$@" || failed="$failed $name"
}

run lint "$bin/ruff" check .
run format "$bin/ruff" format --check .
run types "$bin/mypy"
run imports "$bin/lint-imports" --no-logo
[ ! -f tools/generate_docs.py ] || run docs "$bin/python" -m tools.generate_docs --check
run client "$bin/python" -m tools.generate_client --check

if [ -n "$failed" ]; then
    echo "check: failed:$failed" >&2
    exit 1
fi
echo "check: all passed"
