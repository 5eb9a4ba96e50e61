# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the tests of the bed share. Each test boots a machine of its own (a second), does to it what it likes, and the
# machine is gone afterwards. It starts from one of three layers: bare (Debian), installed (with our packages), guarded
# (with a first signed baseline, driftd running). All helpers of tests/system/lib.sh work, and ask the driftctl
# in the machine.
#
# `in_bed COMMAND` runs something as root in the machine, from outside of all its units: what it does there is what
# a user of that host would do. $LEADER is the machine's process 1, as seen from here.
. tests/system/lib.sh

ROOT=$SCRATCH/root
MACHINE='' LEADER=''
BOOT=60 # seconds: the deadline for a boot or a shutdown

# ---- machines ----

layers_below() {
    case $1 in
    bare) echo "$BED_CACHE_FOLDER/tree" ;;
    installed) echo "$BED/installed:$(layers_below bare)" ;;
    guarded) echo "$BED/guarded:$(layers_below installed)" ;;
    esac
}

# In control groups of its own: two systemds in one would end each other's processes.
spawn_machine() {
    local group
    for group in $BED_CGROUPS; do
        mkdir -p "$group/${SCRATCH##*/}"
        echo "$BASHPID" >"$group/${SCRATCH##*/}/cgroup.procs"
    done
    exec systemd-nspawn --quiet --directory="$ROOT" --boot --machine="${SCRATCH##*/}" --register=no --keep-unit \
        ${MACHINE_CALLS:+--system-call-filter="$MACHINE_CALLS"} \
        --private-network --link-journal=no --resolv-conf=off --timezone=off --settings=no --console=pipe \
        --bind-ro="$BUILD/deb:/srv/deb" --bind-ro="$BED_CACHE_FOLDER/repo:/srv/repo"
}

machine_is_booting() {
    LEADER=$(pgrep -P "$MACHINE" -x systemd) && in_bed test -S /run/systemd/private
}

# start_machine — boots what is mounted at ROOT. MACHINE_STATE=degraded: with a unit that failed, and shall.
start_machine() {
    spawn_machine >"$SCRATCH/console" 2>&1 </dev/null 9>&- &
    MACHINE=$!
    wait_until "$BOOT" machine_is_booting
    remember_process "$LEADER"
    in_bed timeout "$BOOT" systemctl is-system-running --wait >"$OUT" 2>&1 || [[ $(cat "$OUT") == "${MACHINE_STATE:-}" ]] ||
        fail "the machine is $(cat "$OUT")"$'\n'"$(in_bed systemctl --failed --no-legend)"
}

# boot LAYER — MACHINE_CALLS="NAME...": with system calls that nspawn by itself keeps from a machine. MOUNT_OPTIONS: more of
# them, for its file system.
boot() {
    mkdir -p "$ROOT" "$SCRATCH/upper" "$SCRATCH/work"
    mount -t overlay -o "lowerdir=$(layers_below "$1"),upperdir=$SCRATCH/upper,workdir=$SCRATCH/work${MOUNT_OPTIONS:+,$MOUNT_OPTIONS}" \
        overlay "$ROOT"
    start_machine
}

# An orderly shutdown; ROOT stays mounted, so that start_machine can follow.
shut_down() {
    kill -RTMIN+3 "$LEADER"
    timeout "$BOOT" tail -f /dev/null --pid="$MACHINE" || fail 'the machine does not shut down'
    wait "$MACHINE" || true
    MACHINE='' LEADER=''
}

pull_the_plug() {
    [[ -z $LEADER ]] || kill -KILL "$LEADER" 2>/dev/null || true
    [[ -z $MACHINE ]] || wait "$MACHINE" 2>/dev/null || true
    MACHINE='' LEADER=''
}

# Called by run.sh after the test.
end_test() {
    pull_the_plug
    umount "$ROOT"
}

in_bed() {
    nsenter -t "$LEADER" -a env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LC_ALL=C.UTF-8 TZ=UTC DEBIAN_FRONTEND=noninteractive "$@"
}

# as USER COMMAND [ARGUMENT]...
as() {
    local user=$1
    shift
    in_bed runuser -u "$user" -- "$@"
}

# ---- our programs there ----

driftctl() {
    timeout --foreground --kill-after=5 60 nsenter -t "$LEADER" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        LC_ALL=C.UTF-8 TZ=UTC driftctl "$@"
}

# property NAME — of driftd.service
property() {
    in_bed systemctl show -P "$1" driftd.service
}

unit_is() {
    [[ $(property ActiveState) == "$1" ]]
}

# The daemon's number, as the machine sees it.
daemon_pid() {
    property MainPID
}

# drop_in TEXT — adds to the unit, for this machine.
drop_in() {
    in_bed mkdir -p /run/systemd/system/driftd.service.d
    printf '%b' "$1" | in_bed tee /run/systemd/system/driftd.service.d/test.conf >/dev/null
    in_bed systemctl daemon-reload
}

# The daemon's line NAME of /proc/PID/status.
status_line() {
    in_bed sed -nE "s/^$1:[[:space:]]*//p" "/proc/$(daemon_pid)/status"
}

# exposure [ARGUMENT]... — what systemd-analyze gives
exposure() {
    in_bed systemd-analyze security --no-pager "$@" | sed -nE 's/.*Overall exposure level for .*: ([0-9.]+) .*/\1/p'
}

# expect_exposed LEVEL MAX
expect_exposed() {
    awk -v is="$1" -v max="$2" 'BEGIN{exit !(is > 0 && is <= max)}' || fail "the exposure is «$1», and more than $2"
}

# attempt — runs standard input as a shell script with the daemon's own view, user, capabilities and call filter: by a unit
# that differs in its command. Its words are then in OUT.
attempt() {
    in_bed tee /run/attempt >/dev/null
    in_bed sh -c 'sed "s|^Type=.*|Type=oneshot|; s|^ExecStart=.*|ExecStart=/bin/sh /run/attempt|
        /^\(WatchdogSec\|Restart\|RestartSec\|NotifyAccess\|ExecReload\|StateDirectory\|RuntimeDirectory\)=/d
        /^\[Service\]/a ReadWritePaths=/var/lib/driftd /run/driftd\nStandardOutput=truncate:/run/attempt.out" /lib/systemd/system/driftd.service \
        >/run/systemd/system/attempt.service && systemctl daemon-reload && systemctl start attempt.service' ||
        fail "$(in_bed journalctl --quiet -o cat -u attempt.service)"
    in_bed cat /run/attempt.out >"$OUT" # the journal does not always know any more whose line it was
}

# put FILE TEXT — in the machine, in one step.
put() {
    printf '%b' "$2" | in_bed sh -c 'cat >"$1.put" && mv "$1.put" "$1"' put "$1"
}

# approve [ITEM]... — what is there now becomes the next signed baseline. The key never is in the machine.
approve() {
    local name=$SCRATCH/next.baseline
    driftctl propose -q --author alice --ticket CHG-1 "$@" >"$name" 2>"$ERR" || fail "propose: $(cat "$ERR")"
    rm -f "$name.approval"
    "$BUILD/driftctl" sign --key "$BED/keys/alice" --trust "$BED/keys/trust.conf" --yes "$name" >/dev/null 2>"$ERR" ||
        fail "sign: $(cat "$ERR")"
    in_bed tee /run/next.baseline <"$name" >/dev/null
    in_bed tee /run/next.baseline.approval <"$name.approval" >/dev/null
    driftctl apply /run/next.baseline >/dev/null
}

# ---- the journal ----

# message_id KIND — as the source has it
message_id() {
    sed -nE "s/^MESSAGE_ID\($1, \"([0-9a-f]{32})\"\)$/\1/p" daemon/message_id.h
}

# journal_json KIND [MATCH]... — the entries of a kind, one JSON document a line
journal_json() {
    local kind=$1
    shift
    in_bed journalctl --quiet --output=json --no-pager MESSAGE_ID="$(message_id "$kind")" "$@"
}

# has_entry KIND EXPRESSION [jq's ARGUMENT]...
has_entry() {
    local kind=$1 expression=$2
    shift 2
    journal_json "$kind" | jq -se "$@" "any(.[]; $expression)" >/dev/null
}

# ---- packages ----

# offer old|new... — which of the two versions of the repository apt knows
offer() {
    local version
    in_bed rm -f /etc/apt/sources.list.d/bed.list
    for version in "$@"; do
        echo "deb [trusted=yes] file:/srv/repo/$version ./" | in_bed tee -a /etc/apt/sources.list.d/bed.list >/dev/null
    done
    in_bed apt-get update -qq >"$SCRATCH/apt.log" 2>&1 || fail "apt-get update: $(cat "$SCRATCH/apt.log")"
}

# get install|upgrade|… [ARGUMENT]... — apt-get, without questions, and without waiting for the disk
get() {
    in_bed apt-get -qq --yes --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io \
        "$@" >"$SCRATCH/apt.log" 2>&1 </dev/null ||
        fail "apt-get $*: $(tail -n 20 "$SCRATCH/apt.log")"
}

# Our packages, as make deb built them.
install_ours() {
    local archive archives=()
    for archive in "$BUILD"/deb/driftctl_*.deb "$BUILD"/deb/driftd_*.deb; do
        archives+=("/srv/deb/${archive##*/}")
    done
    get install "${archives[@]}"
}

# What a failed test tells besides.
tell_more() {
    if [[ -n $LEADER ]] && kill -0 "$LEADER" 2>/dev/null; then
        echo '    the journal of the unit said last:'
        in_bed journalctl --quiet --no-pager -o cat -u driftd.service -n 15 2>&1 | sed 's/^/        /'
    else
        echo '    the console said last:'
        tail -n 15 "$SCRATCH/console" 2>/dev/null | sed 's/^/        /'
    fi
}
