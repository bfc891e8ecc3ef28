#!/bin/sh
# A worker as a shell script: leases one item at a time, asks a command for its label, answers; ends when nothing waits.
#
#     examples/worker.sh PROJECT WORKER COMMAND
#
# COMMAND is run with the item's key and URI as arguments and prints a class name; printing nothing skips the item.
# CURATED_REQUESTS is the daemon's address, CURATECTL the program where it is not installed. Needs jq.
set -eu
export CURATED_PROJECT="${1:?project}"
worker=${2:?worker} label_command=${3:?command}
: "${CURATECTL:=curatectl}"
nothing_waits=16 # curatectl's exit status

while :; do
    status=0
    item=$("$CURATECTL" --json lease --worker "$worker") || status=$?
    if [ "$status" -eq "$nothing_waits" ]; then exit 0; fi
    if [ "$status" -ne 0 ]; then exit "$status"; fi

    slot=$(printf %s "$item" | jq '.leases[0].slot')
    lease=$(printf %s "$item" | jq '.leases[0].lease')
    key=$(printf %s "$item" | jq -r '.leases[0].key')
    uri=$(printf %s "$item" | jq -r '.leases[0].uri // ""')

    label=$("$label_command" "$key" "$uri")
    if [ -n "$label" ]; then
        "$CURATECTL" submit --worker "$worker" "$slot" "$lease" "$label"
    else
        "$CURATECTL" skip --worker "$worker" "$slot" "$lease" "no answer"
    fi
done
