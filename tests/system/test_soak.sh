# shellcheck shell=bash disable=SC2153
# SPDX-License-Identifier: MIT
# The soak: files change in every way (tests/tools/churn.c) while several clients ask, bless and acknowledge, and the
# daemon is killed, stopped and reloaded at random. Then all is quiet, and what must hold is exact: the ledger equals an audit of
# the live tree, the history verifies and has each gap, nothing leaked, no problem is left.
# SOAK_SECONDS (20), SOAK_SEED and SOAK_RATE (changes a second, 300) may be set; make soak SOAK_SECONDS=1200 runs it long.

SOAK_SECONDS=${SOAK_SECONDS:-20} SOAK_RATE=${SOAK_RATE:-300}
SOAK_SEED=${SOAK_SEED:-$(date +%s)$$}
CHILDREN=()

note() {
    printf 'note: %s\n' "$*" >&9
}

stop_load() {
    local pid
    : >"$SCRATCH/quiet"
    for pid in "${CHILDREN[@]}"; do wait "$pid" || fail "a part of the load ended with $?: $(tail -n 3 "$SCRATCH/churn")"; done
}

# ---- clients ----

some_item() {
    local files
    find "$TREE/tree" -type f >"$SCRATCH/found$1" 2>/dev/null || true
    mapfile -t -n 50 files <"$SCRATCH/found$1"
    echo "${files[RANDOM % (${#files[@]} + 1)]:-$TREE/tree}"
}

# What a client asks this time, in QUESTION.
choose_question() {
    local item
    item=$(some_item "$1")
    case $((RANDOM % 14)) in
    0 | 1) QUESTION=(status --json) ;;
    2 | 3) QUESTION=(diff --json) ;;
    4) QUESTION=(diff --full --json) ;;
    5) QUESTION=(diff --cached --json "$TREE/tree/**") ;;
    6) QUESTION=(scan) ;;
    7 | 8) QUESTION=(show --json "$item") ;;
    9) QUESTION=(log --json --since -1m) ;;
    10) QUESTION=(verify) ;;
    11) QUESTION=(ack "$item" --reason soak) ;;
    12) QUESTION=(bless "$item" --ticket CHG-2 --key "$KEYS/alice" --yes) ;;
    13) QUESTION=(baseline export host) ;;
    esac
}

# An operation may fail (4): the daemon was just killed, or what was to be blessed moved. It may not be untrusted, crash, or
# hang.
client() {
    local number=$1 status QUESTION
    RANDOM=$((SOAK_SEED % 32768 + number))
    until [[ -e $SCRATCH/quiet ]]; do
        status=0
        choose_question "$number"
        driftctl "${QUESTION[@]}" >"$SCRATCH/answer$number" 2>"$SCRATCH/words$number" || status=$?
        case $status in
        0 | 1 | 2) ;;
        4) head -n 1 "$SCRATCH/words$number" >>"$SCRATCH/failed" ;;
        *) echo "${QUESTION[*]} ended with $status: $(head -qc 2000 "$SCRATCH/answer$number" "$SCRATCH/words$number")" >>"$SCRATCH/wrong" ;;
        esac
        pause
    done
}

# Each record it is told of comes once, and in order. It ends with the daemon, and is started again.
follow() {
    local status
    until [[ -e $SCRATCH/quiet ]]; do
        status=0
        timeout 5 "$BUILD/driftctl" --config "$CONFIG" watch --json >"$SCRATCH/followed" 2>/dev/null || status=$?
        [[ $status -eq 124 || $status -le 4 ]] || echo "watch ended with $status" >>"$SCRATCH/wrong"
        jq -r '.seq // empty' <"$SCRATCH/followed" >"$SCRATCH/seqs" 2>/dev/null || true # its last line may be cut
        sort -nuc "$SCRATCH/seqs" 2>>"$SCRATCH/wrong" || true
        pause
    done
}

# ---- the daemon ----

sample() {
    local start=$EPOCHREALTIME status=0
    driftctl status --json >"$OUT" 2>"$ERR" || status=$?
    [[ $status -le 2 ]] || fail "status ended with $status: $(cat "$OUT" "$ERR")"
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.0f\n", 1000 * (b - a)}' >>"$SCRATCH/waits"
}

# A daemon that is gone leaves its store to driftctl, run by root, which may keep it for longer than a start waits: then it
# is started again, as its unit says.
start_again() {
    local i
    for i in {1..20}; do
        "$BUILD/driftd" --config "$CONFIG" >>"$SCRATCH/driftd.log" 2>&1 9>&- &
        DAEMON=$!
        remember_process "$DAEMON"
        while kill -0 "$DAEMON" 2>/dev/null; do
            ! is_listening || return 0 # once seen is enough: the kernel's list can leave one out while others come and go
            pause
        done
        wait "$DAEMON" || [[ $? -eq 4 ]] || fail "a start ended with $?"
    done
    fail "it does not start again: the store is held by others"
}

trouble() {
    case $((RANDOM % 30)) in
    0 | 1)
        crash_daemon
        KILLS=$((KILLS + 1))
        start_again
        ;;
    2 | 3)
        kill -STOP "$DAEMON"
        for ((i = RANDOM % 20; i > 0; i--)); do pause; done
        kill -CONT "$DAEMON"
        ;;
    4) kill -HUP "$DAEMON" ;;
    5) stop_daemon && start_again ;;
    esac
}

resident_kib() {
    awk '/^VmRSS:/{print $2}' "/proc/$DAEMON/status"
}

descriptors() {
    find "/proc/$DAEMON/fd" -mindepth 1 | wc -l
}

begin() {
    local i
    mkdir -p "$TREE/log" "$TREE/mapped" "$TREE/last" "$TREE"/tree/d{0..4}/d{0..4}
    for i in {0..5}; do head -c 8192 /dev/zero >"$TREE/mapped/m$i"; done
    printf 'x\n' | tee "$TREE"/tree/d{0..4}/f{0..5} "$TREE"/tree/d{0..4}/d{0..4}/f{0..5} >/dev/null
    printf 'x\n' | tee "$TREE"/last/{0..599} >/dev/null
    printf 'line\n' >"$TREE/log/messages"
    write_config "[files tree]
path = $TREE/tree
path = $TREE/mapped
path = $TREE/last
[files log]
path = $TREE/log
mode = growing"
    start_clean
}

# ---- what must hold ----

expect_quiet_truth() {
    local scan tree=("$TREE/tree" "$TREE/last")
    wait_until "$LIVE" ledger_equals_audit "$TREE/tree" # (other names of a file are looked for after a while)
    [[ -s $SCRATCH/audit.txt ]] || fail "nothing has changed: the soak shows nothing"
    # By events alone, for nobody looks: all of them, also those that came within a storm.
    scan=$(driftctl log --json --kind scan | tail -n 1 | jq .seq)
    "$BUILD/tests/tools/churn" "$TREE" last
    wait_until 8 ledger_equals_audit "$TREE/last"
    [[ $(wc -l <"$SCRATCH/audit.txt") -eq 601 ]] || fail "$(wc -l <"$SCRATCH/audit.txt") drifts in last/ and not 601"
    [[ $(driftctl log --json --kind scan | tail -n 1 | jq .seq) -eq $scan ]] || note "a pass was made meanwhile: missed events may have been found by it"
    expect_drifts=$(wc -l <"$SCRATCH/audit.txt")
    driftctl diff --full >/dev/null || [[ $? -eq 1 ]] || fail "a full diff ended with $?"
    ledger_equals_audit "${tree[@]}" || fail "after a full diff the ledger is not the audit: $(diff "$SCRATCH/audit.txt" "$SCRATCH/ledger.txt" | head)"
    ledger_equals_audit "$TREE/mapped" || fail "stores through mappings: $(diff "$SCRATCH/audit.txt" "$SCRATCH/ledger.txt" | head)"
    no_drift "file:$TREE/log/messages" || fail "a log that only grew and was rotated is called changed"
}

expect_quiet_daemon() {
    local resident descriptors held
    [[ ! -s $SCRATCH/wrong ]] || fail "$(head -n 5 "$SCRATCH/wrong")"
    status_json >"$OUT"
    expect_json '[.problems[].kind] - ["first_use"] == []'
    expect_json '.coverage.complete and .coverage.verified == .coverage.expected'
    expect_exit 0 driftctl verify
    expect_equal "$(driftctl log --json --kind gap | jq -s 'map(select(.detail.cause != "stopped")) | length')" "$KILLS" "the number of gaps"
    # What it holds now, beside one that has just been started on the same tree and ledger.
    resident=$(resident_kib) descriptors=$(descriptors) held=$(ls -l "/proc/$DAEMON/fd")
    stop_daemon
    start_daemon
    driftctl diff --full >/dev/null || [[ $? -eq 1 ]] || fail "a full diff ended with $?"
    note "the daemon holds $resident KiB and $descriptors descriptors; a new one $(resident_kib) KiB and $(descriptors)"
    [[ $descriptors -le $(($(descriptors) + 1)) ]] || fail "descriptors leaked: $held"
    is_sanitized || [[ $resident -le $(($(resident_kib) * 3 / 2 + 16384)) ]] || fail "memory leaked"
}

test_soak() {
    local end=$((SECONDS + SOAK_SECONDS)) i KILLS=0
    note "seed $SOAK_SEED, $SOAK_SECONDS s"
    begin
    RANDOM=$((SOAK_SEED % 32768))
    "$BUILD/tests/tools/churn" "$TREE" "$SOAK_SEED" "$SOAK_SECONDS" "$SOAK_RATE" >"$SCRATCH/churn" 2>&1 9>&- &
    CHILDREN=($!)
    for i in 1 2; do client "$i" & CHILDREN+=($!); done
    follow & CHILDREN+=($!)
    for i in "${CHILDREN[@]}"; do remember_process "$i"; done
    while ((SECONDS < end)); do
        kill -0 "$DAEMON" || fail "the daemon ended by itself"
        ((SECONDS > end - SOAK_SECONDS / 2)) || trouble # the second half is for what leaks
        sample
        pause
    done
    stop_load
    note "$(tail -n 1 "$SCRATCH/churn"), $KILLS kills, a status took $(sort -n "$SCRATCH/waits" |
        awk '{a[NR] = $1} END {print a[int((NR + 1) / 2)] " ms in the middle and " a[NR] " ms at most, of " NR}')"
    expect_quiet_truth
    expect_quiet_daemon
    note "$expect_drifts drifts at the end; operations that failed: $(sort "$SCRATCH/failed" 2>/dev/null | sed -E 's/[0-9]+/N/g; s/file:[^ ]*/ITEM/g' | sort | uniq -c | sort -rn | head -n 8 | tr -s ' \n' ' ;')"
}
