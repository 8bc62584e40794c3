#!/bin/sh
# Compiles requirements/*.txt from pyproject.toml: hashed, for every platform, without the address of any package index.
set -eu
cd "$(dirname "$0")/.."

compile() {
    output=$1
    shift
    tools/uv.sh pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-emit-find-links --custom-compile-command "make lock" --output-file "requirements/$output" "$@"
}

compile uv.txt --group uv "$@"
compile runtime.txt pyproject.toml "$@"
compile dev.txt pyproject.toml --extra notify --extra postgres --extra digits --group build --group dev --constraint requirements/runtime.txt "$@"
compile bench.txt --group bench --constraint requirements/dev.txt "$@"
if grep -nE '://' requirements/*.txt; then
    echo "lock: an address slipped into the files above" >&2
    exit 1
fi
