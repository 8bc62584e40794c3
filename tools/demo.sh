#!/bin/sh
# Runs the example campaign to its end, or resumes it where it was interrupted, and leaves its summary in demo/.
set -eu
cd "$(dirname "$0")/.."
export OVERNIGHT_HOME="$PWD/demo/home"
unset OVERNIGHT_URL OVERNIGHT_TOKEN OVERNIGHT_DATABASE_URL
umask 077
mkdir -p "$OVERNIGHT_HOME"
[ -f "$OVERNIGHT_HOME/config.toml" ] || printf '[local]\nslots = 2   # runs at once on this machine\n' > "$OVERNIGHT_HOME/config.toml"

code=0
.venv/bin/overnight run examples/digits/campaign.yaml || code=$?
[ "$code" -le 1 ] || exit "$code"
.venv/bin/overnight summary digits --markdown -o demo/summary.md
.venv/bin/overnight summary digits --html -o demo/summary.html
cat <<'TEXT'

Where to look:
  demo/summary.html   the report, with its plot (demo/summary.md: the same as text)
  OVERNIGHT_HOME=demo/home .venv/bin/overnight ls --runs          every run
  OVERNIGHT_HOME=demo/home .venv/bin/overnight show RUN           one run: frozen configuration, attempts, results
  OVERNIGHT_HOME=demo/home .venv/bin/overnight verify-log         the record checked against itself
TEXT
exit "$code"
