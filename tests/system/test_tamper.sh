# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The history and the store edited behind the daemon's back: verify names what is wrong, and nothing is called clean.

sql() {
    sqlite3 "$STATE/driftd.db" "$1"
}

begin() {
    printf 'one\n' >"$TREE/a"
    start_clean
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 0 driftctl verify
    stop_daemon
}

# names_record SEQ
names_record() {
    expect_exit 3 driftctl verify
    grep -Eq "(record|seq) $1([^0-9]|\$)" "$OUT" "$ERR" || fail "verify does not name record $1: $(cat "$OUT" "$ERR")"
    expect_exit 3 driftctl verify --json
    start_daemon
    expect_exit 3 driftctl verify
}

test_a_record_rewritten() {
    begin
    local seq
    seq=$(driftctl log --json --kind drift | jq -s '.[0].seq')
    sql "UPDATE record SET body = replace(body, 'changed', 'CHANGED') WHERE seq = $seq"
    names_record "$seq"
}

test_a_record_whose_column_differs_from_its_bytes() {
    begin
    sql "UPDATE record SET kind = 'heartbeat' WHERE seq = 2"
    names_record 2
}

test_a_record_removed() {
    begin
    local seq
    seq=$(driftctl log --json --kind drift | jq -s '.[0].seq')
    sql "DELETE FROM record WHERE seq = $seq"
    names_record "$seq"
}

test_the_end_cut_off() {
    begin
    local last
    last=$(sql 'SELECT max(seq) FROM record')
    sql "DELETE FROM record WHERE seq = $last"
    expect_exit 3 driftctl verify
}

test_a_record_added() {
    begin
    sql "INSERT INTO record SELECT seq + 1, time_ms, kind, item, body, root FROM record ORDER BY seq DESC LIMIT 1"
    expect_exit 3 driftctl verify
}

test_a_trigger_added() {
    begin
    sql "CREATE TRIGGER quiet AFTER INSERT ON record BEGIN DELETE FROM ledger; END"
    expect_exit 3 driftctl verify
}

test_the_stored_baseline_edited() {
    begin
    local sum
    sum=$(printf 'two\n' | sha256sum | cut -d' ' -f1)
    # The expectation made to fit what is live: it must not be believed.
    sqlite3 "$STATE/driftd.db" "UPDATE part SET bytes = CAST(replace(CAST(bytes AS TEXT), '$(printf 'one\n' | sha256sum | cut -d' ' -f1)', '$sum') AS BLOB)"
    expect_exit 3 driftctl verify
    start_daemon
    expect_exit 3 driftctl diff
    status_json >"$OUT"
    expect_json '.verdict == "untrusted"'
    ! has_record resolved "file:$TREE/a" || fail "the edited text was judged by: the drift counts as resolved"
    has_record tamper || fail "the history has no record of kind tamper"
}

test_an_older_store_put_back() {
    printf 'one\n' >"$TREE/a"
    start_clean
    stop_daemon
    mkdir "$SCRATCH/old"
    cp -p "$STATE"/driftd.db* "$SCRATCH/old/"
    printf 'two\n' >"$TREE/a"
    bless_all
    expect_exit 0 driftctl diff
    rm "$STATE"/driftd.db*
    cp -p "$SCRATCH/old"/driftd.db* "$STATE/"
    expect_exit 3 driftctl status
    start_daemon
    expect_exit 3 driftctl status --json
    expect_json '.verdict == "untrusted"'
    expect_exit 3 driftctl diff
}

test_the_store_taken_away() {
    printf 'one\n' >"$TREE/a"
    start_clean
    driftctl baseline export host -o "$SCRATCH/host.baseline" >/dev/null
    stop_daemon
    rm "$STATE"/driftd.db*
    start_daemon
    # There was a baseline once: this is not a fresh host.
    expect_exit 3 driftctl diff
    # The signed files bring it back, and it says so until it is confirmed.
    expect_exit 0 driftctl apply "$SCRATCH/host.baseline"
    status_json >"$OUT"
    expect_json 'any(.problems[]; .kind == "adopted")'
    has_record adopted || fail "the history has no record of kind adopted"
    printf 'two\n' >"$TREE/a"
    bless_all
    status_json >"$OUT"
    expect_json 'all(.problems[]; .kind != "adopted")'
}

test_a_damaged_store_is_told() {
    begin
    local size
    size=$(stat -c %s "$STATE/driftd.db")
    rm -f "$STATE/driftd.db-wal"
    head -c "$size" /dev/urandom >"$STATE/driftd.db"
    expect_exit 3 driftctl status
    grep -q . "$ERR" || fail "nothing was said"
}

test_a_backup_holds_and_is_a_copy() {
    begin
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 0 driftctl backup "$SCRATCH/copy.db"
    expect_equal "$(stat -c %a "$SCRATCH/copy.db")" 600 "the copy's mode"
    expect_equal "$(sqlite3 "$SCRATCH/copy.db" 'PRAGMA integrity_check')" ok "integrity_check of the copy"
    [[ $(sqlite3 "$SCRATCH/copy.db" 'SELECT count(*) FROM record') -gt 2 ]] || fail "the copy holds no history"
    expect_exit 4 driftctl backup "$SCRATCH/copy.db" # never over what is there
}
