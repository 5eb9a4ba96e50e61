# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # the parts use each other's variables
#
# What the sections of the benchmark share: scratch instances of driftd, times and CPU times of commands, and figures. A
# figure is told on a line as soon as it is known, and kept as JSON in $SCRATCH/figures. Nothing of the host is changed:
# trees, configuration, store and socket lie in $SCRATCH, and processes are ended by number.
set -euo pipefail

: "${BUILD:?}" "${TREE:?}" "${ROUNDS:?}"
export LC_ALL=C.UTF-8 TZ=UTC
unset SUDO_USER NOTIFY_SOCKET WATCHDOG_USEC DRIFTD_PASSPHRASE_FILE SSH_AUTH_SOCK
TOOLS=$BUILD/tests/bench
SCRATCH=$(mktemp -d "${BENCH_SCRATCH:-/var/tmp}/driftd-bench.XXXXXX")
UNIT_ENVIRONMENT=$(sed -n 's/^Environment=//p' systemd/driftd.service)
DAEMON=      # the driftd that runs
OTHERS=()    # more processes to end
CONFIG='' SOCKET='' LOG=''
MISSED=0     # gates

clean_up() {
    local pid
    for pid in $DAEMON "${OTHERS[@]}"; do
        { kill "$pid" && wait "$pid"; } 2>/dev/null || true
    done
    # (A tool that was at work when we were ended may still write.)
    rm -rf --one-file-system "$SCRATCH" 2>/dev/null || { pause 1; rm -rf --one-file-system "$SCRATCH"; }
}
trap clean_up EXIT
trap 'exit 130' INT TERM

die() {
    echo "bench: $*" >&2
    [[ ! -s $LOG ]] || tail -n 5 "$LOG" >&2
    exit 4
}

# ---- waiting ----

exec 7<> <(:) # a pipe that nobody writes to: a pause without a process
pause() {
    read -rt "${1:-0.02}" -u 7 || true
}

# wait_for SECONDS COMMAND... — 1 where it never came. POLL (0.02 s) is longer where the command is work for the daemon.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS <= deadline)) || return 1
        pause "${POLL:-0.02}"
    done
}

# end_process PID — one of ours, and waits for its end
end_process() {
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

# ---- an instance ----

# instance NAME FOLDER [LINE OF [scan]]... — configuration, key, trust and store in $SCRATCH/NAME; not yet a baseline
instance() {
    local name=$1 folder=$2
    shift 2
    use "$name"
    mkdir -p "$SCRATCH/$name"
    write_config "$folder" "$@"
    driftctl key generate --name bench -o "$SCRATCH/key" --no-passphrase >/dev/null 2>&1 || [[ -f $SCRATCH/key ]]
    driftctl init --trust "$SCRATCH/key.pub" --yes >/dev/null 2>&1 || die "init failed in $SCRATCH/$name"
}

use() {
    CONFIG=$SCRATCH/$1/driftd.conf SOCKET=$SCRATCH/$1/run/control.sock LOG=$SCRATCH/$1/log
}

# write_config FOLDER [LINE OF [scan]]... — intervals so long that no pass begins by itself, unless a line says otherwise
write_config() {
    local folder=$1 state=${CONFIG%/*}
    shift
    {
        printf '[daemon]\nstate_dir = %s/state\nruntime_dir = %s/run\ntrust = %s/trust.conf\nwatch = %s\n\n[scan]\n' "$state" "$state" "$state" "${BENCH_WATCH:-auto}"
        [[ " $* " == *full_interval* ]] || echo 'full_interval = 100w'
        [[ " $* " == *quick_interval* ]] || echo 'quick_interval = 100w'
        [[ $# -eq 0 ]] || printf '%s\n' "$@"
        printf '\n[packages]\nenabled = no\n\n[files bench]\npath = %s\nmounts = none\nkeep_content = never\n' "$folder"
    } >"$CONFIG"
}

driftctl() {
    "$BUILD/driftctl" -c "$CONFIG" -q "$@"
}

bless() {
    driftctl bless "$@" --ticket bench --key "$SCRATCH/key" --yes >"$SCRATCH/out" 2>"$SCRATCH/err" || {
        cat "$SCRATCH/err" >&2
        die "bless failed"
    }
}

# Read from the log: to ask the socket again and again would be work that is measured too.
log_has() {
    grep -q -- "$1" "$LOG"
}

is_ready() {
    kill -0 "$DAEMON" || die "driftd ended"
    log_has '^driftd: watching'
}

# start_daemon — in the environment that the unit gives it, and waits until it is ready
start_daemon() {
    : >"$LOG" # what an earlier one said is no sign of this one
    env "$UNIT_ENVIRONMENT" "$BUILD/driftd" -c "$CONFIG" >>"$LOG" 2>&1 7<&- &
    DAEMON=$!
    wait_for 300 is_ready || die "driftd did not become ready"
}

full_pass_over() {
    log_has '^driftd: scan .*"pass":"full"'
}

start_settled() {
    start_daemon
    wait_for 900 full_pass_over || die "the first full pass did not end"
}

stop_daemon() {
    [[ -n $DAEMON ]] || return 0
    end_process "$DAEMON"
    DAEMON=
}

open_drifts() {
    { driftctl status --json 2>/dev/null || true; } | jq '[.open[]] | add' # (drift is an exit code too)
}
open_is() {
    [[ $(open_drifts) -eq $1 ]]
}

# resident WHAT — VmRSS or VmHWM of the daemon in MiB
resident() {
    awk -v what="$1:" '$1 == what {printf "%.1f\n", $2 / 1024}' "/proc/$DAEMON/status"
}

# ---- measuring ----

# cpu_of PID — user and system seconds of it so far
cpu_of() {
    awk -v hz="$(getconf CLK_TCK)" '{sub(/.*\) /, ""); printf "%.2f\n", ($12 + $13) / hz}' "/proc/$1/stat"
}

calc() {
    awk "BEGIN {printf \"%.${2:-3}f\\n\", $1}"
}

# timed FILE COMMAND... — adds a line to FILE: wall seconds, CPU seconds of it and of the daemon. Drift (1) is an answer,
# and so is incomplete (2); a failure is none.
timed() {
    local file=$1 before=0 after=0 status=0 TIMEFORMAT='%3R %3U %3S' daemon=$DAEMON
    shift
    [[ -z $daemon ]] || before=$(cpu_of "$daemon")
    { time "$@" >"$SCRATCH/out" 2>"$SCRATCH/err" || status=$?; } 2>"$SCRATCH/time"
    [[ -z $daemon ]] || after=$(cpu_of "$daemon")
    [[ $status -le 2 ]] || { cat "$SCRATCH/err" >&2 && die "exit $status: $*"; }
    tail -n 1 "$SCRATCH/time" | awk -v a="$before" -v b="$after" '{printf "%s %.2f\n", $1, $2 + $3 + b - a}' >>"$file"
}

# column N <FILE, median <NUMBERS, spread <NUMBERS
column() {
    cut -d' ' -f"$1"
}
median() {
    sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}
spread() {
    sort -n | awk 'NR == 1 {first = $1} {last = $1} END {printf "%s–%s", first, last}'
}

drop_caches() {
    sync
    echo 3 >/proc/sys/vm/drop_caches
}

# ---- figures ----

# figure SECTION NAME VALUE UNIT KIND BUDGET [DETAIL] — KIND gate, target or report (then BUDGET is -); met is VALUE <= BUDGET
figure() {
    local section=$1 name=$2 value=$3 unit=$4 kind=$5 budget=$6 detail=${7:-} met=null words=
    if [[ $kind != report ]]; then
        met=false words="$kind $budget: MISSED"
        ! awk -v v="$value" -v b="$budget" 'BEGIN {exit !(v <= b)}' || met=true words="$kind $budget: met"
        [[ $kind != gate || $met == true ]] || MISSED=1
    fi
    jq -nc --arg section "$section" --arg name "$name" --argjson value "$value" --arg unit "$unit" --arg kind "$kind" \
        --arg budget "$budget" --arg detail "$detail" --argjson met "$met" \
        '{section: $section, name: $name, value: $value, unit: $unit, kind: $kind,
          budget: (if $kind == "report" then null else ($budget | tonumber) end), met: $met, detail: $detail}' >>"$SCRATCH/figures"
    printf '%-9s %-60s %9s %-5s %-20s %s\n' "$section" "$name" "$value" "$unit" "$words" "$detail"
}

# ratio_figure SECTION NAME MINE REFERENCE KIND BUDGET — of two files of timed, line by line measured in turns
ratio_figure() {
    local mine reference ratio pairs cpu
    mine=$(column 1 <"$3" | median)
    reference=$(column 1 <"$4" | median)
    ratio=$(calc "$mine / $reference" 2)
    pairs=$(paste -d' ' "$3" "$4" | awk '$3 > 0 {printf "%.2f\n", $1 / $3}' | spread)
    cpu="$(column 2 <"$3" | median) beside $(column 2 <"$4" | median)"
    figure "$1" "$2" "$ratio" x "$5" "$6" "$mine s beside $reference s; pairs $pairs; CPU s $cpu"
}

# seconds_figure SECTION NAME FILE KIND BUDGET
seconds_figure() {
    figure "$1" "$2" "$(column 1 <"$3" | median)" s "$4" "$5" "$(column 1 <"$3" | spread) s; CPU s $(column 2 <"$3" | median)"
}

# ---- the machine ----

device_of() {
    findmnt -nro SOURCE,FSTYPE,OPTIONS --target "$1" | head -n 1
}

# machine_json — what the figures were measured on
machine_json() {
    local source fs options block rotational=unknown scheduler=unknown flags
    read -r source fs options < <(device_of "$TREE")
    block=$(lsblk -nro PKNAME "$source" 2>/dev/null | head -n 1)
    block=/sys/class/block/${block:-${source##*/}}/queue
    [[ ! -r $block/rotational ]] || rotational=$(<"$block/rotational") scheduler=$(<"$block/scheduler")
    flags=$(grep -m1 -owE 'sha_ni|avx512f|avx2|sha2' /proc/cpuinfo | sort -u | tr '\n' ' ' || true)
    jq -nc --arg cpu "$(awk -F': ' '/^model name/ {print $2; exit}' /proc/cpuinfo)" --arg flags "$flags" --argjson cores "$(nproc)" \
        --argjson memory "$(awk '/^MemTotal/ {printf "%d", $2 / 1024}' /proc/meminfo)" --arg kernel "$(uname -sr)" \
        --arg fs "$fs" --arg device "$source" --arg options "$options" --arg rotational "$rotational" --arg scheduler "$scheduler" \
        --arg load "$(cut -d' ' -f1 /proc/loadavg)" --arg date "$(date -u +%FT%TZ)" \
        --arg commit "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)$([[ -z $(git status --porcelain 2>/dev/null) ]] || echo +)" \
        --arg tree "$TREE" --argjson rounds "$ROUNDS" \
        '{date: $date, commit: $commit, cpu: $cpu, cpu_flags: $flags, cores: $cores, memory_mib: $memory, kernel: $kernel,
          device: $device, file_system: $fs, mount_options: $options, rotational: $rotational, scheduler: $scheduler,
          load_at_start: $load, tree: $tree, rounds: $rounds}'
}

machine_text() {
    jq -r '"\(.cpu) (\(.cpu_flags)), \(.cores) cores, \(.memory_mib) MiB; \(.kernel); \(.tree) on \(.file_system) (\(.device), rotational \(.rotational), scheduler \(.scheduler)); load \(.load_at_start) at the start; \(.rounds) rounds\n\(.date), commit \(.commit)"' "$SCRATCH/machine"
}

# write_json FILE
write_json() {
    jq -n --slurpfile machine "$SCRATCH/machine" --slurpfile figures "$SCRATCH/figures" \
        '{schema: "driftd.bench/1", machine: $machine[0], figures: $figures}' >"$1"
}
