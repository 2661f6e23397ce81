#!/bin/sh
# One sync into Heap without Airbyte: source | destination, the states kept in a file.
# Cron, Airflow, Dagster and people can run it; docs/scheduler.md tells how.
#
# It stands in a folder with source.json, heap.json and catalog.json, and keeps state.json there.
# All that the connectors say goes to stderr. The exit code is 0, or the code of what failed.
set -u
umask 077
cd "$(dirname "$0")" || exit

# What to run: the two lines to change.
read_source() { source-faker read --config source.json --catalog catalog.json "$@"; }
write_heap() { destination-heap-analytics write --config heap.json --catalog catalog.json; }

# What a source logs stays here, where it can be read; all else is the destination's to judge.
log_apart() { awk '/^\{"type":"(LOG|TRACE)"/ { print | "cat >&2"; next } { print }'; }

# A state that comes out has all records before it safe. It takes the place of the last one of its
# stream or, where it is of all streams, of everything. The file is replaced whole: a state a line.
keep_states() {
    trap '' INT TERM # not before the destination has said all
    kept=$(sed 's/^[[,]//; s/]$//' state.json 2> /dev/null)
    while IFS= read -r line; do
        case $line in
        '{"type":"STATE","state":{'*'}}')
            line=${line#'{"type":"STATE","state":'}
            line=${line%\}}
            kept=$(others_than "$line" && printf '%s\n' "$line")
            printf '[%s]\n' "$(printf '%s\n' "$kept" | sed '2,$s/^/,/')" > state.json.new &&
                mv state.json.new state.json || return
            ;;
        *'"type":"STATE"'*) echo "sync.sh: a state of a form that is not known" >&2 && return 65 ;;
        *) printf '%s\n' "$line" >&2 ;;
        esac
    done
}

# The states kept so far that a new one leaves as they are: those of other streams.
others_than() {
    case $1 in
    '{"type":"STREAM",'*'"stream_descriptor":{'*'}'*)
        stream=${1#*'"stream_descriptor":{'}
        stream="\"stream_descriptor\":{${stream%%\}*}}"
        printf '%s\n' "$kept" | grep '^{"type":"STREAM",' | grep -vF "$stream"
        ;;
    esac
    true
}

exec 9> lock
flock -n 9 || { echo "sync.sh: the sync before is still under way" >&2 && exit 75; }
trap : INT TERM # asked to stop, it waits for the destination, which stops in order
[ ! -s state.json ] || set -- --state state.json

# POSIX shells keep the exit code of the last part only, so each part writes its own.
codes=$(
    exec 3>&1 >&2
    { read_source "$@"; echo "source $?" >&3; } |
        { log_apart; echo "log $?" >&3; } |
        { write_heap; echo "heap $?" >&3; } |
        { keep_states; echo "state $?" >&3; }
)
for part in heap source log state; do
    code=$(echo "$codes" | sed -n "s/^$part //p")
    [ "${code:-1}" -eq 0 ] || exit "${code:-1}" # no code: it was killed
done
