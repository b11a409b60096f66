# shellcheck shell=bash
# What the tests need beyond Rust, on a machine that may be new. Read by tests/run; knows no test.

# What is left out because something is not here: a line each, for the end.
LEFT_OUT=()

readonly TOOLS=${CARGO_TARGET_DIR:-target}/tools NEXTEST=0.9.143 MIN_NEXTEST=0.9.85

find_cargo() {
    local bin=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin
    if ! command -v cargo >/dev/null && [ -x "$bin/cargo" ]; then PATH=$bin:$PATH; fi
    command -v cargo >/dev/null || fail "there is no cargo" "install Rust from https://rustup.rs and run this again"
}

# Installs the Debian packages of the programs that are not here, where that is allowed: as root, on Debian and the like.
install_packages() { # PROGRAM PACKAGES, again and again
    local packages=()
    while [ $# -gt 0 ]; do
        # shellcheck disable=SC2206 # words
        command -v "$1" >/dev/null || packages+=($2)
        shift 2
    done
    if [ ${#packages[@]} = 0 ] || [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return; fi
    step "apt-get install ${packages[*]}"
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }; then
        say "apt-get cannot install them: going on without"
    fi
}

# The runner of the tests; one that is too old or not here is built, once, into a folder of ours.
find_nextest() {
    PATH=$PWD/$TOOLS/bin:$PATH
    local version
    version=$(cargo nextest --version 2>/dev/null | awk 'NR == 1 { print $2 }' || true)
    if [ -n "$version" ] && at_least "$version" "$MIN_NEXTEST"; then return; fi
    step "cargo install cargo-nextest, into $TOOLS"
    # Built to be used today, not to be fast: it waits for tests all the time.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=64 \
        CARGO_PROFILE_RELEASE_DEBUG=0 \
        cargo install --quiet --locked --no-track --root "$TOOLS" \
            --no-default-features --features default-no-update cargo-nextest --version "$NEXTEST" ||
        fail "the tests' runner cannot be built" "install it (https://nexte.st), version $MIN_NEXTEST or later"
}

at_least() { # VERSION MINIMUM
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

# Everything that can be had is had afterwards; what cannot is in LEFT_OUT, or the end of the run.
set_up() {
    find_cargo
    export DEBIAN_FRONTEND=noninteractive
    # The engine calls ps for `docker top`.
    local programs=(cc 'gcc libc6-dev' git git ps procps)
    [ -n "$QUICK" ] || programs+=(shellcheck shellcheck)
    install_packages "${programs[@]}"
    command -v cc >/dev/null || fail "there is no C compiler, which cargo links with" "install one: apt-get install gcc libc6-dev"
    command -v git >/dev/null || LEFT_OUT+=("what needs git: not installed; apt-get install git")
    find_nextest
}
