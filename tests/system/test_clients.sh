# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Several people ask at once: each gets an answer, and theirs.

# ask NUMBER TIMES COMMAND... — runs it so often and writes down what went wrong
ask() {
    local number=$1 times=$2 status i
    shift 2
    for ((i = 0; i < times; i++)); do
        status=0
        driftctl "$@" >"$SCRATCH/answer$number" 2>&1 || status=$?
        [[ $status -eq 0 ]] || { echo "$* ended with $status: $(head -c 300 "$SCRATCH/answer$number")" >>"$SCRATCH/wrong" && return; }
    done
}

at_once() {
    local number clients=()
    : >"$SCRATCH/wrong"
    for number in 1 2 3 4; do
        ask "$number" "$@" &
        clients+=($!)
    done
    wait "${clients[@]}"
    [[ ! -s $SCRATCH/wrong ]] || fail "$(cat "$SCRATCH/wrong")"
}

begin() {
    local i
    for i in {1..50}; do printf '%s\n' "$i" >"$TREE/$i"; done
    start_clean
}

test_status() {
    begin
    at_once 25 status
}

test_show() {
    begin
    at_once 25 show "$TREE/7" --json
}

test_diff() {
    begin
    at_once 10 diff
}

test_log() {
    begin
    at_once 25 log --json
}

test_an_answer_while_somebody_follows_and_does_not_read() {
    begin
    mkfifo "$SCRATCH/unread"
    exec 7<>"$SCRATCH/unread"
    "$BUILD/driftctl" --config "$CONFIG" watch --json >"$SCRATCH/unread" 2>/dev/null 9>&- 7>&- &
    remember_process $!
    local i
    for i in {1..400}; do printf '%s\n' "$i" >"$TREE/new$i"; done
    all_found() { diff_json --cached | jq -e '.drifts | length == 400'; }
    wait_until "$LIVE" all_found
    expect_exit 1 driftctl diff
    exec 7>&-
    kill "$!" 2>/dev/null || true
}
