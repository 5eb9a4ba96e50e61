# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Each kind of change is found live, without anybody asking, and shown by diff with its attributes; put right, it is gone,
# and the history has both.

begin() {
    mkdir -p "$TREE/etc"
    printf 'one\ntwo\n' >"$TREE/etc/file"
    chmod 0644 "$TREE/etc/file"
    ln -s file "$TREE/etc/link"
    start_clean
}

# found PATH CHANGE [ATTRIBUTES] — ATTRIBUTES as diff names them, with blanks between
found() {
    local item=file:$1 change=$2
    wait_until "$LIVE" has_drift "$item" "$change"
    has_record drift "$item" ".detail.change == \"$change\"" || fail "the history has no such drift of $item"
    expect_exit 1 driftctl diff --json "$item"
    expect_json '.verdict == "drift"'
    # Asked for a folder, diff answers for all that is below it too.
    expect_json '[.drifts[] | select(.item == $item)] | length == 1 and (.[0] | .change == $change and .state == "open" and
        .baseline == "host" and .unobserved == false)' --arg item "$item" --arg change "$change"
    if [[ $# -gt 2 ]]; then
        expect_json '[.drifts[] | select(.item == $item) | .attributes[].name] == ($names | split(" "))' \
            --arg item "$item" --arg names "$3"
    fi
}

reverted() {
    local item=file:$1
    wait_until "$LIVE" no_drift "$item"
    expect_exit 0 driftctl diff "$item"
    has_record resolved "$item" '.detail.as == "reverted"' || fail "the history has no return of $item"
}

test_content() {
    begin
    printf 'one\nand two\n' >"$TREE/etc/file"
    found "$TREE/etc/file" changed 'size content'
    expect_json '.drifts[0].attributes[1].actual == $sum' --arg sum "$(sha256sum <"$TREE/etc/file" | cut -d' ' -f1)"
    expect_exit 1 driftctl diff
    expect_output "^changed +file:$TREE/etc/file +.*content"
    printf 'one\ntwo\n' >"$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_content_of_the_same_size_with_the_times_put_back() {
    begin
    touch -r "$TREE/etc/file" "$SCRATCH/times"
    printf 'one\nTWO\n' >"$TREE/etc/file"
    touch -r "$SCRATCH/times" "$TREE/etc/file"
    found "$TREE/etc/file" changed content
}

test_a_replacement_by_rename_with_the_same_content_is_no_drift() {
    begin
    cp -p "$TREE/etc/file" "$TREE/etc/file.new"
    mv "$TREE/etc/file.new" "$TREE/etc/file"
    expect_exit 0 driftctl diff
    printf 'other\n' >"$SCRATCH/new"
    mv "$SCRATCH/new" "$TREE/etc/file"
    found "$TREE/etc/file" changed
}

test_mode() {
    begin
    chmod 4755 "$TREE/etc/file"
    found "$TREE/etc/file" changed mode
    expect_json '.drifts[0].attributes[0] | .expected == "0644" and .actual == "4755"'
    chmod 0644 "$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_mode_of_a_folder() {
    begin
    chmod 0777 "$TREE/etc"
    found "$TREE/etc" changed mode
    chmod 0755 "$TREE/etc"
    reverted "$TREE/etc"
}

test_owner() {
    need_root
    begin
    chown 12345:54321 "$TREE/etc/file"
    found "$TREE/etc/file" changed 'uid gid'
    expect_json '.drifts[0].attributes | .[0].actual == "12345" and .[1].actual == "54321"'
    chown 0:0 "$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_extended_attribute() {
    begin
    setfattr -n user.driftd -v one "$TREE/etc/file" || cannot_run_here "the file system has no user attributes"
    found "$TREE/etc/file" changed xattrs
    setfattr -x user.driftd "$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_an_empty_extended_attribute_and_one_of_another_value() {
    begin
    setfattr -n user.driftd -v '' "$TREE/etc/file" || cannot_run_here "the file system has no user attributes"
    found "$TREE/etc/file" changed xattrs
    bless_all
    wait_until "$LIVE" is_clean
    setfattr -n user.driftd -v x "$TREE/etc/file"
    found "$TREE/etc/file" changed xattrs
}

test_access_control_list() {
    begin
    setfacl -m u:12345:rw "$TREE/etc/file" || cannot_run_here "the file system has no ACLs"
    wait_until "$LIVE" has_drift "file:$TREE/etc/file" changed
    expect_exit 1 driftctl diff --json
    expect_json 'any(.drifts[0].attributes[]; .name == "xattrs")'
    setfacl -b "$TREE/etc/file"
    chmod 0644 "$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_capability() {
    need_root
    begin
    setcap cap_net_raw+ep "$TREE/etc/file" || cannot_run_here "the file system has no capabilities"
    found "$TREE/etc/file" changed xattrs
    setcap -r "$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_file_flag() {
    need_root
    SCAN_KEYS='quick_interval = 1s' write_config # not every kernel makes an event of it: a quick pass sees it too
    begin
    chattr +i "$TREE/etc/file" || cannot_run_here "the file system has no flags"
    found "$TREE/etc/file" changed flags
    chattr -i "$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_type() {
    begin
    rm "$TREE/etc/file"
    mkfifo -m 0644 "$TREE/etc/file"
    wait_until "$LIVE" has_drift "file:$TREE/etc/file" changed
    expect_exit 1 driftctl diff --json "$TREE/etc/file"
    expect_json '.drifts[0].attributes[0] == {name: "type", expected: "file", actual: "fifo"}'
    rm "$TREE/etc/file"
    printf 'one\ntwo\n' >"$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_a_file_becomes_a_link_and_the_target_is_not_read() {
    begin
    rm "$TREE/etc/file"
    printf 'one\ntwo\n' >"$SCRATCH/same"
    ln -s "$SCRATCH/same" "$TREE/etc/file"
    wait_until "$LIVE" has_drift "file:$TREE/etc/file" changed
    expect_exit 1 driftctl diff --json "$TREE/etc/file"
    expect_json 'any(.drifts[0].attributes[]; .name == "type" and .actual == "link")'
}

test_target_of_a_link() {
    begin
    ln -sfn /etc/shadow "$TREE/etc/link"
    found "$TREE/etc/link" changed target
    expect_json '.drifts[0].attributes[0] | .expected == "file" and .actual == "/etc/shadow"'
    ln -sfn file "$TREE/etc/link"
    reverted "$TREE/etc/link"
}

test_removal() {
    begin
    cp -p "$TREE/etc/file" "$SCRATCH/kept"
    rm "$TREE/etc/file"
    found "$TREE/etc/file" missing
    cp -p "$SCRATCH/kept" "$TREE/etc/file"
    reverted "$TREE/etc/file"
}

test_a_new_file() {
    begin
    printf 'x\n' >"$TREE/etc/new"
    found "$TREE/etc/new" unexpected
    rm "$TREE/etc/new"
    reverted "$TREE/etc/new"
}

test_a_new_folder_with_all_that_is_in_it() {
    begin
    mkdir -p "$SCRATCH/deep/a/b/c"
    printf 'x\n' >"$SCRATCH/deep/a/b/c/file"
    mv "$SCRATCH/deep" "$TREE/deep"
    local path
    for path in deep deep/a deep/a/b deep/a/b/c deep/a/b/c/file; do
        found "$TREE/$path" unexpected
    done
    # and it is watched from now on
    printf 'y\n' >"$TREE/deep/a/b/c/second"
    found "$TREE/deep/a/b/c/second" unexpected
    rm -r "$TREE/deep"
    wait_until "$LIVE" is_clean
}

test_many_folders_made_at_once_lose_none() {
    begin
    local i
    for i in {1..40}; do
        mkdir -p "$TREE/many/$i/x/y" && printf '%s\n' "$i" >"$TREE/many/$i/x/y/file"
    done
    all_found() { diff_json --cached | jq -e '[.drifts[] | select(.change == "unexpected" and (.item | endswith("/file")))] | length == 40'; }
    wait_until "$LIVE" all_found
}

test_a_rename() {
    begin
    mv "$TREE/etc/file" "$TREE/etc/renamed"
    found "$TREE/etc/file" missing
    found "$TREE/etc/renamed" unexpected
    mv "$TREE/etc/renamed" "$TREE/etc/file"
    reverted "$TREE/etc/file"
    reverted "$TREE/etc/renamed"
}

test_a_folder_moved_away_and_made_anew() {
    begin
    mkdir "$TREE/etc/sub" && printf 'x\n' >"$TREE/etc/sub/file"
    bless_all
    wait_until "$LIVE" is_clean
    mv "$TREE/etc/sub" "$SCRATCH/away"
    mkdir "$TREE/etc/sub"
    found "$TREE/etc/sub/file" missing
    # What happens in the folder that went is not blamed on the one that has its name now.
    printf 'x\n' >"$SCRATCH/away/stranger"
    printf 'y\n' >"$TREE/etc/sub/other"
    found "$TREE/etc/sub/other" unexpected
    no_drift "file:$TREE/etc/sub/stranger" >/dev/null || fail "the folder that was moved away is still watched under its old name"
    rm "$TREE/etc/sub/other"
    printf 'x\n' >"$TREE/etc/sub/file"
    wait_until "$LIVE" is_clean
}

test_the_folder_of_the_scope_itself_replaced() {
    begin
    mv "$TREE" "$SCRATCH/away"
    mkdir "$TREE"
    found "$TREE/etc/file" missing
    rmdir "$TREE"
    mv "$SCRATCH/away" "$TREE"
    wait_until "$LIVE" is_clean
    printf 'x\n' >"$TREE/etc/new"
    found "$TREE/etc/new" unexpected
}

test_an_edit_through_a_hard_link_outside() {
    printf 'one\n' >"$SCRATCH/outside"
    ln "$SCRATCH/outside" "$TREE/inside"
    SCAN_KEYS='quick_interval = 1s' write_config
    start_clean
    printf 'two\n' >"$SCRATCH/outside" # no event: the quick pass finds it
    found "$TREE/inside" changed content
}

test_an_edit_through_a_hard_link_outside_is_in_the_next_diff() {
    printf 'one\n' >"$SCRATCH/outside"
    ln "$SCRATCH/outside" "$TREE/inside"
    start_clean
    printf 'other\n' >"$SCRATCH/outside"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].item] == ["file:" + $path]' --arg path "$TREE/inside"
}

test_a_full_scan_vouches_for_content() {
    # Same size, modification time put back: a stat alone would not tell what the content is.
    begin
    expect_exit 0 driftctl diff --full
    touch -r "$TREE/etc/file" "$SCRATCH/times"
    printf 'TWO' | dd of="$TREE/etc/file" bs=1 seek=4 conv=notrunc status=none
    touch -r "$SCRATCH/times" "$TREE/etc/file"
    expect_exit 1 driftctl scan --full
    expect_exit 1 driftctl diff "$TREE/etc/file"
}

test_every_change_made_before_diff_starts_is_in_its_answer() {
    begin
    local i
    for i in {1..20}; do
        printf '%s\n' "$i" >"$TREE/etc/file"
        expect_exit 1 driftctl diff "$TREE/etc/file"
        printf 'one\ntwo\n' >"$TREE/etc/file"
        expect_exit 0 driftctl diff "$TREE/etc/file"
    done
}

test_show_tells_lines_and_history() {
    begin
    printf 'one\nand two\n' >"$TREE/etc/file"
    found "$TREE/etc/file" changed
    expect_exit 1 driftctl show "$TREE/etc/file"
    expect_output '^[ ]*-two$'
    expect_output '^[ ]*\+and two$'
    expect_exit 1 driftctl show "$TREE/etc/file" --json
    expect_json '.item == "file:" + $path and (.history | length) > 0' --arg path "$TREE/etc/file"
    expect_exit 0 driftctl show "$TREE/etc/link"
    expect_exit 0 driftctl show "$TREE/not/there" --json
    expect_json '.covered'
}

test_show_keeps_secrets() {
    printf 'secret one\n' >"$TREE/shadow"
    chmod 0600 "$TREE/shadow"
    start_clean
    printf 'secret two\n' >"$TREE/shadow"
    found "$TREE/shadow" changed
    expect_exit 1 driftctl show "$TREE/shadow"
    expect_no_output 'secret (one|two)'
    expect_exit 1 driftctl show "$TREE/shadow" --json
    expect_json '.line_diff == null and .line_diff_reason != null'
    ! strings -a "$STATE/driftd.db" "$STATE/driftd.db-wal" 2>/dev/null | grep -q '^secret' || fail "the store holds the secret"
}
