#!/bin/sh
# A worker as a shell script: leases one item at a time, asks a command for its label, answers.
#
#     examples/worker.sh PROJECT WORKER COMMAND
#
# COMMAND is run with the item's key and URI as arguments and prints a class name; printing nothing skips the item. Options for
# curatectl (the daemon's address) go into CURATECTL, such as CURATECTL="build/curatectl --requests tcp://127.0.0.1:7811".
# Needs jq.
set -eu
project=${1:?project} worker=${2:?worker} label_command=${3:?command}
: "${CURATECTL:=curatectl}"

# CURATECTL is words on purpose: a program and its options.
# shellcheck disable=SC2086
ctl() { $CURATECTL "$@"; }

while item=$(ctl --json lease --project "$project" --worker "$worker" | jq -c '.leases[0] // empty') && [ -n "$item" ]; do
    slot=$(printf %s "$item" | jq .slot)
    lease=$(printf %s "$item" | jq .lease)
    label=$($label_command "$(printf %s "$item" | jq -r .key)" "$(printf %s "$item" | jq -r '.uri // ""')")
    if [ -n "$label" ]; then
        ctl submit --project "$project" --worker "$worker" --slot "$slot" --lease "$lease" "$label"
    else
        ctl skip --project "$project" --worker "$worker" --slot "$slot" --lease "$lease" "no answer"
    fi
done
