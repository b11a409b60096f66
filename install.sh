#!/usr/bin/env bash
# Builds docker liveupdate and puts it among the Docker CLI's plugins; with --demo, shows it at work.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE NAME=docker-liveupdate MIN_COMPOSE=2.20

usage() {
    cat <<'END'
usage: ./install.sh [--to DIR] [--demo]
       ./install.sh --uninstall [--to DIR]

Builds the release binary and puts it into the Docker CLI's plugin folder, where `docker liveupdate` finds it.

  --to DIR     the plugin folder (default: $DOCKER_CONFIG/cli-plugins, or ~/.docker/cli-plugins)
  --demo       then run `docker liveupdate up` on a copy of compose-examples/hello, edit a file of it, show the update,
               and remove everything that the demo made; the plugin stays. Where no Docker Engine answers, a private
               one is made for the demo and stopped afterwards (see tests/engine.sh --help)
  --uninstall  remove the plugin
  -h, --help   this text
END
}

say() { printf '==> %s\n' "$*"; }

fail() { # MESSAGE [HINT]
    printf 'error: %s\n' "$1" >&2
    if [ $# -gt 1 ]; then printf 'hint: %s\n' "$2" >&2; fi
    exit 1
}

usage_error() {
    printf 'error: %s\nhint: ./install.sh --help\n' "$1" >&2
    exit 125
}

# --- install -----------------------------------------------------------------------------------------------------

require_cargo() {
    local bin=${CARGO_HOME:-$HOME/.cargo}/bin
    if ! command -v cargo >/dev/null && [ -x "$bin/cargo" ]; then PATH=$bin:$PATH; fi
    command -v cargo >/dev/null || fail "there is no cargo" "install Rust from https://rustup.rs and run this again"
}

require_docker() {
    local hint="install Docker with its Compose plugin: https://docs.docker.com/get-docker" compose
    command -v docker >/dev/null || fail "there is no docker command" "$hint"
    compose=$(docker compose version --short 2>/dev/null) || fail "the docker command has no compose plugin" "$hint"
    [ "$(printf '%s\n%s\n' "${compose#v}" "$MIN_COMPOSE" | sort -V | head -n 1)" = "$MIN_COMPOSE" ] ||
        fail "compose $compose is older than $MIN_COMPOSE" "$hint"
    docker version --format '{{.Server.Version}}' >/dev/null 2>&1 ||
        say "note: no Docker Engine answers yet; \`docker liveupdate up\` will need one"
}

install_plugin() { # FOLDER
    local folder=$1 built=$TEMP/build
    say "building $NAME (release); this takes a minute or two"
    # On PATH already, so that cargo does not ask for it.
    (cd "$HERE" && PATH="$PATH:$built/bin" cargo install --quiet --locked --no-track --path . --root "$built")
    mkdir -p "$folder"
    # A rename, since the plugin that is there may be running.
    cp "$built/bin/$NAME" "$folder/.$NAME.new"
    chmod 755 "$folder/.$NAME.new"
    mv -f "$folder/.$NAME.new" "$folder/$NAME"
    "$folder/$NAME" docker-cli-plugin-metadata >/dev/null || fail "the installed $folder/$NAME does not run"
    say "installed $folder/$NAME"
    if ! docker --config "$USER_CONFIG" help liveupdate >/dev/null 2>&1; then
        say "note: the docker command does not look for plugins there; see \"cliPluginsExtraDirs\" of its config.json"
    fi
}

uninstall_plugin() { # FOLDER
    if [ -e "$1/$NAME" ] || [ -L "$1/$NAME" ]; then
        rm -f "$1/$NAME"
        say "removed $1/$NAME"
    else
        say "there is no $1/$NAME: nothing to remove"
    fi
}

# --- demo --------------------------------------------------------------------------------------------------------

# Sets PRIVATE_ENGINE when this call started one.
find_engine() {
    local environment
    if ! "$HERE/tests/engine.sh" status >/dev/null 2>&1; then
        say "no usable Docker Engine answers: making a private one for the demo"
        PRIVATE_ENGINE=yes
        # shellcheck source=tests/leftovers.sh
        source "$HERE/tests/leftovers.sh"
        own_engine "$TEMP"
        "$HERE/tests/engine.sh" up >/dev/null
    fi
    environment=$("$HERE/tests/engine.sh" env)
    eval "$environment"
    "$HERE/tests/engine.sh" images busybox:1.37
}

# The demo's docker command has to find this very plugin, wherever it was installed and whatever its own folder is.
find_plugin() { # FOLDER
    local config=${DOCKER_CONFIG:-$HOME/.docker} plugin
    [ "$config/cli-plugins" -ef "$1" ] && return
    mkdir -p "$TEMP/docker/cli-plugins"
    [ ! -e "$config/config.json" ] || cp "$config/config.json" "$TEMP/docker/"
    [ ! -e "$config/contexts" ] || ln -s "$config/contexts" "$TEMP/docker/contexts"
    for plugin in "$config"/cli-plugins/docker-* "$1/$NAME"; do
        [ ! -e "$plugin" ] || ln -sf "$plugin" "$TEMP/docker/cli-plugins/"
    done
    export DOCKER_CONFIG=$TEMP/docker
}

SHOWN=0
# What `up` has printed since the last call.
show_output() {
    local size
    size=$(wc -c <"$TEMP/up.log")
    if [ "$size" -gt "$SHOWN" ]; then
        tail -c "+$((SHOWN + 1))" "$TEMP/up.log" | head -c "$((size - SHOWN))" | sed 's/^/    /'
        SHOWN=$size
    fi
}

# As the container itself sees it; that needs no curl here and works with an engine elsewhere.
page() { docker compose exec -T web wget -qO- "http://127.0.0.1:8080/$1" 2>/dev/null; }

wait_for() { # PAGE TEXT SECONDS
    local deadline=$((SECONDS + $3))
    until show_output && page "$1" | grep -qF "$2"; do
        kill -0 "$UP" 2>/dev/null || fail "\`docker liveupdate up\` ended by itself"
        [ $SECONDS -lt $deadline ] || fail "\`$1\` did not say \`$2\` within $3 seconds"
        sleep 0.1
    done
    show_output
}

show_page() { page "$1" | grep -F "$2" | sed "s|^|    $1: |" || fail "\`$1\` is no longer served"; }

demo() { # FOLDER
    local before after deadline
    find_plugin "$1"
    cp -R "$HERE/compose-examples/hello" "$TEMP/hello"
    cd "$TEMP/hello"
    unset COMPOSE_FILE COMPOSE_PROFILES COMPOSE_ENV_FILES
    export COMPOSE_PROJECT_NAME=liveupdate-demo-$$ PORT='' # any free port
    : >"$TEMP/up.log"

    say "docker liveupdate up"
    # With job control: a process group of its own, in which SIGINT is not ignored.
    set -m
    TMPDIR=$TEMP docker liveupdate up </dev/null >"$TEMP/up.log" 2>&1 &
    UP=$!
    set +m
    disown # or the shell has something to say about its end
    wait_for index.html 'Hello from the image' 180
    before=$(docker compose ps -q web)
    say "it is up on http://$(docker compose port web 8080), and serves"
    show_page index.html '<h1>'

    say "editing site/index.html"
    sed 's/Hello from the image/Hello from your editor/' site/index.html >"$TEMP/index.html"
    cat "$TEMP/index.html" >site/index.html
    wait_for index.html 'Hello from your editor' 30
    show_page index.html '<h1>'

    say "adding a name to site/names.txt, for which a command runs in the container"
    echo 'Live Update' >>site/names.txt
    wait_for greetings.txt 'Hello, Live Update!' 30
    show_page greetings.txt 'Live Update'

    after=$(docker compose ps -q web)
    [ "$before" = "$after" ] || fail "the container was replaced, not updated"
    say "the same container as before has both; Ctrl-C"
    kill -INT -- "-$UP"
    deadline=$((SECONDS + 30))
    while kill -0 "$UP" 2>/dev/null; do
        [ $SECONDS -lt $deadline ] || fail "\`docker liveupdate up\` did not end within 30 seconds after Ctrl-C"
        sleep 0.1
    done
    show_output
    [ -z "$(docker compose ps -q --status running)" ] || fail "a container still runs after Ctrl-C"
}

# --- the way out ----------------------------------------------------------------------------------------------------

USER_CONFIG='' TEMP='' UP='' PRIVATE_ENGINE=''
clean_up() {
    local status=$?
    trap - EXIT
    set +e
    if [ -n "$UP" ]; then
        show_output
        kill -KILL -- "-$UP" 2>/dev/null
        (cd "$TEMP/hello" && docker compose down --timeout 1 --rmi local --volumes --remove-orphans >/dev/null 2>&1)
    fi
    if [ -n "$PRIVATE_ENGINE" ]; then "$HERE/tests/engine.sh" down; fi
    if [ -n "$TEMP" ]; then rm -rf "$TEMP"; fi
    exit "$status"
}

main() {
    local action=install folder=
    while [ $# -gt 0 ]; do
        case $1 in
        --to)
            [ $# -ge 2 ] || usage_error "\`--to\` needs a folder"
            folder=$2
            shift
            ;;
        --to=*) folder=${1#--to=} ;;
        --demo) action=demo ;;
        --uninstall) action=uninstall ;;
        -h | --help)
            usage
            exit
            ;;
        *) usage_error "\`$1\` is not an option" ;;
        esac
        shift
    done
    # Before a private engine brings a DOCKER_CONFIG of its own: the plugin is for the user's.
    USER_CONFIG=${DOCKER_CONFIG:-${HOME:?}/.docker}
    if [ -z "$folder" ]; then folder=$USER_CONFIG/cli-plugins; fi
    case $folder in
    /*) ;;
    *) folder=$PWD/$folder ;;
    esac

    if [ "$action" = uninstall ]; then
        uninstall_plugin "$folder"
        return
    fi
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    # Named so that what a killed demo leaves is found by the tests (tests/leftovers.sh).
    TEMP=$(mktemp -d "${TMPDIR:-/tmp}/liveupdate-tests.$$.XXXXXX")
    say "this builds $NAME and puts it into $folder"
    require_cargo
    if [ "$action" = demo ]; then find_engine; fi
    require_docker
    install_plugin "$folder"
    if [ "$action" = demo ]; then
        demo "$folder"
        say "that was the demo; it leaves nothing behind but the plugin"
    fi
    say "in a project with an x-live-update block: docker liveupdate up"
    say "to remove it again: ./install.sh --uninstall"
}

main "$@"
