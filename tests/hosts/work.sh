#!/bin/sh
# work.sh NUMBER SECONDS ENDING: a job that leaves two lines for the witness outside of everything that Overnight keeps,
# waits for room where the disk is full, writes what can be told from NUMBER alone, and ends as ENDING says.
if [ -d /run/box ]; then marks=/tmp/witness; else marks=$MARKS; fi
mkdir -p "$marks" out

say() {
    read -r up _ < /proc/uptime
    echo "$1 $up $$ $OVERNIGHT_ATTEMPT ${CUDA_VISIBLE_DEVICES:--}" >> "$marks/$OVERNIGHT_RUN_ID"
}

keep() {
    until seq "$1" "$(($1 + 20000))" 2>/dev/null > "$2"; do sleep 0.05; done
}

say start
echo "hello from $(hostname)"
keep "$1" "$OVERNIGHT_RUN_DIR/data"
keep "$1" "out/$1"
sleep "$2"
say end
eval "$3"
