# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# How a scope wants its files looked at: growing, present, exclusions, attributes, overlapping scopes, severity.

begin_log() {
    mkdir "$TREE/log"
    printf 'first line\nsecond line\n' >"$TREE/log/messages"
    write_config "[files log]
path = $TREE/log
mode = growing"
    start_clean
}

test_a_log_may_grow() {
    begin_log
    printf 'third line\n' >>"$TREE/log/messages"
    expect_exit 0 driftctl diff --full
    stop_daemon
    printf 'fourth line\n' >>"$TREE/log/messages"
    start_daemon
    expect_exit 0 driftctl diff --full
}

test_the_known_beginning_of_a_log_must_stay() {
    begin_log
    printf 'third line\n' >>"$TREE/log/messages"
    expect_exit 0 driftctl diff
    printf 'FIRST' | dd of="$TREE/log/messages" conv=notrunc status=none
    wait_until "$LIVE" has_drift "file:$TREE/log/messages" changed
    expect_exit 1 driftctl diff --json "$TREE/log/messages"
    expect_json '[.drifts[0].attributes[].name] == ["content"]'
}

test_rotation_by_rename() {
    begin_log
    mv "$TREE/log/messages" "$TREE/log/messages.1"
    printf 'a new day\n' >"$TREE/log/messages"
    # The rotated one is a new name in the scope; the log itself is no drift.
    no_drift_of_the_log() { diff_json | jq -e --arg item "file:$TREE/log/messages" 'all(.drifts[]; .item != $item)'; }
    wait_until "$LIVE" no_drift_of_the_log
    # Its new beginning is known from now on.
    printf 'and its second line\n' >>"$TREE/log/messages"
    no_drift_of_the_log >/dev/null || fail "the new log may not grow"
    # The digests differ and it is as expected: why, is said as it is.
    expect_exit 0 driftctl show "$TREE/log/messages"
    expect_output '^as expected$'
    expect_output '^no line diff: it may grow: content is that of its known beginning'
    printf 'A NEW' | dd of="$TREE/log/messages" conv=notrunc status=none
    wait_until "$LIVE" has_drift "file:$TREE/log/messages" changed
}

test_rotation_by_copytruncate() {
    begin_log
    cp -p "$TREE/log/messages" "$TREE/log/messages.1"
    : >"$TREE/log/messages"
    no_drift_of_the_log() { diff_json | jq -e --arg item "file:$TREE/log/messages" 'all(.drifts[]; .item != $item)'; }
    wait_until "$LIVE" no_drift_of_the_log
    printf 'a new day\n' >>"$TREE/log/messages"
    wait_until "$LIVE" no_drift_of_the_log
}

test_present_asks_only_that_it_is_there() {
    mkdir "$TREE/state"
    printf 'one\n' >"$TREE/state/file"
    write_config "[files state]
path = $TREE/state
mode = present"
    start_clean
    printf 'anything else\n' >"$TREE/state/file"
    expect_exit 0 driftctl diff --full
    rm "$TREE/state/file"
    wait_until "$LIVE" has_drift "file:$TREE/state/file" missing
    printf 'x\n' >"$TREE/state/new"
    wait_until "$LIVE" has_drift "file:$TREE/state/new" unexpected
}

test_exclusions() {
    mkdir -p "$TREE/cache/deep" "$TREE/a/b"
    write_config "[files tree]
path = $TREE
exclude = $TREE/cache
exclude = $TREE/*.tmp
exclude = $TREE/**/skip?"
    start_clean
    printf 'x\n' >"$TREE/cache/deep/file"
    printf 'x\n' >"$TREE/x.tmp"
    printf 'x\n' >"$TREE/a/b/skip1"
    expect_exit 0 driftctl diff
    printf 'x\n' >"$TREE/a/x.tmp"
    printf 'x\n' >"$TREE/a/b/skip12"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].item] == ["file:" + $tree + "/a/b/skip12", "file:" + $tree + "/a/x.tmp"]' --arg tree "$TREE"
}

test_the_most_specific_scope_wins() {
    mkdir "$TREE/low"
    printf 'x\n' >"$TREE/a"
    printf 'x\n' >"$TREE/low/a"
    write_config "[files tree]
path = $TREE
severity = high
[files low]
path = $TREE/low
severity = low
attributes = type mode"
    start_clean
    printf 'y\n' >"$TREE/low/a" # content is not expected there
    expect_exit 0 driftctl diff
    chmod 0600 "$TREE/low/a"
    printf 'y\n' >"$TREE/a"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].severity] == ["high", "low"]'
    expect_exit 1 driftctl status --json
    expect_json '.open == {high: 1, medium: 0, low: 1}'
}

test_times_are_expected_only_where_named() {
    printf 'x\n' >"$TREE/a"
    write_config "[files tree]
path = $TREE
attributes = type mode mtime nlink"
    start_clean
    touch -d '2001-02-03' "$TREE/a"
    ln "$TREE/a" "$SCRATCH/more"
    expect_exit 1 driftctl diff --json "$TREE/a"
    expect_json '[.drifts[0].attributes[].name] == ["mtime", "nlink"]'
}

test_links_in_a_path_are_resolved_once() {
    mkdir "$SCRATCH/real"
    printf 'x\n' >"$SCRATCH/real/a"
    ln -s "$SCRATCH/real" "$TREE/link"
    write_config "[files linked]
path = $TREE/link"
    start_clean
    printf 'y\n' >"$SCRATCH/real/a"
    wait_until "$LIVE" has_drift "file:$SCRATCH/real/a" changed
}

test_only_regular_files_are_opened() {
    mkfifo "$TREE/fifo"
    mknod "$TREE/zero" c 1 5 2>/dev/null || need_root
    start_clean
    expect_exit 0 driftctl diff --full
}

test_a_mount_over_a_watched_folder() {
    need_root
    mkdir "$TREE/sub"
    printf 'x\n' >"$TREE/sub/a"
    start_clean
    mount -t tmpfs none "$TREE/sub" 2>/dev/null || cannot_run_here "mount is not allowed"
    wait_until "$LIVE" has_drift "file:$TREE/sub/a" missing
    has_record mount || fail "the history has no mount"
    umount "$TREE/sub"
    wait_until "$LIVE" is_clean
}
