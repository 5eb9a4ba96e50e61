# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# While the daemon is down nothing is forgotten: every start compares with the last signed baseline.

test_changes_while_down_are_unobserved_and_the_gap_is_recorded() {
    printf 'one\n' >"$TREE/changed"
    printf 'one\n' >"$TREE/removed"
    start_clean
    stop_daemon
    printf 'two\n' >"$TREE/changed"
    rm "$TREE/removed"
    printf 'new\n' >"$TREE/new"
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/changed" changed
    wait_until "$LIVE" has_drift "file:$TREE/removed" missing
    wait_until "$LIVE" has_drift "file:$TREE/new" unexpected
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 3 and all(.[]; .unobserved)'
    has_record gap '' '.detail.cause == "stopped" and .detail.from < .detail.to' || fail "the history has no gap with its bounds"
    # What happens now is observed.
    printf 'late\n' >"$TREE/late"
    wait_until "$LIVE" has_drift "file:$TREE/late" unexpected
    expect_exit 1 driftctl diff --json "$TREE/late"
    expect_json '.drifts[0].unobserved == false'
}

test_a_restart_never_takes_the_live_state_as_expected() {
    printf 'one\n' >"$TREE/a"
    start_clean
    local before
    before=$(active_id)
    put "$TREE/a" 'two\n'
    local i
    for i in 1 2 3; do
        stop_daemon
        start_daemon
        wait_until "$LIVE" has_drift "file:$TREE/a" changed
        expect_exit 1 driftctl diff
    done
    expect_equal "$(active_id)" "$before" "the active baseline"
    # The drift is the one that was open before, not a new one for each start.
    driftctl log --json --kind drift "$TREE/a" >"$OUT"
    expect_equal "$(wc -l <"$OUT")" 1 "the number of drift records"
}

test_killed_at_once_after_a_change_was_told() {
    printf 'one\n' >"$TREE/a"
    start_clean
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    crash_daemon
    expect_exit 0 driftctl log --json --kind drift "$TREE/a" # root, on the store itself
    expect_json '.item == "file:" + $path' --arg path "$TREE/a"
    start_daemon
    has_record gap '' '.detail.cause == "killed or crashed"' || fail "the history has no gap for the crash"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 0 driftctl verify
}

test_killed_again_and_again_while_files_change() {
    local i
    for i in {1..20}; do printf '%s\n' "$i" >"$TREE/$i"; done
    start_clean
    local gaps
    gaps=$(driftctl log --json --kind gap | wc -l)
    for i in {1..6}; do
        printf 'changed %s\n' "$i" >"$TREE/$i"
        crash_daemon
        start_daemon
    done
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[] | select(.change == "changed")] | length == 6'
    expect_exit 0 driftctl verify
    driftctl log --json --kind gap >"$OUT"
    expect_equal "$(wc -l <"$OUT")" "$((gaps + 6))" "the number of gaps"
}

test_put_right_while_down_is_resolved() {
    printf 'one\n' >"$TREE/a"
    start_clean
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    stop_daemon
    printf 'one\n' >"$TREE/a"
    start_daemon
    wait_until "$LIVE" is_clean
    has_record resolved "file:$TREE/a" '.detail.as == "reverted"' || fail "the history has no return"
}

test_a_second_daemon_on_the_same_store_is_refused() {
    start_clean
    expect_exit 4 timeout 30 "$BUILD/driftd" --config "$CONFIG"
    expect_error 'held by another'
    expect_exit 0 driftctl status
}

test_the_end_is_recorded() {
    start_clean
    stop_daemon
    has_record stop || fail "the history has no stop"
    ! is_listening || fail "the socket is still there"
}
