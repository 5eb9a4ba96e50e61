#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # lib.sh uses them
# peers.sh — driftd beside AIDE, Tripwire and integrit on the same tree with the same attributes, and beside inotifywait and
# fatrace for events. The peers are Debian's packages, unpacked into build/bench-peers and never installed: no timer, no cron
# job and no database of theirs comes to this host. Each has its own scratch configuration.
#
#   peers.sh [PEER]... [--json FILE]     (all: aide tripwire integrit events)
#
# From the environment: BENCH_TREE (/usr), BENCH_PEER_ROUNDS (1 for checks), BENCH_SCRATCH. Exit 1: a gate is missed.
set -euo pipefail

json=${BENCH_JSON:-}
peers=()
while [[ $# -gt 0 ]]; do
    case $1 in
    --json) json=${2:?--json needs a file} && shift ;;
    aide | tripwire | integrit | events) peers+=("$1") ;;
    *) echo "bench-peers: no peer or option $1" >&2 && exit 4 ;;
    esac
    shift
done
[[ ${#peers[@]} -gt 0 ]] || peers=(aide tripwire integrit events)
[[ -z $json ]] || json=$(realpath "$json")

cd "$(dirname "$0")/../.."
BUILD=$(realpath "${BUILD:-build}")
TREE=$(realpath "${BENCH_TREE:-/usr}")
ROUNDS=${BENCH_PEER_ROUNDS:-1}
[[ $(id -u) -eq 0 ]] || { echo "bench-peers: needs root" >&2 && exit 4; }
# shellcheck source=tests/bench/lib.sh
source tests/bench/lib.sh

ROOT=$BUILD/bench-peers # what is unpacked
PACKAGES=(aide libmhash2 tripwire integrit inotify-tools libinotifytools0 fatrace)

unpack() {
    local package file
    mkdir -p "$ROOT/root"
    for package in "${PACKAGES[@]}"; do
        file=$(find "$ROOT" -maxdepth 1 -name "${package}_*.deb" -print -quit)
        if [[ -z $file ]]; then
            (cd "$ROOT" && apt-get -qq -o APT::Sandbox::User=root download "$package") || die "$package cannot be fetched (apt-get update?)"
            file=$(find "$ROOT" -maxdepth 1 -name "${package}_*.deb" -print -quit)
        fi
        dpkg -x "$file" "$ROOT/root"
    done
    LIBRARIES=$(dirname "$(find "$ROOT/root" -name 'libmhash.so.2' -print -quit)")
}

peer() {
    local program=$1
    shift
    LD_LIBRARY_PATH=$LIBRARIES "$ROOT/root/usr/$program" "$@"
}

version_of() {
    find "$ROOT" -maxdepth 1 -name "$1_*.deb" -printf '%f' -quit | cut -d_ -f2 | sed 's/%3a/:/'
}

# checked FILE STATUS_MAX PROGRAM ARGUMENT... — adds wall and CPU seconds, and the most memory in KiB
checked() {
    local file=$1 most=$2 program=$3 status=0
    shift 3
    LD_LIBRARY_PATH=$LIBRARIES /usr/bin/time -f '%e %U %S %M' -o "$SCRATCH/time" "$program" "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?
    [[ $status -le $most ]] || { tail -n 5 "$SCRATCH/out" "$SCRATCH/err" >&2 && die "exit $status: $program"; }
    tail -n 1 "$SCRATCH/time" | awk '{printf "%s %.2f %d\n", $1, $2 + $3, $4}' >>"$file"
}

# beside NAME STATUS_MAX GATE PROGRAM ARGUMENT... — the check in turns with driftd's full pass
beside() {
    local name=$1 most=$2 gate=$3 i mine theirs kind=report
    shift 3
    [[ $gate == - ]] || kind=gate
    for ((i = 0; i < ROUNDS; i++)); do
        checked "$SCRATCH/$name.check" "$most" "$@"
        timed "$SCRATCH/$name.driftd" driftctl scan --full
    done
    mine=$(column 1 <"$SCRATCH/$name.driftd" | median)
    theirs=$(column 1 <"$SCRATCH/$name.check" | median)
    figure peers "driftd's full pass beside $name" "$(calc "$mine / $theirs" 3)" x "$kind" "$gate" \
        "$mine s beside $theirs s; CPU s $(column 2 <"$SCRATCH/$name.driftd" | median) beside $(column 2 <"$SCRATCH/$name.check" | median)"
    figure peers "resident at most: driftd beside $name" \
        "$(calc "$(resident VmHWM) * 1024 / $(column 3 <"$SCRATCH/$name.check" | median)" 2)" x report - \
        "$(resident VmHWM) beside $(calc "$(column 3 <"$SCRATCH/$name.check" | median) / 1024" 1) MiB"
}

# ---- checkers: type, mode, owner, group, size, content; what a link holds, xattrs and flags where the peer knows them ----

peer_aide() {
    local home=$SCRATCH/aide workers version
    version="AIDE $(version_of aide)"
    mkdir "$home"
    for workers in 1 "$(nproc)"; do
        cat >"$home/conf" <<TEXT
database_in=file:$home/db
database_out=file:$home/db
gzip_dbout=no
report_url=stdout
log_level=error
num_workers=$workers
Bench = ftype+p+u+g+s+l+xattrs+e2fsattrs+sha256
$TREE Bench
TEXT
        [[ -f $home/db ]] || peer bin/aide --config "$home/conf" --init >"$SCRATCH/out" 2>&1 || die "aide --init: $(tail -n 3 "$SCRATCH/out")"
        if [[ $workers -eq 1 ]]; then
            beside "$version" 7 0.05 "$ROOT/root/usr/bin/aide" --config "$home/conf" --check
        else
            beside "$version with $workers workers" 7 - "$ROOT/root/usr/bin/aide" --config "$home/conf" --check
        fi
    done
}

# It knows no SHA-256: SHA-1.
peer_tripwire() {
    local home=$SCRATCH/tripwire
    mkdir "$home"
    cat >"$home/twcfg.txt" <<TEXT
ROOT=$ROOT/root/usr/sbin
POLFILE=$home/tw.pol
DBFILE=$home/tw.twd
REPORTFILE=$home/report.twr
SITEKEYFILE=$home/site.key
LOCALKEYFILE=$home/local.key
EDITOR=/bin/false
LATEPROMPTING=false
LOOSEDIRECTORYCHECKING=true
MAILNOVIOLATIONS=false
EMAILREPORTLEVEL=3
REPORTLEVEL=0
SYSLOGREPORTING=false
TEMPDIRECTORY=$home
TEXT
    printf '%s -> +pugtsrS;\n' "$TREE" >"$home/twpol.txt"
    (
        peer sbin/twadmin --generate-keys --site-keyfile "$home/site.key" --site-passphrase bench-site
        peer sbin/twadmin --generate-keys --local-keyfile "$home/local.key" --local-passphrase bench-local
        peer sbin/twadmin --create-cfgfile --cfgfile "$home/tw.cfg" --site-keyfile "$home/site.key" --site-passphrase bench-site "$home/twcfg.txt"
        peer sbin/twadmin --create-polfile --cfgfile "$home/tw.cfg" --polfile "$home/tw.pol" --site-passphrase bench-site "$home/twpol.txt"
        peer sbin/tripwire --init --cfgfile "$home/tw.cfg" --local-passphrase bench-local
    ) >"$SCRATCH/out" 2>&1 || die "tripwire: $(tail -n 3 "$SCRATCH/out")"
    beside "Tripwire $(version_of tripwire) (SHA-1)" 7 - "$ROOT/root/usr/sbin/tripwire" --check --cfgfile "$home/tw.cfg"
}

# SHA-1 too; a rule's small letters are what is checked.
peer_integrit() {
    local home=$SCRATCH/integrit
    mkdir "$home"
    printf 'root=%s\nknown=%s/known.cdb\ncurrent=%s/current.cdb\n%s spILugzAMCR\n' "$TREE" "$home" "$home" "$TREE" >"$home/conf"
    peer sbin/integrit -C "$home/conf" -u >"$SCRATCH/out" 2>&1 || die "integrit: $(tail -n 3 "$SCRATCH/out")"
    mv "$home/current.cdb" "$home/known.cdb"
    beside "integrit $(version_of integrit) (SHA-1)" 1 - "$ROOT/root/usr/sbin/integrit" -C "$home/conf" -c
}

# ---- events: from a write's close() to the word of it ----

peer_figure() {
    local p50 p99 max
    read -r p50 p99 max <"$SCRATCH/latency"
    figure peers "$1: change to word, p50" "$p50" ms report - "p99 $p99, max $max ms; $2"
}

# peer_lines NAME READY PROGRAM ARGUMENT... — READY is a function that returns 0 once it listens
peer_lines() {
    local name=$1 ready=$2 child
    shift 2
    rm -f "$SCRATCH/fifo"
    mkfifo "$SCRATCH/fifo"
    exec 8<>"$SCRATCH/fifo"
    LD_LIBRARY_PATH=$LIBRARIES stdbuf -oL "$@" >"$SCRATCH/fifo" 2>"$SCRATCH/err" 8<&- &
    child=$!
    OTHERS=("$child")
    if wait_for 60 "$ready"; then
        "$TOOLS/latency" lines "$SCRATCH/fifo" 20 >"$SCRATCH/latency" || die "$name did not tell of all changes"
        peer_figure "$name" 'tells that something happened, judges nothing, keeps nothing'
    else
        echo "peers     $name: not measured: $(head -c 300 "$SCRATCH/err")"
    fi
    end_process "$child"
    OTHERS=()
    exec 8<&-
}

inotifywait_listens() {
    grep -q 'Watches established' "$SCRATCH/err"
}
fatrace_listens() {
    local line
    echo changed >>"$SCRATCH/watched/probe"
    read -rt 0.2 line <&8 && [[ $line == */watched/probe* ]]
}

peer_events() {
    local count=${BENCH_CHANGES:-300} files=${BENCH_EVENT_FILES:-20000}
    stop_daemon
    "$TOOLS/tree" "$SCRATCH/watched" "$files"
    touch "$SCRATCH/watched/probe"
    find "$SCRATCH/watched" -name '*.conf' | sort | awk -v step="$((files / (3 * count) + 1))" 'NR % step == 1' >"$SCRATCH/paths"
    instance watched "$SCRATCH/watched"
    bless
    start_settled
    head -n "$count" "$SCRATCH/paths" | "$TOOLS/latency" socket "$SOCKET" 20 >"$SCRATCH/latency" || die "driftd did not tell of all changes"
    peer_figure driftd 'judged by content, durable in the history'
    stop_daemon
    peer_lines "inotifywait $(version_of inotify-tools)" inotifywait_listens "$ROOT/root/usr/bin/inotifywait" -m -r -e close_write --format '%w%f' "$SCRATCH/watched" \
        < <(tail -n "+$((count + 1))" "$SCRATCH/paths" | head -n "$count")
    peer_lines "fatrace $(version_of fatrace)" fatrace_listens "$ROOT/root/usr/sbin/fatrace" -f W \
        < <(tail -n "+$((2 * count + 1))" "$SCRATCH/paths" | head -n "$count")
}

unpack
machine_json >"$SCRATCH/machine"
machine_text
touch "$SCRATCH/figures"
if [[ " ${peers[*]} " =~ \ (aide|tripwire|integrit)\  ]]; then
    [[ -x /usr/bin/time ]] || die "/usr/bin/time is not installed (Debian: apt-get install time)"
    "$TOOLS/raw" "$TREE" >/dev/null # fills the cache
    instance scan "$TREE"
    bless
    start_settled
fi
for name in "${peers[@]}"; do
    "peer_$name"
done
stop_daemon
if [[ -n $json ]]; then
    write_json "$json.new"
    jq '.schema = "driftd.bench-peers/1"' "$json.new" >"$json"
    rm "$json.new"
fi
echo "$SECONDS s"
exit "$MISSED"
