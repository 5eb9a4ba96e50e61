# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The history: what it holds, how it is searched, and how it is followed.

test_records_have_the_shape_of_the_contract() {
    printf 'one\n' >"$TREE/a"
    start_clean
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 0 driftctl log --json
    jq -se 'all(.[]; (keys_unsorted == ["seq", "time", "kind", "item", "detail"])
        and (.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z$")) and (.detail | type == "object"))' "$OUT" >/dev/null ||
        fail "a record has another shape: $(head -n 5 "$OUT")"
    jq -se '[.[].seq] == [range(1; length + 1)]' "$OUT" >/dev/null || fail "the numbers do not go up by one from 1"
    jq -se 'map(.kind) | index("trust") < index("bless")' "$OUT" >/dev/null || fail "trust does not come before bless"
    local kinds='start stop heartbeat gap scan drift resolved bless reject ack waive window overflow watch_lost unstable unreadable mount hidden clock_jump reload trust adopted storage tamper checkpoint review flapping'
    jq -se --arg kinds "$kinds" '($kinds | split(" ")) as $all | all(.[]; .kind as $k | $all | index($k))' "$OUT" >/dev/null ||
        fail "a kind that is not in the contract"
    jq -se 'any(.[]; .kind == "drift" and .detail.change == "changed" and .detail.baseline == "host" and
        any(.detail.attributes[]; .name == "content" and .expected != .actual))' "$OUT" >/dev/null || fail "the drift tells too little"
    expect_exit 0 driftctl log
    expect_output "drift .*file:$TREE/a"
}

test_filters() {
    start_clean
    put "$TREE/first" 'x\n'
    wait_until "$LIVE" has_drift "file:$TREE/first" unexpected
    local between
    between=$(jq -rn 'now | todate')
    wait_until 5 bash -c "[[ \$(jq -rn 'now | todate') > $between ]]" # the next second
    between=$(jq -rn 'now | todate')
    put "$TREE/second" 'x\n'
    wait_until "$LIVE" has_drift "file:$TREE/second" unexpected

    expect_exit 0 driftctl log --json --kind drift
    expect_equal "$(wc -l <"$OUT")" 2 "the number of drift records"
    expect_exit 0 driftctl log --json "$TREE/first"
    expect_equal "$(jq -r .item "$OUT")" "file:$TREE/first" "the item"
    expect_exit 0 driftctl log --json --kind drift "$TREE/*"
    expect_equal "$(wc -l <"$OUT")" 2 "the number of records by glob"
    expect_exit 0 driftctl log --json --kind drift --since "$between"
    expect_equal "$(jq -r .item "$OUT")" "file:$TREE/second" "the item since then"
    expect_exit 0 driftctl log --json --kind drift --until "$between"
    expect_equal "$(jq -r .item "$OUT")" "file:$TREE/first" "the item until then"
    expect_exit 0 driftctl log --json --since tomorrow
    [[ ! -s $OUT ]] || fail "records of tomorrow"
    expect_exit 0 driftctl log --json --since -1h --kind bless
    expect_json '.detail.ticket == "CHG-1" and .detail.signers == ["alice"] and .detail.generation == 1'
}

test_a_log_of_nothing_says_so() {
    start_clean
    expect_exit 0 driftctl log --kind window
    expect_equal "$(wc -c <"$OUT")" 0 "the size of standard output"
    expect_error 'no such record: driftctl log shows all'
    expect_exit 0 driftctl log "$TREE/nobody"
    expect_error 'no such record'
    expect_exit 0 driftctl log --kind start # one there is
    expect_equal "$(wc -c <"$ERR")" 0 "the size of standard error, where a record is shown"
    local quiet
    for quiet in --json -q; do
        expect_exit 0 driftctl log --kind window "$quiet"
        expect_equal "$(cat "$OUT" "$ERR" | wc -c)" 0 "the size of what $quiet says of none"
    done
}

test_watch_follows_live() {
    start_clean
    "$BUILD/driftctl" --config "$CONFIG" watch --json >"$SCRATCH/watched" 2>"$ERR" &
    local watching=$!
    remember_process "$watching"
    # It shows what comes after it started; a first file tells when that is.
    local n=0
    started() {
        n=$((n + 1))
        printf 'x\n' >"$TREE/probe$n"
        [[ -s $SCRATCH/watched ]]
    }
    wait_until "$LIVE" started
    printf 'x\n' >"$TREE/seen"
    seen() { jq -se --arg item "file:$TREE/seen" 'any(.[]; .item == $item and .kind == "drift")' "$SCRATCH/watched"; }
    wait_until "$LIVE" seen
    kill -TERM "$watching"
    wait "$watching" || true
    expect_exit 0 driftctl verify
}

test_watch_ends_when_the_daemon_does() {
    start_clean
    "$BUILD/driftctl" --config "$CONFIG" watch --json >"$SCRATCH/watched" 2>"$ERR" &
    local watching=$!
    remember_process "$watching"
    stop_daemon
    local status=0
    wait "$watching" || status=$?
    [[ $status -eq 4 || $status -eq 0 ]] || fail "watch ended with $status"
}

test_acknowledged_drift_is_quiet_and_the_verdict_stays() {
    printf 'one\n' >"$TREE/a"
    start_clean
    put "$TREE/a" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 0 driftctl ack "$TREE/a" --reason 'on it'
    expect_exit 1 driftctl diff --json
    expect_json '.verdict == "drift" and .drifts[0].state == "acknowledged"'
    has_record ack || fail "the history has no ack"
    # Another change of it is news again.
    put "$TREE/a" 'three\n'
    open_again() { diff_json --cached | jq -e '.drifts[0].state == "open"'; }
    wait_until "$LIVE" open_again
}

test_a_waiver_is_signed_and_listed() {
    printf 'one\n' >"$TREE/a"
    start_clean
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    driftctl waive "$TREE/a" --until +14d --reason 'vendor patch' --ticket CHG-2 -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    expect_exit 0 driftctl diff --json
    expect_json '.verdict == "clean" and (.drifts | length == 1) and .drifts[0].state == "waived"'
    expect_exit 0 driftctl diff
    expect_output 'waived'
}
