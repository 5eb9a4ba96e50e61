# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The traps of the watcher, each set for real: what makes no event, what hides, what does not hold still, what never
# answers, and the limits of inotify. Nothing is missed, nothing is opened that must not be, and what was not seen is said.

# trap_start NAME ARGUMENT... — one of fs_trap, until the test ends; TRAP is its pid.
trap_start() {
    "$BUILD/tests/tools/fs_trap" "$@" >"$SCRATCH/trap.$1" 2>&1 9>&- <"${TRAP_INPUT:-/dev/null}" &
    TRAP=$!
    remember_process "$TRAP"
    wait_until "$LIVE" grep -q ready "$SCRATCH/trap.$1"
}

trap_end() {
    kill -KILL "$TRAP"
    wait "$TRAP" 2>/dev/null || true
}

# A daemon that is stopped reads no event. No process is left stopped: run.sh ends what it finds.
freeze() {
    kill -STOP "$DAEMON"
    wait_until "$LIVE" grep -q '^State:.*T' "/proc/$DAEMON/status"
}

thaw() {
    kill -CONT "$DAEMON"
}

# ---- the limits of the watch ----

test_an_overflow_is_told_and_then_mended() {
    mkdir "$TREE/many"
    start_clean
    freeze
    # More events than the queue holds, each of another name, so that none is folded into the one before.
    local n
    n=$(($(cat "/proc/sys/fs/${WATCH:-inotify}/max_queued_events") + 1000))
    (cd "$TREE/many" && seq 1 "$n" | xargs -n 2000 touch && seq 1 "$n" | xargs -n 2000 rm)
    printf 'x\n' >"$TREE/after" # its event is among those that are dropped
    thaw
    wait_until "$LIVE" has_record overflow
    # Nobody asks for a look; the rescan finds what no event told.
    wait_until "$LIVE" has_drift "file:$TREE/after" unexpected
    rm "$TREE/after"
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl status --json
    expect_json '[.problems[] | select(.kind == "overflow")] == []'
}

# In a user namespace of its own the limit is ours to set (user.max_inotify_watches, namespaces(7)).
test_folders_past_the_limit_of_watches_are_named_and_looked_at_by_passes() {
    need_root
    mkdir -p "$TREE"/d{1..30}
    SCAN_KEYS='quick_interval = 1s' write_config
    first_steps
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --user --map-root-user bash -c 'echo 20 >/proc/sys/user/max_inotify_watches && exec "$@"' limited \
        "$BUILD/driftd" --config "$CONFIG" >>"$SCRATCH/driftd.log" 2>&1 9>&- &
    DAEMON=$!
    remember_process "$DAEMON"
    wait_until 60 daemon_is_up
    wait_until "$LIVE" has_record watch_lost
    expect_exit 2 driftctl diff --json
    expect_json '.verdict == "incomplete" and (.coverage.complete | not)'
    expect_exit 2 driftctl status --json
    expect_json '.problems[] | select(.kind == "watch_lost") | .count >= 10 and (.where | startswith($tree)) and
        (.hint | contains("max_user_watches"))' --arg tree "$TREE"
    # In every folder, watched or not, a change is found without anybody asking.
    local i
    for i in {1..30}; do printf 'x\n' >"$TREE/d$i/new"; done
    for i in {1..30}; do wait_until "$LIVE" has_drift "file:$TREE/d$i/new" unexpected; done
    # With fewer folders than the limit, it is whole again.
    rm -r "$TREE"/d{11..30}
    bless_all
    wait_until "$LIVE" is_clean
}

# ---- new folders, moved folders ----

test_a_thousand_nested_folders_are_all_found() {
    start_clean
    local path=$TREE i
    for ((i = 1; i <= 1000; i++)); do path+=/n; done
    mkdir -p "$path"
    (cd "$TREE" && for ((i = 1; i <= 1000; i++)); do cd n || exit 1; done && touch leaf)
    # (The whole list is long: it is asked for once.)
    wait_until 60 has_record drift "file:$path/leaf"
    wait_until 60 has_open 1001
    diff_json --cached >"$OUT"
    expect_json '[.drifts[].item] | length == 1001 and (unique | length) == 1001'
    # and each is watched from now on
    (cd "$TREE" && for ((i = 1; i <= 1000; i++)); do cd n || exit 1; done && touch more)
    wait_until 60 has_record drift "file:$path/more"
}

# has_open N — so many drifts
has_open() {
    status_json | jq -e --argjson n "$1" '.open.high == $n'
}

# Whatever is made in a folder between its birth and its watch is found by reading it: again and again, to meet the moment.
test_files_made_at_once_in_new_folders_are_all_found() {
    start_clean
    local i
    for ((i = 1; i <= 400; i++)); do
        mkdir "$TREE/new$i" "$TREE/new$i/sub"
        : >"$TREE/new$i/a"
        : >"$TREE/new$i/sub/b"
    done
    wait_until "$LIVE" all_drifts 1600
}

# all_drifts N — so many, and none twice
all_drifts() {
    diff_json --cached | jq -e --argjson n "$1" '[.drifts[].item] | length == $n and (unique | length) == $n'
}

test_a_folder_moved_away_moved_in_and_made_anew_under_one_name() {
    mkdir -p "$TREE/dir/sub" "$SCRATCH/outside/dir/sub"
    printf 'one\n' >"$TREE/dir/sub/file"
    printf 'two\n' >"$SCRATCH/outside/dir/sub/file"
    start_clean
    local i
    for i in {1..20}; do
        mv "$TREE/dir" "$SCRATCH/away"
        mv "$SCRATCH/outside/dir" "$TREE/dir"
        wait_until "$LIVE" has_drift "file:$TREE/dir/sub/file" changed
        # What is done to the one that went away is nobody's business, and is not blamed on the name that it had.
        printf 'elsewhere\n' >"$SCRATCH/away/sub/stray$i"
        printf 'new\n' >"$TREE/dir/sub/new"
        wait_until "$LIVE" has_drift "file:$TREE/dir/sub/new" unexpected
        no_drift "file:$TREE/dir/sub/stray$i" >"$OUT" || fail "a file elsewhere is blamed on the old path"
        rm "$TREE/dir/sub/new" "$SCRATCH/away/sub/stray$i"
        mv "$TREE/dir" "$SCRATCH/outside/dir"
        mv "$SCRATCH/away" "$TREE/dir"
        wait_until "$LIVE" is_clean
    done
}

# As the kernel counts them; with fanotify it counts file systems, and the daemon its folders.
watched_folders() {
    if [[ ${WATCH:-} == fanotify ]]; then
        status_json | jq .daemon.folders.fanotify
    else
        cat "/proc/$DAEMON"/fdinfo/* 2>/dev/null | grep -c '^inotify wd:'
    fi
}

watches_are() {
    [[ $(watched_folders) -eq $1 ]]
}

test_folders_that_moved_away_or_were_deleted_keep_no_watch() {
    start_clean
    local before
    before=$(watched_folders)
    mkdir -p "$TREE"/moved/{1..30}/sub "$TREE"/deleted/{1..30}/sub
    wait_until "$LIVE" watches_are $((before + 2 * 61))
    mv "$TREE/moved" "$SCRATCH/moved"
    wait_until "$LIVE" watches_are $((before + 61))
    rm -r "$TREE/deleted"
    wait_until "$LIVE" watches_are "$before"
    # Moved within, each folder keeps one watch, under its new path.
    mkdir -p "$TREE"/one/{1..30}/sub
    wait_until "$LIVE" watches_are $((before + 61))
    mv "$TREE/one" "$TREE/two"
    touch "$TREE/two/30/sub/file"
    wait_until "$LIVE" has_drift "file:$TREE/two/30/sub/file" unexpected
    wait_until "$LIVE" watches_are $((before + 61))
}

# File systems give the number of a deleted inode to the next one: a watch of the dead folder must not pass for one.
test_a_folder_deleted_and_made_anew_is_watched_anew() {
    mkdir "$TREE/dir"
    start_clean
    local i before reused=0
    for i in {1..8}; do
        before=$(stat -c %i "$TREE/dir")
        rmdir "$TREE/dir"
        mkdir "$TREE/dir"
        [[ $(stat -c %i "$TREE/dir") -ne $before ]] || reused=$((reused + 1))
        touch "$TREE/settled" # when this was seen, so was what came before
        wait_until "$LIVE" has_drift "file:$TREE/settled" unexpected
        rm "$TREE/settled"
        wait_until "$LIVE" is_clean
        touch "$TREE/dir/new"
        wait_until "$LIVE" has_drift "file:$TREE/dir/new" unexpected
        rm "$TREE/dir/new"
        wait_until "$LIVE" is_clean
    done
    [[ $reused -gt 0 ]] || cannot_run_here "this file system does not use the numbers of inodes again"
}

# ---- mounts ----

test_a_mount_over_a_watched_file() {
    need_root
    printf 'one\n' >"$TREE/file"
    printf 'two\n' >"$SCRATCH/other"
    start_clean
    mount --bind "$SCRATCH/other" "$TREE/file" || cannot_run_here "mount is not allowed"
    wait_until "$LIVE" has_drift "file:$TREE/file" changed
    has_record mount '' ".detail.where == \"$TREE/file\" and .detail.change == \"mounted\"" || fail "the history has no mount"
    umount "$TREE/file"
    wait_until "$LIVE" is_clean
    has_record mount '' '.detail.change == "unmounted"' || fail "the history has no unmount"
}

test_a_mount_above_the_scope() {
    need_root
    mkdir -p "$TREE/up/sub"
    printf 'one\n' >"$TREE/up/sub/file"
    write_config "[files tree]
path = $TREE/up/sub"
    start_clean
    mount -t tmpfs none "$TREE/up" || cannot_run_here "mount is not allowed"
    wait_until "$LIVE" has_drift "file:$TREE/up/sub/file" missing
    umount "$TREE/up"
    wait_until "$LIVE" is_clean
}

test_what_changes_in_a_mount_is_found_live() {
    need_root
    mkdir "$TREE/sub"
    start_clean
    mount -t tmpfs -o mode=0755 none "$TREE/sub" || cannot_run_here "mount is not allowed"
    wait_until "$LIVE" has_record mount
    mkdir "$TREE/sub/a"
    printf 'x\n' >"$TREE/sub/a/b"
    wait_until "$LIVE" has_drift "file:$TREE/sub/a/b" unexpected
    umount "$TREE/sub"
    wait_until "$LIVE" is_clean
    # The folder underneath is watched again.
    printf 'x\n' >"$TREE/sub/c"
    wait_until "$LIVE" has_drift "file:$TREE/sub/c" unexpected
}

test_a_folder_mounted_twice_is_watched_under_both_paths() {
    need_root
    mkdir "$TREE/real" "$TREE/second"
    printf 'x\n' | tee "$TREE/real/file" >"$TREE/second/hidden"
    mount --bind "$TREE/real" "$TREE/second" || cannot_run_here "mount is not allowed"
    start_clean
    printf 'y\n' >"$TREE/real/file"
    wait_until "$LIVE" has_drift "file:$TREE/real/file" changed
    wait_until "$LIVE" has_drift "file:$TREE/second/file" changed
    printf 'x\n' >"$TREE/second/file"
    wait_until "$LIVE" is_clean
}

test_a_mount_that_no_scope_sees_is_nobodys_business() {
    need_root
    start_clean
    mkdir "$SCRATCH/elsewhere"
    mount -t tmpfs none "$SCRATCH/elsewhere" || cannot_run_here "mount is not allowed"
    mkdir "$TREE/mark"
    wait_until "$LIVE" has_drift "file:$TREE/mark" unexpected
    ! has_record mount || fail "a mount outside of every scope was recorded"
}

# ---- what never answers ----

# How long the daemon takes to answer a client, in milliseconds.
answer_ms() {
    local before=$EPOCHREALTIME
    status_json >/dev/null
    awk -v a="$before" -v b="$EPOCHREALTIME" 'BEGIN{printf "%d\n", (b - a) * 1000}'
}

test_a_file_system_that_never_answers_is_not_gone_into() {
    need_root
    [[ -e /dev/fuse ]] || cannot_run_here "there is no /dev/fuse"
    mkdir "$TREE/hung" "$TREE/well"
    local i
    for i in {1..100}; do printf 'x\n' >"$TREE/hung/f$i"; done
    start_clean
    trap_start silent "$TREE/hung"
    # What it hides is unknown: said, never clean, and no thread is lost in it.
    wait_until "$LIVE" has_drift "file:$TREE/hung/f1" unknown
    wait_until "$LIVE" has_drift "file:$TREE/hung/f100" unknown
    expect_exit 2 driftctl show "$TREE/hung/f7"
    expect_output 'something is mounted over it'
    expect_exit 1 timeout 20 "$BUILD/driftctl" -c "$CONFIG" diff --full --json
    expect_json '.coverage.complete | not'
    # The rest of the host is watched as ever, and the loop answers.
    printf 'x\n' >"$TREE/well/new"
    wait_until "$LIVE" has_drift "file:$TREE/well/new" unexpected
    [[ $(answer_ms) -lt 5000 ]] || fail "the daemon takes $(answer_ms) ms to answer"
    # A start has to walk past it too.
    crash_daemon
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/hung/f1" unknown
    umount -l "$TREE/hung"
    trap_end
    rm "$TREE/well/new"
    wait_until "$LIVE" is_clean
}

test_without_a_daemon_it_is_not_gone_into_either() {
    need_root
    [[ -e /dev/fuse ]] || cannot_run_here "there is no /dev/fuse"
    mkdir "$TREE/hung"
    printf 'x\n' >"$TREE/hung/file"
    first_steps
    trap_start silent "$TREE/hung"
    expect_exit 1 timeout 20 "$BUILD/driftctl" -c "$CONFIG" diff --json
    expect_json 'any(.drifts[]; .item == $item and .change == "unknown")' --arg item "file:$TREE/hung/file"
    umount -l "$TREE/hung"
    trap_end
    expect_exit 0 driftctl diff
}

# Where a path of a scope names it, it is gone into, and hangs whoever goes. The others go on.
test_a_file_system_that_a_scope_names_and_that_hangs_is_told_and_nothing_else_stops() {
    need_root
    [[ -e /dev/fuse ]] || cannot_run_here "there is no /dev/fuse"
    mkdir "$TREE/named" "$TREE/well"
    printf 'x\n' | tee "$TREE"/named/f{1..200} >/dev/null
    # So short that the turns ask for many files there before the first look at one is given up.
    SCAN_KEYS='full_interval = 1m' write_config "[files tree]
path = $TREE/well
[files named]
path = $TREE/named"
    start_clean
    trap_start silent "$TREE/named"
    wait_until 90 has_problem stuck
    wait_until "$LIVE" has_record unreadable
    expect_exit 2 driftctl status
    printf 'x\n' >"$TREE/well/new"
    wait_until "$LIVE" has_drift "file:$TREE/well/new" unexpected
    local i
    for i in {1..20}; do
        [[ $(answer_ms) -lt 5000 ]] || fail "the daemon does not answer"
    done
    umount -l "$TREE/named"
    trap_end
    rm "$TREE/well/new"
    wait_until 60 is_clean
    expect_exit 0 driftctl diff
}

has_problem() {
    status_json | jq -e --arg kind "$1" 'any(.problems[]; .kind == $kind)'
}

test_a_sparse_file_of_a_tebibyte_is_named_and_not_read() {
    start_clean
    truncate -s 1T "$TREE/huge" || cannot_run_here "the file system takes no such file"
    wait_until "$LIVE" has_drift "file:$TREE/huge" unexpected
    printf 'x\n' >"$TREE/small"
    wait_until "$LIVE" has_drift "file:$TREE/small" unexpected
    expect_exit 1 driftctl diff --full --json
    expect_json '[.drifts[].item] == [$huge, $small]' --arg huge "file:$TREE/huge" --arg small "file:$TREE/small"
    # Nobody can approve what was not read, and where size is not expected it is unknown, never clean.
    expect_exit 4 driftctl propose -o "$SCRATCH/huge.baseline"
    expect_error 'huge'
    rm "$TREE/huge"
    printf 'x\n' >"$TREE/huge"
    write_config "[files tree]
path = $TREE
attributes = type content"
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_record reload
    bless_all
    truncate -s 1T "$TREE/huge"
    wait_until "$LIVE" has_drift "file:$TREE/huge" unknown
    expect_exit 2 timeout 20 "$BUILD/driftctl" -c "$CONFIG" diff --full
    expect_exit 2 driftctl show "$TREE/huge"
    expect_output '256 GiB'
}

# A daemon with a witness: what it opens is named by the kernel. (LeakSanitizer cannot look at a traced process.)
start_traced() {
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 strace -ff -qq -yy -e trace=open,openat,openat2,getdents64 \
        -o "$SCRATCH/strace" "$BUILD/driftd" --config "$CONFIG" >>"$SCRATCH/driftd.log" 2>&1 9>&- &
    TRACER=$!
    remember_process "$TRACER"
    wait_until 60 is_listening
    DAEMON=$(pgrep -P "$TRACER" driftd)
}

# $SCRATCH/strace then holds what all threads did.
stop_traced() {
    kill -TERM "$DAEMON"
    wait "$TRACER" || true
    DAEMON=
    cat "$SCRATCH"/strace.* >"$SCRATCH/strace"
}

test_no_fifo_device_or_socket_is_opened_under_any_look() {
    need_root
    mkfifo "$TREE/fifo"
    mknod "$TREE/zero" c 1 5
    mknod "$TREE/block" b 7 250
    first_steps
    start_traced
    mkfifo "$TREE/later"
    leave_socket "$TREE/socket"
    wait_until "$LIVE" has_drift "file:$TREE/later" unexpected
    wait_until "$LIVE" has_drift "file:$TREE/socket" unexpected
    expect_exit 1 driftctl diff --full
    stop_traced
    grep -q "$TREE" "$SCRATCH/strace" || fail "strace saw nothing: the test shows nothing"
    # O_PATH opens nothing; what /proc/self/fd is asked for again is read.
    ! grep -E "= [0-9]+<$TREE/(fifo|later|zero|block|socket)" "$SCRATCH/strace" | grep -v O_PATH ||
        fail "something that is no regular file was opened"
}

# A socket in the file system, by a listener that ends at once; its name stays.
leave_socket() {
    "$BUILD/tests/tools/fs_trap" socket "$1"
}

# ---- links ----

test_a_parent_swapped_for_a_link_all_the_time_never_leads_to_the_target() {
    mkdir -p "$TREE/dir/sub" "$SCRATCH/target/sub"
    local i
    for i in {1..20}; do
        printf 'mine\n' >"$TREE/dir/sub/f$i"
        printf 'secret\n' >"$SCRATCH/target/sub/f$i"
    done
    ln -s "$SCRATCH/target" "$TREE/link"
    first_steps
    start_traced
    local until=$((SECONDS + ${SWAP_SECONDS:-8})) looks=0
    trap_start swap "$TREE/dir" "$TREE/link"
    while ((SECONDS < until || (looks < 4 && SECONDS < until + 60))); do # traced, and under a sanitizer, looks are slow
        driftctl diff --full --json >"$OUT" || [[ $? -le 2 ]]
        looks=$((looks + 1))
    done
    trap_end
    stop_traced
    [[ $looks -gt 3 ]] || fail "only $looks looks were taken: the test shows nothing"
    grep -q "<$TREE/dir/sub/f1" "$SCRATCH/strace" || fail "strace saw no file opened: the test shows nothing"
    ! grep -F "<$SCRATCH/target" "$SCRATCH/strace" || fail "the target was opened"
}

# ---- content without a sign ----

# On tmpfs a page that is mapped and written once stays writable: later stores move no time and make no event.
test_a_store_through_a_mapping_is_found_by_the_next_full_pass() {
    need_root
    mkdir "$TREE/shm"
    mount -t tmpfs -o mode=0755 none "$TREE/shm" || cannot_run_here "mount is not allowed"
    printf 'content\n' >"$TREE/shm/file"
    mkfifo "$SCRATCH/orders"
    exec 8<>"$SCRATCH/orders"
    TRAP_INPUT=$SCRATCH/orders trap_start hold "$TREE/shm/file" A B
    # The stat of what changed a moment ago proves nothing, and every look reads such a file.
    unchanged_for() { (($(date +%s%N) - $(date +%s%N -d "$(stat -c %z "$2")") > $1 * 1000000)); }
    wait_until "$LIVE" unchanged_for 200 "$TREE/shm/file"
    start_clean
    local before after
    before=$(stat -c '%s %y %z' "$TREE/shm/file")
    echo >&8
    wait_until "$LIVE" grep -qx 'Bontent' "$TREE/shm/file"
    after=$(stat -c '%s %y %z' "$TREE/shm/file")
    expect_equal "$after" "$before" 'the stat'
    # A quick look cannot know, and vouches for metadata only. A full one reads.
    expect_exit 0 driftctl diff
    expect_exit 1 driftctl diff --full --json
    expect_json '[.drifts[] | [.item, .change, .attributes[].name]] == [[$item, "changed", "content"]]' \
        --arg item "file:$TREE/shm/file"
    echo >&8
    wait_until "$LIVE" grep -qx 'Aontent' "$TREE/shm/file"
    expect_exit 0 driftctl diff --full
    exec 8>&-
    trap_end
}

# Nobody asks: every file is read again within the interval, and what was read is told when the circle closes.
test_a_store_through_a_mapping_is_found_by_the_slow_circle() {
    need_root
    mkdir "$TREE/shm"
    mount -t tmpfs -o mode=0755 none "$TREE/shm" || cannot_run_here "mount is not allowed"
    printf 'content\n' | tee "$TREE/shm/file" "$TREE"/{1..40} >/dev/null
    mkfifo "$SCRATCH/orders"
    exec 8<>"$SCRATCH/orders"
    TRAP_INPUT=$SCRATCH/orders trap_start hold "$TREE/shm/file" A B
    unchanged_for() { (($(date +%s%N) - $(date +%s%N -d "$(stat -c %z "$2")") > $1 * 1000000)); }
    wait_until "$LIVE" unchanged_for 200 "$TREE/shm/file"
    SCAN_KEYS=$'full_interval = 4s\nquick_interval = 3s' write_config
    start_clean
    echo >&8
    wait_until "$LIVE" has_drift "file:$TREE/shm/file" changed
    wait_until "$LIVE" has_record scan '' '.detail.pass == "full" and .detail.files == 41 and .detail.bytes >= 328 and .detail.complete'
    echo >&8
    wait_until "$LIVE" is_clean
    exec 8>&-
    trap_end
}

test_times_that_are_put_back_hide_nothing() {
    printf 'before\n' >"$TREE/file"
    touch -d '2001-02-03 04:05:06.789' "$TREE/file"
    start_clean
    freeze # so that no event is looked at before all is in place
    printf 'BEFORE\n' >"$TREE/file"
    touch -d '2001-02-03 04:05:06.789' "$TREE/file"
    thaw
    wait_until "$LIVE" has_drift "file:$TREE/file" changed
}

# What is written all the time is unstable, or one of the contents that it has between two writes: never clean because
# nobody could read it.
test_a_file_that_does_not_hold_still_is_never_called_clean_unread() {
    local size=262144 i
    head -c $size /dev/zero | tr '\0' c >"$TREE/file" # no content that it will have again
    start_clean
    trap_start alternate "$TREE/file" $size
    wait_until "$LIVE" has_record unstable
    for ((i = 0; i < ${UNSTABLE_SCANS:-200}; i++)); do
        driftctl diff --full --json >"$OUT" || [[ $? -le 2 ]]
        expect_json '.verdict == "drift" or (.verdict == "incomplete" and (.coverage.complete | not))'
    done
    wait_until "$LIVE" has_drift "file:$TREE/file" unknown
    wait_until "$LIVE" refuses_to_propose
    trap_end
    head -c $size /dev/zero | tr '\0' c >"$TREE/file"
    wait_until "$LIVE" is_clean
}

# (A moment between two writes can be long enough for a look.)
refuses_to_propose() {
    ! driftctl propose -o "$SCRATCH/half.baseline" 2>"$ERR" || ! rm "$SCRATCH/half.baseline"
    grep -q "$TREE/file" "$ERR"
}

# ---- extended attributes ----

test_large_empty_and_oddly_named_extended_attributes_are_seen() {
    need_root
    mkdir "$TREE/shm"
    mount -t tmpfs -o mode=0755 none "$TREE/shm" || cannot_run_here "mount is not allowed"
    : >"$TREE/shm/file"
    local large name
    large=$(head -c 65536 /dev/zero | tr '\0' x)
    setfattr -n user.large -v "$large" "$TREE/shm/file" 2>/dev/null || cannot_run_here "tmpfs takes no user attributes"
    start_clean
    setfattr -n user.large -v "${large%x}y" "$TREE/shm/file" # its last byte
    wait_until "$LIVE" has_drift "file:$TREE/shm/file" changed
    setfattr -n user.large -v "$large" "$TREE/shm/file"
    wait_until "$LIVE" is_clean
    for name in $'user.new\nline' $'user.\e[31m' 'user. ' $'user.\xff' 'user.'"$(head -c 200 /dev/zero | tr '\0' n)"; do
        setfattr -n "$name" -v '' "$TREE/shm/file"
        wait_until "$LIVE" has_drift "file:$TREE/shm/file" changed
        expect_exit 1 driftctl show "$TREE/shm/file"
        [[ $(grep -c . "$OUT") -lt 40 ]] || fail "a name made lines of its own"
        ! grep -q $'[\e\xff]' "$OUT" || fail "a name reached the terminal as it is"
        setfattr -x "$name" "$TREE/shm/file"
        wait_until "$LIVE" is_clean
    done
}
