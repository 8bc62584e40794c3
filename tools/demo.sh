#!/bin/sh
# Runs the example campaign to its end, or resumes it where it was interrupted, and leaves its summary in demo/.
set -eu
cd "$(dirname "$0")/.."
mkdir -p demo
export OVERNIGHT_HOME="$PWD/demo/home"
unset OVERNIGHT_URL OVERNIGHT_TOKEN OVERNIGHT_DATABASE_URL

.venv/bin/overnight run examples/digits/campaign.yaml
echo
echo "The record of every run:  OVERNIGHT_HOME=demo/home .venv/bin/overnight summary digits"
for report in demo/summary.md demo/summary.html; do
    [ ! -f "$report" ] || echo "The report:               $report"
done
