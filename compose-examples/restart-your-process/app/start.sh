#!/bin/sh
# start.sh COMMAND..: runs the command, and again whenever restart.sh has ended it. Otherwise, ends as the command does.
trap 'kill "$process"; exit 143' TERM INT

while true; do
    rm -f /tmp/restart
    "$@" &
    process=$!
    echo "$process" >/tmp/process
    wait "$process" 2>/dev/null
    status=$?
    [ -e /tmp/restart ] || exit "$status"
done
