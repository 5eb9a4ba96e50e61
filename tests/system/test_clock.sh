# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The clock stepped under a whole daemon, both ways. A preloaded library (clock_shim.c) moves what the daemon reads; the
# host's own clock is never touched.

export CLOCK_SHIM=$SCRATCH/clock

MINUTE=60000
HOUR=$((60 * MINUTE))
OFFSET=0

# The daemon alone has the other clock: driftctl does not, and tells what the daemon says.
start_shimmed() {
    [[ -p $CLOCK_SHIM.fifo ]] || mkfifo "$CLOCK_SHIM.fifo"
    echo "$OFFSET" >"$CLOCK_SHIM"
    ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0 LD_PRELOAD=$BUILD/tests/system/clock_shim.so \
        "$BUILD/driftd" --config "$CONFIG" >>"$SCRATCH/driftd.log" 2>&1 9>&- &
    DAEMON=$!
    remember_process "$DAEMON"
    wait_until 60 daemon_is_up
}

# step MILLISECONDS — moves the clock, and tells as the kernel would
step() {
    OFFSET=$((OFFSET + $1))
    echo "$OFFSET" >"$CLOCK_SHIM.new"
    mv "$CLOCK_SHIM.new" "$CLOCK_SHIM"
    printf '%8s' '' 1<>"$CLOCK_SHIM.fifo" >&1
}

# jumped COUNT — so many steps are in the history
jumped() {
    [[ $(driftctl log --json --kind clock_jump | wc -l) -eq $1 ]]
}

is_disbelieved() {
    status_json | jq -e 'any(.problems[]; .kind == "clock_jump")'
}

baseline_state() {
    status_json | jq -r '.baselines[0].state'
}

begin() {
    printf 'one\n' >"$TREE/a"
    first_steps
    bless_all --expires +1h
    start_shimmed
    wait_until "$LIVE" is_clean
}

test_steps_are_recorded_and_order_follows_the_number() {
    begin
    put "$TREE/a" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    step $((-30 * MINUTE))
    wait_until "$LIVE" jumped 1
    put "$TREE/a" 'one\n'
    wait_until "$LIVE" is_clean
    # By the number: drift, step, resolved; by the clock the end came first.
    driftctl log --json >"$OUT"
    expect_equal "$(jq -r 'select(.kind == "drift" or .kind == "clock_jump" or .kind == "resolved") | .kind' "$OUT" | tail -n 3 | xargs)" \
        "drift clock_jump resolved" "the order"
    jq -se '(map(select(.kind == "resolved"))[-1].time) < (map(select(.kind == "drift"))[-1].time)' "$OUT" >/dev/null ||
        fail "the clock was not put back"
    jq -se 'map(.seq) as $s | $s == ($s | sort)' "$OUT" >/dev/null || fail "the history is not in order"
    expect_exit 0 driftctl verify
    expect_equal "$(is_disbelieved >/dev/null && echo disbelieved || echo believed)" believed "the clock"
}

test_many_small_steps_are_one_large_one() {
    begin
    local i
    for i in 1 2 3; do
        step $((25 * MINUTE))
        wait_until "$LIVE" jumped "$i"
    done
    wait_until "$LIVE" is_disbelieved
    # It expires in an hour, and the clock says that this has passed; nobody believes it.
    expect_equal "$(baseline_state)" trusted "the baseline's state"
    has_record clock_jump '' '.detail.believed == false and .detail.moved_ms >= 4499000' || fail "the sum is not told"
}

test_a_jump_ahead_expires_nothing_and_one_back_revives_nothing() {
    begin
    step $((3 * HOUR))
    wait_until "$LIVE" is_disbelieved
    expect_equal "$(baseline_state)" trusted "the baseline's state after the jump ahead"
    # A restart does not make it believed.
    stop_daemon
    start_shimmed
    is_disbelieved >/dev/null || fail "believed after a restart"
    expect_equal "$(baseline_state)" trusted "the baseline's state after a restart"
    # The next signed apply does.
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    bless_all
    ! is_disbelieved >/dev/null || fail "not believed after a signed apply"
}

test_a_step_made_while_it_was_down_is_seen() {
    begin
    stop_daemon
    OFFSET=$((OFFSET + 2 * HOUR))
    start_shimmed
    wait_until "$LIVE" jumped 1
    is_disbelieved >/dev/null || fail "the clock is believed"
    expect_equal "$(baseline_state)" trusted "the baseline's state"
    stop_daemon
    OFFSET=$((OFFSET - 4 * HOUR))
    start_shimmed
    wait_until "$LIVE" jumped 2
    expect_exit 0 driftctl verify
}
