# shellcheck shell=bash
# What a killed run of the tests or of the demo left on this machine. Each run has a folder with its process in the name,
# and all that it makes lies in there or carries the process of a test in its name: what has no living process is nobody's.
# Read by tests/run.

readonly RUNS=liveupdate-tests

# Sets RUN: the folder of this run, as temporary folder of all that it starts.
begin_run() {
    USERS_TMPDIR=${TMPDIR:-}
    local all=${TMPDIR:-/tmp}
    RUN=$(mktemp -d "${all%/}/$RUNS.$$.XXXXXX")
    # Tests' processes of other users go through it; what is in it has rights of its own.
    chmod 711 "$RUN"
    export TMPDIR=$RUN
}

# Runs a command as if there were no folder of ours: for what outlives this run.
outside_of_run() {
    if [ -n "$USERS_TMPDIR" ]; then TMPDIR=$USERS_TMPDIR "$@"; else env -u TMPDIR "$@"; fi
}

is_alive() { # PID
    kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]
}

# The folders of other runs: those that are at work, or those whose process is gone or is another program's by now.
other_runs() { # alive|dead
    local all=${USERS_TMPDIR:-/tmp} run pid state
    for run in "${all%/}/$RUNS".*; do
        if [ ! -O "$run" ] || [ -L "$run" ] || [ "$run" = "${RUN:-}" ]; then continue; fi
        pid=${run#"${all%/}/$RUNS."}
        pid=${pid%%.*}
        state=dead
        if is_alive "$pid" && { [ ! -d /proc/self ] || tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qE 'tests/run|\.ci/run|install\.sh'; } 2>/dev/null; then
            state=alive
        fi
        if [ $state = "$1" ]; then printf '%s\n' "$run"; fi
    done
}

# Notes that the private engine is this run's, and ends with it.
own_engine() { # FOLDER
    printf '%s\n' "${LIVEUPDATE_ENGINE_DIR:-}" "${LIVEUPDATE_ENGINE_STATE_DIR:-}" >"$1/engine-is-ours"
}

# Stops the engine that a run had noted as its own.
stop_own_engine() { # FOLDER
    [ -e "$1/engine-is-ours" ] || return 0
    local dir state
    { read -r dir && read -r state; } <"$1/engine-is-ours" || true
    LIVEUPDATE_ENGINE_DIR=$dir LIVEUPDATE_ENGINE_STATE_DIR=$state outside_of_run tests/engine.sh down
}

# Ends what runs in a run's folder, and removes it.
remove_run() { # FOLDER
    local run=$1 state process mount
    # Engines of tests' own, with all that they have mounted.
    for state in "$run"/lut-engine-*; do
        [ -d "$state" ] || continue
        LIVEUPDATE_ENGINE=private LIVEUPDATE_ENGINE_STATE_DIR=$state tests/engine.sh purge 2>/dev/null || true
    done
    # Every process of a run has its folder as the temporary one. Only Linux tells; elsewhere they end by themselves.
    for process in $(grep -lszxF "TMPDIR=$run" /proc/[0-9]*/environ || true); do
        process=${process#/proc/}
        kill -KILL "${process%/environ}" 2>/dev/null || true
    done
    if [ -r /proc/self/mounts ]; then
        awk -v run="$run/" 'index($2, run) == 1 { print $2 }' /proc/self/mounts | sort -r |
            while read -r mount; do umount -l "$mount" 2>/dev/null || true; done
        # What a mount shows is not ours to remove.
        if awk -v run="$run/" 'index($2, run) == 1 { found = 1 } END { exit !found }' /proc/self/mounts; then
            say "$run stays: there is a mount in it"
            return
        fi
    fi
    chmod -R u+rwX "$run" 2>/dev/null || true
    rm -rf "$run"
}

# Folders, processes, mounts and engines of killed runs.
clean_up_after_killed_runs() {
    local run
    while IFS= read -r run; do
        if [ -e "$run/engine-is-ours" ] && [ -n "$(other_runs alive)" ]; then
            say "leaving what a killed run left, for its engine may be in use by another one: $run"
            continue
        fi
        say "cleaning up after a run that was killed: $run"
        stop_own_engine "$run"
        remove_run "$run"
    done < <(other_runs dead)
}

# Containers, networks, volumes and images of tests that are gone, on the engine of the environment.
clean_up_engine() {
    local project pid kind
    for project in $(projects_of_tests); do
        pid=${project#lutest-}
        pid=${pid#liveupdate-demo-}
        if is_alive "${pid%%-*}"; then continue; fi
        say "removing what a killed test left on the engine: $project"
        for kind in 'container ls -aq=container rm -fv' 'network ls -q=network rm' 'volume ls -q=volume rm -f' 'image ls -q=image rm -f'; do
            # shellcheck disable=SC2046,SC2086 # lists of words
            set -- $(docker ${kind%=*} --filter "label=com.docker.compose.project=$project")
            # shellcheck disable=SC2086
            [ $# = 0 ] || docker ${kind#*=} "$@" >/dev/null 2>&1 || true
        done
    done
}

# The Compose projects that are on the engine of tests and demos.
projects_of_tests() {
    local label=com.docker.compose.project kind images
    {
        for kind in 'container ls -a' 'network ls' 'volume ls'; do
            # shellcheck disable=SC2086 # words
            docker $kind --filter "label=$label" --format "{{.Label \"$label\"}}"
        done
        images=$(docker image ls -q --filter "label=$label")
        # shellcheck disable=SC2086 # a list
        [ -z "$images" ] || docker image inspect --format "{{index .Config.Labels \"$label\"}}" $images
    } 2>/dev/null | grep -E '^(lutest-[0-9]+-[0-9]+|liveupdate-demo-[0-9]+)$' | sort -u
}
