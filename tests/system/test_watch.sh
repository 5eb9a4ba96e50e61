# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Nothing is missed: what is found live is, in the end, what a look at everything by another way finds.

test_random_operations_end_in_what_an_audit_finds() {
    mkdir -p "$TREE"/a/{b,c}/{d,e}
    printf 'x\n' | tee "$TREE"/a/{b,c}/{d,e}/file >/dev/null
    start_clean
    RANDOM=20261123
    for _ in {1..6}; do
        for _ in {1..35}; do random_operation; done
        wait_until "$LIVE" ledger_equals_audit
    done
    [[ -s $SCRATCH/audit.txt ]] || fail "the operations changed nothing: the test shows nothing"
}

# A folder is watched, then read: what is made in it before its watch exists must be seen by reading.
test_files_in_folders_that_are_nested_and_new() {
    start_clean
    local path=$TREE i
    for i in {1..200}; do path+=/n$i; done
    mkdir -p "$path"
    printf 'leaf\n' >"$path/leaf"
    wait_until "$LIVE" has_drift "file:$path/leaf" unexpected
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 201'
}

test_a_diff_right_after_a_write_has_it() {
    start_clean
    local i
    for i in {1..200}; do
        printf '%s' "$i" >"$TREE/now$i"
        driftctl diff --json "$TREE/now$i" >"$OUT" || [[ $? -eq 1 ]]
        jq -e '.drifts | length == 1' "$OUT" >/dev/null || fail "the diff after write $i has no drift"
    done
}

test_a_change_while_down_with_its_times_put_back_is_found() {
    printf 'before\n' >"$TREE/mapped"
    start_clean
    # While nobody watches, so that no event tells; size and mtime are put back.
    stop_daemon
    touch -r "$TREE/mapped" "$SCRATCH/times"
    printf 'BEFORE\n' >"$TREE/mapped"
    touch -r "$SCRATCH/times" "$TREE/mapped"
    start_daemon
    expect_exit 1 driftctl diff --full --json
    expect_json '.drifts | length == 1 and .[0].attributes[0].name == "content" and .[0].unobserved'
}

test_other_names_of_a_hard_link_are_found_by_a_diff() {
    mkdir "$TREE/a" "$TREE/b" "$SCRATCH/outside"
    printf 'shared\n' >"$TREE/a/one"
    ln "$TREE/a/one" "$TREE/b/two"
    ln "$TREE/a/one" "$SCRATCH/outside/three"
    start_clean
    printf 'changed\n' >"$SCRATCH/outside/three" # a folder that nobody watches
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].item] == [$one, $two]' --arg one "file:$TREE/a/one" --arg two "file:$TREE/b/two"
    expect_exit 1 driftctl show --json "$TREE/a/one"
    expect_json '.. | objects | select(has("nlink")) | .nlink == 3'
    expect_exit 1 driftctl show "$TREE/a/one"
    expect_output '^  links: 3 '
    # A folder's links are its folders: it has no other name.
    expect_exit 0 driftctl show "$TREE"
    expect_no_output '^  links:'
}

test_a_fifo_a_socket_and_a_device_are_never_opened() {
    mkfifo "$TREE/fifo"
    [[ $(id -u) -ne 0 ]] || mknod "$TREE/null" c 1 3
    start_clean
    mkfifo "$TREE/second"
    wait_until "$LIVE" has_drift "file:$TREE/second" unexpected
    expect_exit 1 driftctl diff --full --json
    expect_json '.coverage.complete'
}

test_a_parent_that_becomes_a_link_is_not_followed() {
    mkdir "$TREE/real" "$SCRATCH/elsewhere"
    printf 'secret\n' | tee "$TREE/real/file" >"$SCRATCH/elsewhere/file"
    start_clean
    mv "$TREE/real" "$SCRATCH/moved"
    ln -s "$SCRATCH/elsewhere" "$TREE/real"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[] | [.item, .change]] == [[$folder, "changed"], [$file, "missing"]]' \
        --arg folder "file:$TREE/real" --arg file "file:$TREE/real/file"
}

test_an_unchanged_tree_stays_clean_through_many_looks() {
    mkdir -p "$TREE/a/b"
    printf 'x\n' | tee "$TREE"/a/{1..50} >/dev/null
    start_clean
    local i
    for i in {1..50}; do expect_exit 0 driftctl diff; done
    expect_exit 0 driftctl diff --full
    ! has_record drift || fail "a drift was recorded where nothing changed"
}
