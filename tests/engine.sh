#!/usr/bin/env bash
# A Docker Engine for the tests: the machine's own when it is good enough, else a private one made of Debian's packages.
# It knows nothing of docker liveupdate.
set -euo pipefail

readonly MIN_COMPOSE=2.20
readonly STAND_INS=(busybox:1.37 python:3.13-slim node:22-slim gcc:14 debian:12-slim)

DIR=${LIVEUPDATE_ENGINE_DIR:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/docker-liveupdate-engine}
STATE=${LIVEUPDATE_ENGINE_STATE_DIR:-$DIR/state}
KIND=${LIVEUPDATE_ENGINE:-any}
readonly ROOT=$DIR/root SOCKET=$STATE/docker.sock PIDFILE=$STATE/dockerd.pid LOG=$STATE/dockerd.log

usage() {
    cat <<'END'
usage: tests/engine.sh COMMAND

A Docker Engine with Compose and buildx for the tests and the demo. A reachable engine with Compose 2.20 or later is
used as it is. Where there is none, a private one is made of Debian's packages: unpacked into a folder of its own, with
its own socket and data; nothing is installed, and a second run downloads nothing.

  up              start it (or find the one that is there)
  env             print the `export` lines to be eval'ed: eval "$(tests/engine.sh env)"
  exec CMD ..     run CMD with that environment; an engine started for it is stopped afterwards
  images [NAME..] make sure that the base images of the examples are there. A user's engine pulls them; on the private
                  one, which may have no registry to pull from, small stand-ins get their names
  status          say which engine would be used; exit 1 when none is running
  possible        exit 1, with the reason, when `up` cannot have one here
  down            stop the private engine with everything that runs in it; a user's engine is left alone
  purge           down, and delete its folder (or its state folder, where that is a separate one)

environment:
  LIVEUPDATE_ENGINE            `private`: never use a reachable engine
  LIVEUPDATE_ENGINE_DIR        the private engine's folder (default: docker-liveupdate-engine in the user's cache)
  LIVEUPDATE_ENGINE_STATE_DIR  its data, socket and log alone (default: `state` in that folder), for a second engine
                               from the same packages
  LIVEUPDATE_ENGINE_FLAGS      further flags of the private engine's dockerd, such as
                               `--feature containerd-snapshotter`
  LIVEUPDATE_STAND_INS         `1`: make stand-ins on a user's engine as well

The private engine needs Linux, root and a Debian whose apt sources answer. It leaves the firewall alone (containers
reach each other and the host, not the internet); the kernel keeps its bridge `docker0`.
END
}

say() { printf 'engine: %s\n' "$*" >&2; }

fail() { # MESSAGE [HINT]
    printf 'error: %s\n' "$1" >&2
    if [ $# -gt 1 ]; then printf 'hint: %s\n' "$2" >&2; fi
    exit 1
}

# --- a user's engine -------------------------------------------------------------------------------------------------

at_least() { # VERSION MINIMUM
    [ "$(printf '%s\n%s\n' "${1#v}" "$2" | sort -V | head -n 1)" = "$2" ]
}

# Why the reachable engine cannot be used, on stdout; nothing when it can.
whats_wrong_with_users_engine() {
    local compose
    if [ "$KIND" = private ]; then
        echo "LIVEUPDATE_ENGINE=private"
    elif ! command -v docker >/dev/null; then
        echo "there is no docker command"
    elif ! timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
        echo "no engine answers"
    elif ! compose=$(docker compose version --short 2>/dev/null); then
        echo "the docker command has no compose plugin"
    elif ! at_least "$compose" "$MIN_COMPOSE"; then
        echo "compose $compose is older than $MIN_COMPOSE"
    elif ! docker buildx version >/dev/null 2>&1; then
        echo "the docker command has no buildx plugin"
    fi
}

# --- the private engine: packages --------------------------------------------------------------------------------

require_root_on_debian() {
    local instead="install Docker Engine with the Compose and buildx plugins (docs.docker.com/engine/install), and start it"
    [ "$(uname -s)" = Linux ] || fail "a private engine can be made on Linux only" "$instead"
    for tool in apt-get dpkg-deb tar flock setsid; do
        command -v "$tool" >/dev/null ||
            fail "a private engine is made of Debian's packages, and \`$tool\` is not here" "$instead"
    done
    # shellcheck source=/dev/null
    [ "$(. /etc/os-release && echo "${ID:-}")" = debian ] ||
        fail "a private engine is made of Debian's packages, and this is not Debian" "$instead"
    [ "$(id -u)" = 0 ] ||
        fail "a private engine needs root" "run this as root, or start an engine that \`docker version\` reaches"
    # What joins a container begins at the root of its mount namespace, which in a chroot is not the container's: each
    # "docker exec" would run, as root, in the file system of the machine around it.
    [ "$(nsenter --mount=/proc/self/ns/mnt stat -c %d:%i / 2>/dev/null)" = "$(stat -c %d:%i /)" ] ||
        fail "a private engine in a chroot would run commands outside of it" "use a container or a virtual machine instead"
}

# shellcheck source=/dev/null
suite() { (. /etc/os-release && echo "$VERSION_CODENAME"); }

# apt with folders of its own and, as far as it can see, nothing installed.
private_apt() {
    local tool=$1
    shift
    DEBIAN_FRONTEND=noninteractive "$tool" -qq \
        -o Dir::Etc::SourceList="$DIR/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State="$DIR/apt/state" -o Dir::State::status="$DIR/apt/status" -o Dir::Cache="$DIR/apt/cache" \
        -o APT::Sandbox::User=root -o APT::Install-Recommends=false \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o Acquire::Languages=none "$@"
}

# Points apt at the mirror that the machine itself uses, for its own suite and for `testing`.
update_package_lists() {
    [ -e "$DIR/apt/updated" ] && return
    local mirror suite keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed=
    suite=$(suite)
    # shellcheck disable=SC2016 # apt fills these in
    mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Identifier: Packages' |
        awk -v suite="$suite" '($1 == suite || $1 == "stable") && $2 == "main" { print $3; exit }')
    [ -n "$mirror" ] || fail "no apt source of this machine has \`$suite main\`" "add one to /etc/apt/sources.list"
    [ -e "$keyring" ] && signed="[signed-by=$keyring] "
    mkdir -p "$DIR/apt/state/lists/partial" "$DIR/apt/cache/archives/partial"
    : >"$DIR/apt/status"
    printf "deb ${signed}%s %s main\n" "$mirror" "$suite" "$mirror" testing >"$DIR/apt/sources.list"
    say "reading the package lists of $suite and testing"
    private_apt apt-get update || fail "apt cannot read the package lists" "is the mirror in /etc/apt reachable?"
    touch "$DIR/apt/updated"
}

# Downloads packages (each once) and unpacks them below a root, /bin and the like merged into /usr as Debian has it.
unpack() { # ROOT PACKAGE_FILE..
    local root=$1 dir
    shift
    for dir in bin sbin lib lib64; do
        mkdir -p "$root/usr/$dir"
        ln -sfnT "usr/$dir" "$root/$dir"
    done
    for deb in "$@"; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"
    done
}

# Exactly these packages, without what they depend on, from one suite.
download() { # SUITE PACKAGE..
    local suite=$1
    shift
    mkdir -p "$DIR/debs/$suite"
    (cd "$DIR/debs/$suite" && private_apt apt-get download "${@/%//$suite}") ||
        fail "apt cannot download from $suite: $*"
}

libraries_of_system_packages() {
    echo libseccomp2 libip4tc2 libip6tc2 libmnl0 libnetfilter-conntrack3 libnfnetlink0 libnftnl11 libxtables12
}

install_engine() {
    [ -e "$DIR/complete" ] && return
    local suite
    suite=$(suite)
    update_package_lists
    say "downloading the engine (about 95 MB) into $DIR"
    # testing's runc needs a newer libc than this system may have; the others need 2.34.
    download testing docker.io docker-cli docker-compose docker-buildx containerd
    # shellcheck disable=SC2046 # a list
    download "$suite" runc iptables tini $(libraries_of_system_packages)
    rm -rf "$ROOT"
    unpack "$ROOT" "$DIR"/debs/testing/*.deb "$DIR/debs/$suite"/*.deb
    rm -rf "$DIR/debs"
    ln -sf tini-static "$ROOT/usr/bin/docker-init"
    # These two names are made by Debian's alternatives system, which does not run here.
    local backend=nft
    "$ROOT/usr/sbin/iptables-nft" -t nat -L -n >/dev/null 2>&1 || backend=legacy
    ln -sf "iptables-$backend" "$ROOT/usr/sbin/iptables"
    ln -sf "ip6tables-$backend" "$ROOT/usr/sbin/ip6tables"
    mkdir -p "$DIR/config/cli-plugins"
    ln -sf "$ROOT"/usr/libexec/docker/cli-plugins/docker-{compose,buildx} "$DIR/config/cli-plugins/"
    touch "$DIR/complete"
}

# --- the private engine: its life -------------------------------------------------------------------------------

print_env() {
    if private_is_running; then
        printf 'export %s=%q\n' DOCKER_HOST "unix://$SOCKET" DOCKER_CONFIG "$DIR/config" \
            PATH "$ROOT/usr/bin:${PATH//"$ROOT/usr/bin:"/}" \
            LIVEUPDATE_ENGINE_DIR "$DIR" LIVEUPDATE_ENGINE_STATE_DIR "$STATE"
        echo 'unset DOCKER_CONTEXT'
    else
        echo '# the reachable engine is used as it is'
    fi
}

use_private_env() { eval "$(print_env)"; }

engine_answers() {
    DOCKER_HOST=unix://$SOCKET timeout 10 "$ROOT/usr/bin/docker" version >/dev/null 2>&1
}

private_is_running() { [ -S "$SOCKET" ] && [ -x "$ROOT/usr/bin/docker" ] && engine_answers; }

require_short_socket_names() {
    # containerd and the network driver put sockets of their own below the state folder; the kernel takes 108 bytes.
    [ ${#STATE} -le 64 ] || fail "\`$STATE\` is too long a name to put sockets into" \
        "set LIVEUPDATE_ENGINE_STATE_DIR to a short path, such as one in /tmp"
}

start_private() {
    require_root_on_debian
    require_short_socket_names
    mkdir -p "$DIR" "$STATE"
    exec 9>"$STATE/lock"
    flock 9 # two calls at once: the second finds the engine of the first
    if private_is_running; then
        exec 9>&-
        return
    fi
    (
        exec 8>"$DIR/lock"
        flock 8
        install_engine
    )
    local libraries pid
    libraries=$ROOT/usr/lib/$(library_folder)
    clean_up_after_killed_engine
    # shellcheck disable=SC2086 # a list
    PATH="$ROOT/usr/sbin:$ROOT/usr/bin:$PATH" LD_LIBRARY_PATH="$libraries" XTABLES_LIBDIR="$libraries/xtables" \
        DOCKER_CONFIG="$DIR/config" setsid "$ROOT/usr/sbin/dockerd" \
        --data-root "$STATE/data" --exec-root "$STATE/exec" --pidfile "$PIDFILE" -H "unix://$SOCKET" \
        --iptables=false --ip6tables=false --ip-masq=false \
        --default-address-pool base=172.16.0.0/12,size=24 ${LIVEUPDATE_ENGINE_FLAGS:-} \
        >"$LOG" 2>&1 </dev/null 9>&- &
    pid=$!
    local deadline=$((SECONDS + 60))
    until engine_answers; do
        if ! kill -0 "$pid" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
            tail -n 20 "$LOG" >&2
            fail "the private engine did not start" "the whole log is in $LOG"
        fi
        sleep 0.1
    done
    exec 9>&-
    say "started a private engine on $SOCKET"
}

library_folder() {
    local triplet
    triplet=$(cd "$ROOT/usr/lib" && printf '%s\n' *-linux-gnu*)
    printf '%s\n' "${triplet%%$'\n'*}"
}

# What a killed engine left running, ours only: they carry our state folder in their arguments.
leftover_pids() {
    local process
    for process in /proc/[0-9]*; do
        { tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null |
            grep -qE "^[^ ]*containerd(-shim[^ ]*)? .*$STATE/exec/" || continue
        # First a shim's children, the containers' first processes, with which everything in a container ends.
        awk -v parent="${process#/proc/}" '$1 == "Pid:" { pid = $2 } $1 == "PPid:" && $2 == parent { print pid }' \
            /proc/[0-9]*/status 2>/dev/null
        echo "${process#/proc/}"
    done
    return 0
}

stop_private() {
    local pid deadline
    [ -d "$STATE" ] || return 0
    exec 9>"$STATE/lock"
    flock 9
    if private_is_running; then
        # Nothing of a test is worth its grace period.
        local running
        running=$(DOCKER_HOST=unix://$SOCKET "$ROOT/usr/bin/docker" ps -q)
        # shellcheck disable=SC2086 # a list
        [ -z "$running" ] || DOCKER_HOST=unix://$SOCKET "$ROOT/usr/bin/docker" kill $running >/dev/null 2>&1 || true
    fi
    if [ -s "$PIDFILE" ] && pid=$(<"$PIDFILE") && grep -qs dockerd "/proc/$pid/cmdline"; then
        kill "$pid" 2>/dev/null || true
        deadline=$((SECONDS + 30))
        while kill -0 "$pid" 2>/dev/null; do
            [ $SECONDS -lt $deadline ] || kill -KILL "$pid" 2>/dev/null || true
            sleep 0.1
        done
        say "stopped the private engine"
    fi
    clean_up_after_killed_engine
    exec 9>&-
}

# Processes, mounts and names that an engine leaves which did not end by itself.
clean_up_after_killed_engine() {
    local pid mount
    for pid in $(leftover_pids); do kill -KILL "$pid" 2>/dev/null || true; done
    awk -v state="$STATE/" 'index($2, state) == 1 { print $2 }' /proc/self/mounts | sort -r |
        while read -r mount; do umount -l "$mount" 2>/dev/null || true; done
    rm -f "$PIDFILE" "$SOCKET"
}

# --- commands ------------------------------------------------------------------------------------------------------

# Sets STARTED when this call is what started an engine.
STARTED=
up() {
    local wrong
    if private_is_running; then return; fi
    wrong=$(whats_wrong_with_users_engine)
    if [ -z "$wrong" ]; then return; fi
    say "$wrong: a private engine it is"
    start_private
    STARTED=yes
}

status() {
    local wrong
    if private_is_running; then
        echo "private engine, pid $(<"$PIDFILE"), on unix://$SOCKET"
        return
    fi
    wrong=$(whats_wrong_with_users_engine)
    if [ -z "$wrong" ]; then
        echo "the reachable engine: $(docker version --format '{{.Server.Version}}'), compose $(docker compose version --short)"
        return
    fi
    echo "none: $wrong, and no private engine is running in $STATE"
    return 1
}

possible() {
    private_is_running || [ -z "$(whats_wrong_with_users_engine)" ] || require_root_on_debian
}

run_with_engine() {
    local status=0
    [ $# -gt 0 ] || fail "exec needs a command" "tests/engine.sh exec docker ps"
    trap '[ -z "$STARTED" ] || stop_private' EXIT
    up
    use_private_env
    "$@" || status=$?
    exit "$status"
}

# --- stand-ins for base images ---------------------------------------------------------------------------------

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

images() {
    local name
    up
    use_private_env
    [ $# -gt 0 ] || set -- "${STAND_INS[@]}"
    local pid pids=()
    # At the same time: each waits for downloads.
    for name in "$@"; do
        image "$name" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
}

image() { # NAME
    local name=$1
    if have_image "$name"; then return; fi
    if private_is_running || [ "${LIVEUPDATE_STAND_INS:-}" = 1 ]; then
        make_stand_in "$name"
    else
        docker pull "$name" || fail "\`$name\` cannot be pulled" "LIVEUPDATE_STAND_INS=1 makes a stand-in of that name"
    fi
}

make_stand_in() { # NAME
    local name=$1 tar
    tar=$DIR/images/${name//[:\/]/_}.tar
    require_root_on_debian
    mkdir -p "$DIR/images"
    (
        exec 8>"$tar.lock"
        flock 8
        [ -e "$tar" ] || fill_stand_in "$name" "$tar"
    )
    docker import \
        --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change "CMD [\"$(default_command "$name")\"]" --change 'LABEL liveupdate.stand-in=true' \
        "$tar" "$name" >/dev/null
}

default_command() {
    case $1 in
    python:*) echo python3 ;;
    node:*) echo node ;;
    gcc:* | debian:*) echo bash ;;
    *) echo sh ;;
    esac
}

fill_stand_in() { # NAME TAR
    local name=$1 tar=$2 rootfs=${2%.tar}
    say "making a stand-in for $name"
    (
        exec 7>"$DIR/lock"
        flock 7
        update_package_lists
    )
    rm -rf "$rootfs" "$rootfs.debs"
    mkdir -p "$rootfs" "$rootfs.debs/partial"
    case $name in
    busybox:*) fill_busybox "$rootfs" ;;
    python:*)
        fill_debian "$rootfs" python3-minimal libpython3-stdlib python3-pip
        ln -s ../../bin/python3 "$rootfs/usr/local/bin/python"
        ln -s ../../bin/python3 "$rootfs/usr/local/bin/python3"
        rm -f "$rootfs"/usr/lib/python3*/EXTERNALLY-MANAGED # Debian's rule, not the real image's
        # Hashes, since the archive below has one time for all files.
        chroot "$rootfs" python3 -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3* >/dev/null || true
        ;;
    node:*)
        # Without npm: its 400 packages are twenty times the rest.
        fill_debian "$rootfs" nodejs
        ln -s ../../bin/node "$rootfs/usr/local/bin/node"
        ;;
    gcc:*)
        # A small compiler that takes the same flags: gcc itself is twenty times its size.
        fill_debian "$rootfs" tcc libc6-dev
        ln -s ../../bin/tcc "$rootfs/usr/local/bin/cc"
        ln -s ../../bin/tcc "$rootfs/usr/local/bin/gcc"
        ;;
    # With what the examples would install.
    debian:*) fill_debian "$rootfs" entr ;;
    *) fail "there is no stand-in for \`$name\`" "the names are: ${STAND_INS[*]}" ;;
    esac
    tar -c --sort=name --mtime=@0 --numeric-owner -C "$rootfs" -f "$tar.new" .
    mv "$tar.new" "$tar"
    rm -rf "$rootfs" "$rootfs.debs"
}

fill_busybox() { # ROOTFS
    local rootfs=$1 applet
    (cd "$rootfs.debs" && private_apt apt-get download "busybox-static/$(suite)") || fail "apt cannot download busybox-static"
    mkdir -p "$rootfs"/{bin,dev,etc,home,proc,root,sys,tmp,usr/bin,usr/sbin,var}
    chmod 1777 "$rootfs/tmp"
    dpkg-deb --fsys-tarfile "$rootfs.debs"/busybox-static_*.deb |
        tar -xO --wildcards '*bin/busybox' >"$rootfs/bin/busybox"
    chmod 755 "$rootfs/bin/busybox"
    for applet in $("$rootfs/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln "$rootfs/bin/busybox" "$rootfs/bin/$applet"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$rootfs/etc/passwd"
    echo 'nobody:x:65534:65534:nobody:/home:/bin/false' >>"$rootfs/etc/passwd"
    printf '%s\n' 'root:x:0:' 'nobody:x:65534:' >"$rootfs/etc/group"
}

# A small Debian, unpacked only: no package's own script runs.
fill_debian() { # ROOTFS PACKAGE..
    local rootfs=$1 suite
    shift
    suite=$(suite)
    # apt sees an empty system, so this is everything the packages need. Its folder is its own, so no lock is needed.
    private_apt apt-get -y --download-only -t "$suite" -o Dir::Cache::archives="$rootfs.debs" -o Debug::NoLocking=true install \
        base-files base-passwd bash coreutils dash findutils grep hostname mawk sed tar "$@" >/dev/null ||
        fail "apt cannot download $*"
    unpack "$rootfs" "$rootfs.debs"/*.deb
    rm -rf "$rootfs"/usr/share/{doc,info,lintian,locale,man}
    mkdir -p "$rootfs"/{dev,proc,sys,tmp,usr/local/bin}
    chmod 1777 "$rootfs/tmp"
    cp "$rootfs/usr/share/base-passwd/passwd.master" "$rootfs/etc/passwd"
    cp "$rootfs/usr/share/base-passwd/group.master" "$rootfs/etc/group"
    ln -sf mawk "$rootfs/usr/bin/awk"
}

main() {
    local command=${1:-}
    [ $# -eq 0 ] || shift
    case $command in
    up)
        up
        status
        ;;
    env)
        if ! private_is_running && [ -n "$(whats_wrong_with_users_engine)" ]; then
            fail "no engine is running" "tests/engine.sh up"
        fi
        print_env
        ;;
    exec) run_with_engine "$@" ;;
    images) images "$@" ;;
    status) status ;;
    possible) possible ;;
    down) stop_private ;;
    purge)
        stop_private
        # A second engine of the same packages takes only its own data along.
        if [ "$STATE" = "$DIR/state" ]; then rm -rf "$DIR"; else rm -rf "$STATE"; fi
        ;;
    -h | --help | help) usage ;;
    '')
        usage >&2
        exit 125
        ;;
    *) fail "\`$command\` is not a command of tests/engine.sh" "the commands are: up, env, exec, images, status, possible, down, purge" ;;
    esac
}

main "$@"
