# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The control socket under attack (tests/tools/socket_attack.c plays the hostile clients): what is wrong is refused or
# closed, an honest client is answered all the while, and afterwards the daemon holds no more than before.

SLACK_KIB=16384 # memory that a daemon may have got more through an attack: caches of malloc, not what clients sent

threads() {
    awk '/^Threads:/{print $2}' "/proc/$DAEMON/status"
}

resident_kib() {
    awk '/^VmRSS:/{print $2}' "/proc/$DAEMON/status"
}

descriptors() {
    local all=("/proc/$DAEMON/fd"/*)
    echo "${#all[@]}"
}

cpu_ticks() {
    awk '{print $14 + $15}' "/proc/$DAEMON/stat"
}

# store_has_thread BEFORE — the first time that more than a few records come at once it gets one of its own, and keeps it
store_has_thread() {
    local i
    for i in {1..60}; do printf '%s\n' "$RANDOM" >"$TREE/burst-$i"; done
    [[ $(threads) -gt $1 ]]
}

begin() {
    local i
    for i in {1..50}; do printf '%s\n' "$i" >"$TREE/$i"; done
    start_clean
    cp "$BUILD/tests/tools/socket_attack" "$SCRATCH/" # the tree may be closed to other users
    wait_until "$LIVE" store_has_thread "$(threads)"
    rm "$TREE"/burst-*
    wait_until "$LIVE" is_clean
    status_json >/dev/null
    DESCRIPTORS=$(descriptors) THREADS=$(threads) RESIDENT=$(resident_kib)
}

# A thread that reads its first file meanwhile has a descriptor from then on: one that looks, and the one that reads in turn.
is_as_before() {
    kill -0 "$DAEMON" || fail "the daemon ended by itself"
    [[ $(descriptors) -le $((DESCRIPTORS + 2)) && $(threads) -le $THREADS ]]
}

# The wait of an honest client may be the machine's fault: it counts against us if it is so again and again.
is_quick() {
    local calls median max
    read -r _ calls median max < <(grep '^honest ' "$SCRATCH/attack")
    printf 'note: %s: an honest client was answered %s times, median %s ms, longest %s ms\n' "$1" "$calls" "$median" "$max" >&9
    local slow=1
    ! is_sanitized || slow=5
    awk -v n="$calls" -v p50="$median" -v max="$max" -v slow=$slow 'BEGIN {exit !(n >= 1 && p50 <= 100 * slow && max < 1000 * slow)}'
}

# attack NAME [ARGUMENT]...
attack() {
    local tries
    for tries in 1 2 3; do
        timeout 60 "$SCRATCH/socket_attack" "$RUN/control.sock" "$@" >"$SCRATCH/attack" 2>&1 ||
            fail "$*: $(cat "$SCRATCH/attack")"
        ! is_quick "$1" || break
        [[ $tries -lt 3 ]] || fail "$1: three times an honest client waited too long"
    done
    wait_until "$LIVE" is_as_before
    local grown=$(($(resident_kib) - RESIDENT))
    is_sanitized || [[ $grown -le ${MAY_GROW_KIB:-$SLACK_KIB} ]] || fail "$1: the daemon has grown by $grown KiB"
}

test_ten_thousand_connections() {
    begin
    attack connections
}

test_clients_that_say_nothing() {
    begin
    attack silence --seconds 2
}

test_half_a_request_is_not_waited_for_long() {
    begin
    attack half_frames
}

test_a_request_that_drips_is_not_waited_for_long() {
    begin
    attack dripping
}

test_a_request_of_more_than_a_frame_is_closed() {
    begin
    attack oversized
}

test_descriptors_that_are_passed_are_refused() {
    begin
    attack descriptors
}

test_clients_that_never_read() {
    begin
    MAY_GROW_KIB=65536 attack not_reading --seconds 2
}

test_clients_that_write_byte_by_byte() {
    begin
    attack byte_by_byte
}

test_clients_that_go_away_at_every_moment() {
    begin
    attack closing --seconds 3 --seed "$RANDOM"
}

test_thousands_of_pipelined_calls_are_answered_in_order() {
    begin
    attack pipelining
}

test_what_is_no_request_is_closed() {
    begin
    attack garbage --seed "$RANDOM"
}

test_varlink_is_spoken_as_it_is_written() {
    begin
    attack conformance
}

test_parameters_of_a_wrong_type_are_refused_by_name() {
    begin
    attack types
}

test_one_uid_does_not_starve_root() {
    need_root
    begin
    attack share --as 12345
}

test_one_uid_does_not_starve_another() {
    need_root
    begin
    attack share --as 12345 --honest-as 12346
}

test_uploads_of_one_uid_are_bounded() {
    need_root
    begin
    attack upload --as 12345
}

test_looks_that_are_given_up_leave_no_thread() {
    truncate -s 1T "$TREE/large" || cannot_run_here "this file system holds no file of 1 TiB"
    write_config "[files tree]
path = $TREE
exclude = $TREE/large"
    begin
    LOOK_AT=$TREE/large attack looks
}

# Threads that hang in a file system cannot be ended: they are counted, also when nobody waits for them any more.
test_looks_that_hang_are_few() {
    need_root
    mkdir "$SCRATCH/mute"
    begin
    "$BUILD/tests/tools/fs_trap" silent "$SCRATCH/mute" >"$SCRATCH/mounted" 2>&1 9>&- &
    local mute=$!
    remember_process "$mute"
    wait_until 10 test -s "$SCRATCH/mounted"
    grep -q '^ready' "$SCRATCH/mounted" || cannot_run_here "no FUSE here: $(cat "$SCRATCH/mounted")"
    LOOK_AT=$SCRATCH/mute/x timeout 60 "$SCRATCH/socket_attack" "$RUN/control.sock" looks --as 12345 >"$SCRATCH/attack" 2>&1 ||
        fail "looks: $(cat "$SCRATCH/attack")"
    is_quick looks || true
    [[ $(threads) -le $((THREADS + 8)) && $(threads) -gt $THREADS ]] || fail "$(threads) threads instead of $THREADS"
    expect_exit 0 driftctl show "$TREE/7" # root's share is left
    kill -KILL "$mute"
    wait_until "$LIVE" is_as_before
}

test_an_unauthorised_user_does_not_get_in() {
    need_root
    begin
    ! setpriv --reuid 65534 --regid 65534 --clear-groups "$SCRATCH/socket_attack" "$RUN/control.sock" silence \
        >"$OUT" 2>&1 || fail "uid 65534 got in: $(cat "$OUT")"
    grep -q 'connect: Permission denied' "$OUT" || fail "uid 65534: $(cat "$OUT")"
}

# With no descriptor left the listener rests: it does not spin, what is connected is served, and it comes back.
test_no_descriptor_left() {
    begin
    prlimit --pid "$DAEMON" --nofile="$DESCRIPTORS:"
    timeout 3 "$SCRATCH/socket_attack" "$RUN/control.sock" silence >"$SCRATCH/attack" 2>&1 &
    local before attacker=$!
    remember_process "$attacker"
    before=$(cpu_ticks)
    wait "$attacker" || true
    local used=$(($(cpu_ticks) - before))
    # Spinning takes all of 3 s; a few tries a second take next to nothing, even slowed down by a sanitizer.
    [[ $used -lt $(getconf CLK_TCK) ]] || fail "it used $used ticks in 3 s with nothing that it could do"
    kill -0 "$DAEMON" || fail "the daemon ended by itself"
    prlimit --pid "$DAEMON" --nofile=4096:
    wait_until "$LIVE" driftctl status # what it could not open meanwhile is looked at again
    wait_until "$LIVE" is_as_before
}

test_who_asked_is_recorded_as_the_kernel_says() {
    need_root
    begin
    printf 'changed\n' >"$TREE/7"
    wait_until "$LIVE" has_drift "file:$TREE/7" changed
    expect_exit 0 driftctl ack "$TREE/7" --reason test
    has_record ack "file:$TREE/7" '.detail.asked | .uid == 0 and .user == "root" and (.pid > 0) and (.groups | type == "array")' ||
        fail "the record of the acknowledgement does not say who asked: $(driftctl log --json --kind ack)"
    cp "$BUILD/driftctl" "$SCRATCH/"
    chmod 0644 "$CONFIG"
    setpriv --reuid 12345 --regid 0 --groups 0,4711 "$SCRATCH/driftctl" --config "$CONFIG" ack "$TREE/7" --reason again
    has_record ack "file:$TREE/7" '.detail.asked | .uid == 12345 and .user == "12345" and (.groups | index(4711) != null)' ||
        fail "the record of the acknowledgement does not say who asked: $(driftctl log --json --kind ack)"
    bless_all
    has_record bless '' '.detail.asked.uid == 0' || fail "the record of the bless does not say who asked"
}
