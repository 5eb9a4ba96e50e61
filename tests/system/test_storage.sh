# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The file system under the store is full, read-only, or fails: detection goes on, it is told, nothing is called clean, and
# when it works again all is written, in order.

# The store on a small file system of its own.
mount_small() {
    need_root
    mkdir -p "$STATE"
    mount -t tmpfs -o size="$1",mode=700 tmpfs "$STATE" 2>"$ERR" || skip "may not mount: $(cat "$ERR")"
}

# The store on ext4, whose disk is a file with holes on a small tmpfs: a full tmpfs is a disk that fails. Without a journal,
# so that the error reaches who writes, and does not make it read-only first.
mount_disk() {
    need_root
    mkdir -p "$STATE" "$SCRATCH/disk"
    mount -t tmpfs -o size=24m,mode=700 tmpfs "$SCRATCH/disk" 2>"$ERR" || skip "may not mount: $(cat "$ERR")"
    truncate -s 64M "$SCRATCH/disk/image"
    mkfs.ext4 -q "$@" "$SCRATCH/disk/image"
    mount_image
}

# The options are of the test's own.
MOUNT_OPTIONS=loop
mount_image() {
    mount -o "$MOUNT_OPTIONS" "$SCRATCH/disk/image" "$STATE" 2>"$ERR" || cannot_run_here "no loop device: $(cat "$ERR")"
}

is_detached() {
    [[ -z $(losetup -j "$SCRATCH/disk/image") ]]
}

# Until nobody has it any more: a mount namespace that was made meanwhile has a copy of the mount, and what is mounted
# again is what that one still holds.
umount_image() {
    umount "$STATE"
    wait_until "$LIVE" is_detached
}

# fill FOLDER — to the last byte
# fill FOLDER — to the last byte
fill() {
    dd if=/dev/urandom of="$1/fill" bs=64k status=none 2>/dev/null || true
    dd if=/dev/urandom of="$1/fill2" bs=512 status=none 2>/dev/null || true
}

has_storage_problem() {
    status_json | jq -e 'any(.problems[]; .kind == "storage" and .lowers_coverage)'
}

no_storage_problem() {
    status_json | jq -e 'all(.problems[]; .kind != "storage")'
}

# Changes one file after the other until the store has failed: what fits into what is allocated is still written.
NEXT=0
change_until_it_fails() {
    local deadline=$((SECONDS + LIVE)) i
    until has_storage_problem >/dev/null; do
        ((SECONDS < deadline)) || fail "the store never failed: $(tail -n 3 "$SCRATCH/driftd.log")"
        for i in {1..50}; do
            NEXT=$((NEXT + 1))
            : >"$TREE/new.$NEXT"
        done
        wait_until "$LIVE" has_drift "file:$TREE/new.$NEXT" unexpected
    done
}

# It goes on, says so, and is never clean.
expect_going_on() {
    put "$TREE/a" 'while it fails\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 1 driftctl diff
    expect_output "changed +file:$TREE/a"
    expect_exit 1 driftctl status
    expect_output 'storage'
    wait_until "$LIVE" grep -q "the store cannot be written; detection goes on: .*$1" "$SCRATCH/driftd.log"
    local before
    before=$(active_id)
    # What cannot be kept is not blessed.
    expect_exit 4 driftctl bless --ticket CHG-2 --key "$KEYS/alice" --yes
    expect_equal "$(active_id)" "$before" "the active baseline"
    # And without drift it is incomplete.
    put "$TREE/a" 'one\n'
    rm -f "$TREE"/new.*
    wait_until "$LIVE" no_drift "file:$TREE/new.$NEXT"
    wait_until "$LIVE" no_drift "file:$TREE/a"
    expect_exit 2 driftctl diff
    expect_exit 2 driftctl status
}

# All of it is in the history, once, in the order in which it happened.
expect_all_written() {
    has_record storage '' '.detail.error | length > 0' || fail "the history does not tell of the failure"
    driftctl log --json "$TREE/a" | jq -r .kind >"$OUT"
    expect_equal "$(xargs <"$OUT")" "drift resolved" "the history of a"
    driftctl log --json --kind drift >"$OUT"
    local i
    for ((i = 1; i <= NEXT; i++)); do
        grep -q "\"file:$TREE/new.$i\"" "$OUT" || fail "new.$i is not in the history"
    done
    jq -r .item "$OUT" | sort | uniq -d | grep . && fail "something is there twice"
    driftctl log --json | jq -r .seq >"$OUT"
    expect_equal "$(sort -n "$OUT" | uniq | md5sum)" "$(md5sum <"$OUT")" "the order"
    expect_exit 0 driftctl verify
}

test_a_full_file_system() {
    mount_small 6m
    printf 'one\n' >"$TREE/a"
    start_clean
    fill "$STATE"
    change_until_it_fails
    expect_going_on 'full'
    rm "$STATE/fill" "$STATE/fill2"
    wait_until "$LIVE" no_storage_problem
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl diff
    expect_all_written
    stop_daemon
    start_daemon
    expect_exit 0 driftctl verify
}

test_a_full_file_system_at_the_start() {
    mount_small 6m
    printf 'one\n' >"$TREE/a"
    start_clean
    stop_daemon
    fill "$STATE"
    start_daemon
    put "$TREE/a" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    change_until_it_fails
    expect_exit 1 driftctl diff
    # The end finds it full as well, and is an end all the same.
    stop_daemon
    rm "$STATE/fill" "$STATE/fill2"
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 0 driftctl verify
}

# Errors of the disk, as they are met: by ext4, which then makes itself read-only under the open files.
test_a_file_system_that_became_read_only() {
    MOUNT_OPTIONS=loop,errors=remount-ro
    mount_disk
    printf 'one\n' >"$TREE/a"
    start_clean
    local trigger
    trigger=/sys/fs/ext4/$(basename "$(findmnt -nro SOURCE "$STATE")")/trigger_fs_error
    [[ -w $trigger ]] || cannot_run_here "this kernel has no $trigger"
    echo 1 >"$trigger"
    ! touch "$STATE/x" 2>/dev/null || fail "it is not read-only"
    change_until_it_fails
    expect_going_on 'I/O error'
    # Mended as a person would: stopped, checked, mounted again.
    stop_daemon
    umount_image
    e2fsck -fy "$SCRATCH/disk/image" >/dev/null || [[ $? -le 2 ]]
    mount_image
    start_daemon
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl diff
    expect_exit 0 driftctl verify
}

# A sync that failed is not believed: after the disk works again, what is on it, and not what memory shows of it, must hold
# all that was announced.
test_a_disk_that_fails_and_works_again() {
    MOUNT_OPTIONS=loop,errors=continue
    mount_disk -O ^has_journal -E nodiscard
    printf 'one\n' >"$TREE/a"
    start_clean
    fill "$SCRATCH/disk"
    change_until_it_fails
    expect_going_on 'I/O error'
    rm "$SCRATCH/disk/fill" "$SCRATCH/disk/fill2"
    wait_until "$LIVE" no_storage_problem
    wait_until "$LIVE" is_clean
    expect_all_written
    # Nothing is closed, and the kernel's memory of it goes with the mount.
    local head
    head=$(driftctl log --json | wc -l)
    crash_daemon
    umount_image
    mount_image
    [[ $(driftctl log --json | wc -l) -ge $head ]] || fail "announced records are gone: $(driftctl log --json | wc -l) of $head"
    expect_all_written
    start_daemon
    wait_until "$LIVE" is_clean
}
