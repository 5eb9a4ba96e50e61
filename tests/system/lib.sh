# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the system tests share. A test is a function test_…; run.sh runs each in a process and a scratch folder of its own, so
# that a whole instance (configuration, trust, store, socket, watched tree) lives in $SCRATCH and nothing of the host
# is touched. A helper that finds something wrong ends the test with words. Nothing sleeps for luck: wait_until asks
# again and again, up to a deadline.
set -Eeuo pipefail

: "${SCRATCH:?run.sh sets it}" "${BUILD:?run.sh sets it}"

export CONFIG=$SCRATCH/driftd.conf
export TREE=$SCRATCH/tree STATE=$SCRATCH/state RUN=$SCRATCH/run KEYS=$SCRATCH/keys
export TRUST=$SCRATCH/trust.conf
OUT=$SCRATCH/stdout ERR=$SCRATCH/stderr
LIVE=30 # seconds: the deadline for what happens by itself. Reached only by what is broken: it is waited for, not slept.
DAEMON=
mkdir -p "$TREE" "$KEYS" "$SCRATCH/packs"
unset SUDO_USER NO_COLOR DRIFTD_PASSPHRASE_FILE SSH_AUTH_SOCK NOTIFY_SOCKET WATCHDOG_USEC
export LC_ALL=C.UTF-8 TZ=UTC

# ---- telling ----

exec 9>&2 # a test's words, also from where standard error goes elsewhere

fail() {
    trap - ERR
    {
        printf 'FAILED: %s\n' "$*"
        local i
        for ((i = 1; i < ${#FUNCNAME[@]} - 1; i++)); do
            [[ ${BASH_SOURCE[i]} == */lib.sh ]] || printf '    in %s, %s:%s\n' "${FUNCNAME[i]}" "${BASH_SOURCE[i]##*/}" "${BASH_LINENO[i - 1]}"
        done
        tell_more
    } >&9
    exit 1
}

tell_more() {
    if [[ -s $SCRATCH/driftd.log ]]; then
        echo '    the daemon said last:'
        tail -n 15 "$SCRATCH/driftd.log" | sed 's/^/        /'
    fi
}
trap 'fail "a command returned $?: $BASH_COMMAND"' ERR

# Something is missing that can be installed or granted: CI must not go on without it.
skip() {
    echo "skipped: $*" >&9
    exit 77
}

# This machine cannot show it, whoever runs the test: accepted in CI too.
cannot_run_here() {
    echo "cannot run here: $*" >&9
    exit 78
}

need_root() {
    [[ $(id -u) -eq 0 ]] || skip "needs root"
}

# All tests of a run with WATCH=fanotify, and those of who did it: where the kernel does not grant it, there is nothing to test.
need_fanotify() {
    "$BUILD/tests/tools/can_fanotify" "$SCRATCH" 2>"$ERR" || cannot_run_here "$(cat "$ERR")"
}
[[ ${WATCH:-} != fanotify ]] || need_fanotify

# ---- waiting ----

# A twentieth of a second without a process of its own: from a pipe that nobody writes to. (Each process substitution stays in
# the shell's list; among hundreds of thousands of processes a number comes again, and the shell then waits for ever.)
exec 6<> <(:)
pause() {
    read -rt 0.05 -u 6 || true
}

# wait_until SECONDS COMMAND [ARGUMENT]...
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS > deadline)); then
            driftctl diff --cached >"$OUT" 2>&1 || true
            fail "waited in vain for: $*"$'\n'"the ledger: $(head -c 3000 "$OUT")"
        fi
        pause
    done
}

# ---- the programs ----

driftctl() {
    timeout --foreground --kill-after=5 60 "$BUILD/driftctl" --config "$CONFIG" "$@"
}

# Where a daemon listens, the kernel lists its socket; a socket file left behind by a killed one is not listed. (To ask
# with driftctl would take the store from a daemon that is just starting.)
is_listening() {
    grep -q " 00010000 .* $RUN/control.sock\$" /proc/net/unix
}

status_json() {
    driftctl status --json 2>/dev/null || [[ $? -le 3 ]]
}

diff_json() {
    driftctl diff --json "$@" || [[ $? -le 3 ]]
}

daemon_is_up() {
    kill -0 "$DAEMON" || fail "the daemon ended by itself"
    is_listening && status_json | jq -e .daemon.running
}

# What run.sh ends if the test does not: by number and start time, for numbers are used again.
remember_process() {
    echo "$1 $(cut -d' ' -f22 "/proc/$1/stat")" >>"$SCRATCH/pids"
}

# start_daemon [ARGUMENT]...
start_daemon() {
    "$BUILD/driftd" --config "$CONFIG" "$@" >>"$SCRATCH/driftd.log" 2>&1 9>&- &
    DAEMON=$!
    remember_process "$DAEMON"
    wait_until 60 daemon_is_up
}

stop_daemon() {
    local status=0
    kill -TERM "$DAEMON"
    wait "$DAEMON" || status=$?
    [[ $status -eq 0 ]] || fail "the daemon ended with status $status"
    DAEMON=
}

crash_daemon() {
    kill -KILL "$DAEMON"
    wait "$DAEMON" 2>/dev/null || true
    DAEMON=
}

# Called by run.sh after the test: a daemon must also end well, and under a sanitizer then tells what it leaked.
end_test() {
    [[ -z $DAEMON ]] || stop_daemon
}

# A sanitizer makes it slow, and keeps what is freed for a while: there memory says nothing.
is_sanitized() {
    [[ $(nm -D "$BUILD/driftd") == *__asan_init* ]]
}

# ---- expecting ----

# expect_exit CODE COMMAND [ARGUMENT]... — its output is then what expect_json, expect_output and expect_error look at.
expect_exit() {
    local wanted=$1 got=0
    shift
    "$@" >"$OUT" 2>"$ERR" </dev/null || got=$?
    [[ $got -eq $wanted ]] ||
        fail "exit $got and not $wanted: $*"$'\n'"$(head -c 3000 "$OUT")"$'\n'"$(head -c 3000 "$ERR")"
}

# expect_json EXPRESSION [jq's ARGUMENT]...
expect_json() {
    local expression=$1
    shift
    jq -e "$@" "$expression" "$OUT" >/dev/null || fail "not so: $expression $*"$'\n'"$(jq -c . "$OUT" 2>&1 | head -c 3000)"
}

expect_output() {
    grep -Eq -e "$1" "$OUT" || fail "standard output has no /$1/:"$'\n'"$(head -c 3000 "$OUT")"
}

expect_error() {
    grep -Eq -e "$1" "$ERR" || fail "standard error has no /$1/:"$'\n'"$(head -c 3000 "$ERR")"
}

expect_no_output() {
    ! grep -Eq -e "$1" "$OUT" || fail "standard output has /$1/:"$'\n'"$(head -c 3000 "$OUT")"
}

expect_equal() {
    [[ $1 == "$2" ]] || fail "${3:-this} is «$1» and not «$2»"
}

# ---- an instance ----

# write_config [SECTIONS] — the scopes, by default one named tree. SCAN_KEYS adds lines to [scan]; WATCH is by which
# way of the kernel the folders are watched.
write_config() {
    local sections=${1:-"[files tree]
path = $TREE"}
    cat >"$CONFIG" <<TEXT
[daemon]
state_dir = $STATE
runtime_dir = $RUN
trust = $TRUST
packs = $SCRATCH/packs
watch = ${WATCH:-inotify}
[scan]
workers = 2
${SCAN_KEYS:-}

$sections
TEXT
}

# make_key NAME — KEYS/NAME (unsealed) and KEYS/NAME.pub
make_key() {
    driftctl key generate --name "$1" -o "$KEYS/$1" --no-passphrase >/dev/null
}

# write_trust THRESHOLD NAME... — a first trust file; EXTRA adds lines to [baseline *].
write_trust() {
    local threshold=$1 name
    shift
    {
        printf '[trust]\ngeneration = 1\nparent = none\n'
        for name in "$@"; do
            printf '[approver %s]\nkey = %s\n' "$name" "$(cut -d' ' -f1,2 "$KEYS/$name.pub")"
        done
        printf '[baseline *]\napprovers = %s\nthreshold = %s\n%s\n' "$*" "$threshold" "${EXTRA:-}"
    } >"$TRUST"
}

bless_all() {
    driftctl bless --ticket CHG-1 --key "$KEYS/alice" --yes "$@" >"$OUT" 2>"$ERR" ||
        fail "bless: $(cat "$OUT" "$ERR")"
}

# What most tests start from: alice approves, and what is in the tree is approved.
first_steps() {
    [[ -e $CONFIG ]] || write_config
    make_key alice
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    bless_all
}

# first_steps with the daemon up and done with its first pass.
start_clean() {
    first_steps
    start_daemon
    wait_until "$LIVE" is_clean
}

# ---- the ledger, as the daemon has it without being asked to look ----

is_clean() {
    diff_json --cached | jq -e '.verdict == "clean" and (.drifts | length) == 0'
}

# has_drift ITEM CHANGE
has_drift() {
    diff_json --cached | jq -e --arg item "$1" --arg change "$2" \
        'any(.drifts[]; .item == $item and .change == $change)'
}

# no_drift ITEM
no_drift() {
    diff_json --cached | jq -e --arg item "$1" 'all(.drifts[]; .item != $item)'
}

# has_record KIND [ITEM] [EXPRESSION] — the history has such a record
has_record() {
    driftctl log --json --kind "$1" ${2:+"$2"} | jq -se "any(.[]; ${3:-true})" >/dev/null
}

# The drifts of a document as sorted lines: item, change, what is there now.
drift_lines() {
    jq -r '.drifts[] | [.item, .change, (.attributes | map("\(.name)=\(.actual)") | join(","))] | @tsv' | sort
}

# ledger_equals_audit [ITEM]... — what the ledger holds equals an audit of the live tree against the same baseline,
# which shares neither watch, ledger nor marks with it.
ledger_equals_audit() {
    local generation
    generation=$(status_json | jq '.baselines[] | select(.name == "host").generation')
    driftctl diff --against "host@$generation" --json "$@" >"$SCRATCH/audit.json" || [[ $? -le 1 ]]
    diff_json --cached "$@" >"$SCRATCH/ledger.json"
    drift_lines <"$SCRATCH/audit.json" >"$SCRATCH/audit.txt"
    drift_lines <"$SCRATCH/ledger.json" >"$SCRATCH/ledger.txt"
    cmp "$SCRATCH/audit.txt" "$SCRATCH/ledger.txt"
}

# One random operation somewhere in the tree; those that make no sense there just fail.
random_operation() {
    local folders files folder file n=$((RANDOM % 10))
    mapfile -t folders < <(find "$TREE" -type d)
    mapfile -t files < <(find "$TREE" -type f)
    folder=${folders[RANDOM % ${#folders[@]}]}
    file=${files[RANDOM % (${#files[@]} + 1)]:-$TREE/none}
    case $((RANDOM % 9)) in
    0) mkdir -p "$folder/d$n/e$n" ;;
    1 | 2) printf '%s' "$RANDOM" >"$folder/f$n" ;;
    3) mv -T "$file" "${folders[RANDOM % ${#folders[@]}]}/f$n" ;;
    4 | 5) [[ $folder == "$TREE" ]] || mv -T "$folder" "${folders[RANDOM % ${#folders[@]}]}/d$n" ;;
    6) [[ $folder == "$TREE" || $((RANDOM % 3)) -ne 0 ]] || rm -r "$folder" ;;
    7) chmod "0$((600 + RANDOM % 2 * 44))" "$file" ;;
    8) ln -s "f$n" "$folder/s$n" ;;
    esac 2>/dev/null || true
}

# put FILE TEXT — in one step: `printf >file` is two changes, empty and then full, and both may be seen
put() {
    printf '%b' "$2" >"$SCRATCH/put"
    mv "$SCRATCH/put" "$1"
}

# The baseline that is in force, as one word: its signed bytes, and that they are what is judged by.
active_id() {
    driftctl baseline export "${1:-host}" | sha256sum | cut -d' ' -f1
}
