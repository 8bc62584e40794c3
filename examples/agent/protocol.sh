#!/usr/bin/env bash
# An agent's night with nothing but curl: follows the skill wild_v2_execution_ops_protocol step by step, with a grid of
# twelve small networks on the digits (4 widths, 3 seeds). Needs a server (overnight up), and numpy and scikit-learn.
#
#   examples/agent/protocol.sh
#
# PYTHON: the interpreter of the runs; EPOCHS: of each; POLL: seconds between two looks.
set -euo pipefail

DIGITS="$(cd "$(dirname "$0")/../digits" && pwd)"
PYTHON="${PYTHON:-$(cd "$DIGITS/../.." && pwd)/.venv/bin/python}"

export OVERNIGHT_URL="${OVERNIGHT_URL:-http://127.0.0.1:3111}"
export OVERNIGHT_TOKEN="${OVERNIGHT_TOKEN:-$(cat "${OVERNIGHT_HOME:-$HOME/.overnight}/token")}"
export CHAT="${CHAT:-chat-$(date +%s)}"
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

echo "1. preflight"
curl -sf "$OVERNIGHT_URL/docs" >/dev/null &&
curl -sf "$OVERNIGHT_URL/openapi.json" >/dev/null &&
curl -sf "$OVERNIGHT_URL/prompt-skills/wild_v2_execution_ops_protocol" >/dev/null &&
curl -sf "$OVERNIGHT_URL/wild/v2/system-health" && echo " preflight passed"

echo "2. what the machines are"
curl -sf -X POST "$OVERNIGHT_URL/cluster/detect" -H "X-Auth-Token: $OVERNIGHT_TOKEN"
echo

echo "3. a sweep"
SWEEP=$(curl -sf -X POST "$OVERNIGHT_URL/sweeps/wild" -H "X-Auth-Token: $OVERNIGHT_TOKEN" \
  -H "Content-Type: application/json" -H "Idempotency-Key: $CHAT-sweep-1" \
  -d "{\"name\": \"digits\", \"goal\": \"highest accuracy\", \"chat_session_id\": \"$CHAT\"}" | field id)
echo "$SWEEP"

echo "4. one run per configuration"
for WIDTH in 4 8 16 32; do
  for SEED in 0 1 2; do
    curl -sf -X POST "$OVERNIGHT_URL/runs" -H "X-Auth-Token: $OVERNIGHT_TOKEN" \
      -H "Content-Type: application/json" -H "Idempotency-Key: $CHAT-$SWEEP-w$WIDTH-s$SEED" \
      -d "{\"name\": \"w$WIDTH s$SEED\", \"workdir\": \"$DIGITS\", \"sweep_id\": \"$SWEEP\",
           \"command\": \"$PYTHON train_teacher.py --width $WIDTH --seed $SEED --epochs ${EPOCHS:-60}\",
           \"chat_session_id\": \"$CHAT\", \"auto_start\": false}" | field id
  done
done

start_what_fits() {
NEW=$(curl -sf "$OVERNIGHT_URL/wild/v2/system-health" | field max_new_runs)
curl -sf "$OVERNIGHT_URL/runs?sweep_id=$SWEEP&status=ready" -H "X-Auth-Token: $OVERNIGHT_TOKEN" |
  python3 -c 'import json,sys; print(*[run["id"] for run in json.load(sys.stdin)][:int(sys.argv[1])], sep="\n")' "$NEW" |
  while read -r RUN; do
    [ -z "$RUN" ] || curl -sf -X POST "$OVERNIGHT_URL/runs/$RUN/start" -H "X-Auth-Token: $OVERNIGHT_TOKEN"
  done
}

echo "5 to 7. start what there is room for, look, go on"
while true; do
  STATUS=$(curl -sf "$OVERNIGHT_URL/sweeps/$SWEEP" -H "X-Auth-Token: $OVERNIGHT_TOKEN" | field status)
  case "$STATUS" in completed | failed | canceled) break ;; esac
  start_what_fits
  sleep "${POLL:-10}"
done

echo "the sweep is $STATUS"
curl -sf "$OVERNIGHT_URL/runs?chat_session_id=$CHAT" -H "X-Auth-Token: $OVERNIGHT_TOKEN" |
  python3 -c 'import json,sys; [print(run["id"], run["status"], run["error"] or "") for run in json.load(sys.stdin)]'
echo "what came out of it"
curl -sf "$OVERNIGHT_URL/v1/campaigns/$SWEEP/report" -H "X-Auth-Token: $OVERNIGHT_TOKEN" | field content
[ "$STATUS" = completed ]
