# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the history tells of one item, from its first drift to its last.

# The story of $TREE/a, a word a record.
story() {
    driftctl log --json "$TREE/a" | jq -r '
        if .kind == "drift" then (if .detail.again then "again" else "drift" end)
        elif .kind == "resolved" then "\(.detail.as)@\(.detail.by_generation // "-")"
        elif .kind == "waive" then "waive-\(.detail.state)" else .kind end' | xargs
}

test_an_items_story_is_told_in_order() {
    printf 'one\n' >"$TREE/a"
    start_clean
    put "$TREE/a" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 0 driftctl ack "$TREE/a" --reason 'on it'
    put "$TREE/a" 'three\n'
    reopened() { diff_json --cached | jq -e '.drifts[0].state == "open"'; }
    wait_until "$LIVE" reopened
    put "$TREE/a" 'one\n' # back, and nobody approved
    wait_until "$LIVE" no_drift "file:$TREE/a"
    put "$TREE/a" 'four\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    driftctl waive "$TREE/a" --until +3s --reason 'vendor patch' --ticket CHG-2 -o "$SCRATCH/w.baseline" >/dev/null
    driftctl sign "$SCRATCH/w.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 0 driftctl apply "$SCRATCH/w.baseline"
    ended() { [[ $(diff_json --cached | jq -r '.drifts[0].state') == open ]]; }
    wait_until "$LIVE" ended
    stop_daemon # its end is told with the next sign of life, or at a start
    start_daemon
    bless_all
    wait_until "$LIVE" no_drift "file:$TREE/a"
    expect_equal "$(story)" 'drift ack drift reverted@- drift waive-given waive-ended again approved@3' 'the story'
    has_record ack "$TREE/a" '.detail.asked.uid == ('"$(id -u)"') and .detail.asked.user == "'"$(id -un)"'"' || fail 'who acknowledged is not told'
    has_record waive "$TREE/a" '.detail.state == "given" and .detail.asked.uid == ('"$(id -u)"') and .detail.asked.user == "'"$(id -un)"'"' ||
        fail 'who applied the waiver is not told'
    expect_exit 0 driftctl log --kind resolved
    expect_output 'reverted without approval'
    expect_output 'approved by_generation=3'
    expect_exit 0 driftctl show "$TREE/a" --json
    expect_json '[.history[].kind] == ["drift", "ack", "drift", "resolved", "drift", "waive", "waive", "drift", "resolved"]'
    expect_exit 0 driftctl verify
}

test_what_flaps_is_folded_and_judged_as_ever() {
    printf 'one\n' >"$TREE/a"
    start_clean
    local i
    for ((i = 0; i < 14; i++)); do
        put "$TREE/a" 'two\n'
        wait_until "$LIVE" has_drift "file:$TREE/a" changed
        put "$TREE/a" 'one\n'
        wait_until "$LIVE" no_drift "file:$TREE/a"
    done
    has_record flapping "$TREE/a" '.detail.state == "began"' || fail 'nothing tells that it flaps'
    local n
    n=$(driftctl log --json "$TREE/a" | wc -l)
    [[ $n -le 20 ]] || fail "28 changes made $n records"
    put "$TREE/a" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 1 driftctl diff
    stop_daemon
    start_daemon
    expect_exit 1 driftctl diff
    has_record flapping "$TREE/a" '.detail.state == "over" and .detail.changes == 29' || fail "the count is not exact: $(driftctl log --json --kind flapping)"
    expect_exit 0 driftctl verify
}
