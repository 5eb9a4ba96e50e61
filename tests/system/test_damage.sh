# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A damaged store is set aside and made again from the signed files beside it; who damages it gains nothing.

SHELF=$STATE/baselines

# Blesses two generations, leaves one drift (file a), and stops. The first generation's signed files stay in $SCRATCH/old.
begin() {
    printf 'zero\n' >"$TREE/a"
    printf 'same\n' >"$TREE/b"
    start_clean
    cp -rp "$SHELF" "$SCRATCH/old"
    put "$TREE/a" 'one\n'
    bless_all
    put "$TREE/a" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    stop_daemon
}

# Random bytes over the whole database.
damage() {
    local size
    size=$(stat -c %s "$STATE/driftd.db")
    rm -f "$STATE/driftd.db-wal"
    head -c "$size" /dev/urandom >"$STATE/driftd.db"
}

has_problem() {
    status_json | jq -e --arg kind "$1" 'any(.problems[]; .kind == $kind)' >/dev/null
}

expect_problem() {
    has_problem "$1" || fail "status has no problem of kind $1: $(status_json)"
}

expect_no_problem() {
    ! has_problem "$1" || fail "status has a problem of kind $1: $(status_json)"
}

confirm() {
    bless_all
    expect_no_problem rebuilt
    expect_no_problem adopted
    expect_no_problem untrusted
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl diff
    expect_exit 0 driftctl verify
}

test_what_is_active_lies_beside_the_store_as_it_was_signed() {
    begin
    expect_equal "$(ls "$SHELF")" $'host@2.baseline\nhost@2.baseline.approval' "what lies there"
    expect_equal "$(stat -c %a "$SHELF" "$SHELF"/* | tr '\n' ' ')" "700 600 600 " "the modes"
    expect_equal "$(sha256sum <"$SHELF/host@2.baseline" | cut -d' ' -f1)" "$(active_id)" "the id"
    # What was taken away or changed there is put back in step, for it is the store that is in force.
    printf 'x' >>"$SHELF/host@2.baseline"
    rm "$SHELF/host@2.baseline.approval"
    start_daemon
    expect_equal "$(sha256sum <"$SHELF/host@2.baseline" | cut -d' ' -f1)" "$(active_id)" "the id after a start"
    [[ -s $SHELF/host@2.baseline.approval ]] || fail "the approval was not put back"
}

test_a_damaged_store_is_set_aside_and_made_again() {
    begin
    local before aside
    before=$(active_id)
    damage
    cp "$STATE/driftd.db" "$SCRATCH/damaged"
    # driftctl alone changes nothing of it.
    expect_exit 3 driftctl status
    expect_error 'not a database'
    expect_error 'start driftd'
    cmp "$STATE/driftd.db" "$SCRATCH/damaged"
    start_daemon
    aside=$(echo "$STATE"/driftd.db.damaged-????????T??????Z)
    cmp "$aside" "$SCRATCH/damaged" || fail "what was set aside is not what was there"
    expect_equal "$(active_id)" "$before" "the active baseline"
    has_record storage '' "(.detail.set_aside == \"$aside\") and (.detail.error | contains(\"not a database\"))" ||
        fail "the history does not say where it was set aside: $(driftctl log --json)"
    has_record adopted || fail "the history has no record of what was taken"
    grep -q 'driftd: storage .*set_aside' "$SCRATCH/driftd.log" || fail "the journal was not told"
    has_record gap '' '.detail.from < .detail.to' || fail "the history has no gap"
    expect_problem rebuilt
    expect_problem adopted
    # It detects by what was signed, and nobody saw the change.
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 1 and .[0].unobserved'
    # Without drift it is not clean either, not even after a restart.
    put "$TREE/a" 'one\n'
    expect_exit 2 driftctl diff
    stop_daemon
    start_daemon
    expect_exit 2 driftctl status
    expect_exit 0 driftctl verify
    confirm
}

test_each_damage_gets_a_name_of_its_own() {
    begin
    local i
    for i in 1 2 3; do
        damage
        start_daemon
        stop_daemon
    done
    local kept=("$STATE"/driftd.db.damaged-*Z*)
    expect_equal "${#kept[@]}" 3 "the number of files set aside"
}

test_a_foreign_schema_is_set_aside_too() {
    begin
    sqlite3 "$STATE/driftd.db" 'CREATE TRIGGER quiet AFTER INSERT ON record BEGIN DELETE FROM ledger; END'
    start_daemon
    has_record storage '' '.detail.error | contains("trigger \"quiet\"")' || fail "the trigger is not named"
    expect_exit 1 driftctl diff
    expect_problem rebuilt
    confirm
}

test_a_log_without_its_database_is_not_taken_in() {
    begin
    start_daemon
    put "$TREE/b" 'other\n'
    wait_until "$LIVE" has_drift "file:$TREE/b" changed
    crash_daemon
    [[ -s $STATE/driftd.db-wal ]] || fail "there is no log"
    rm "$STATE/driftd.db"
    expect_exit 3 driftctl status
    start_daemon
    [[ -s $(echo "$STATE"/driftd.db.damaged-*-wal) ]] || fail "the log was not set aside"
    wait_until "$LIVE" has_drift "file:$TREE/b" changed
    expect_problem rebuilt
}

test_a_rebuilding_that_was_interrupted_goes_on() {
    begin
    # As power lost after the renames leaves it.
    printf '%s\n%s\n' "$STATE/driftd.db.damaged-20261123T180000Z" "a test damaged it" >"$STATE/rebuild"
    mv "$STATE/driftd.db" "$STATE/driftd.db.damaged-20261123T180000Z"
    rm -f "$STATE/driftd.db-wal"
    start_daemon
    has_record storage '' '.detail.error == "a test damaged it"' || fail "the damage was forgotten"
    [[ ! -e $STATE/rebuild ]] || fail "the note is still there"
    expect_problem rebuilt
    expect_exit 1 driftctl diff
    # And before the renames: the store that is there opens, and stays.
    stop_daemon
    local head
    head=$(driftctl verify --json | jq .records)
    printf '%s\n%s\n' "$STATE/driftd.db.damaged-20261123T180001Z" "a test damaged it again" >"$STATE/rebuild"
    start_daemon
    [[ $(driftctl verify --json | jq .records) -gt $head ]] || fail "the history began anew"
    [[ ! -e $STATE/rebuild ]] || fail "the note is still there"
}

# ---- what an attacker would try ----

test_an_older_signed_file_does_not_become_the_active_one() {
    begin
    damage
    rm "$SHELF"/*
    cp -p "$SCRATCH"/old/* "$SHELF/"
    start_daemon
    expect_exit 3 driftctl diff
    has_record tamper '' '.detail.what | contains("host@1.baseline") and contains("generation 2 was applied")' ||
        fail "the history does not name the older file: $(driftctl log --json)"
    expect_equal "$(driftctl baseline list --json | jq '.baselines | length')" 0 "the number of baselines taken"
}

test_without_its_mark_a_file_is_judged_by_but_not_trusted() {
    begin
    damage
    rm "$STATE/high-water"
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 3 driftctl diff
    expect_exit 3 driftctl status
    expect_output 'high-water'
    stop_daemon
    start_daemon
    expect_exit 3 driftctl status
    # To hand in the same files again confirms nothing.
    expect_exit 3 driftctl apply "$SHELF/host@2.baseline"
    expect_exit 3 driftctl status
    bless_all
    expect_no_problem untrusted
    confirm
}

test_a_signed_file_that_was_edited_is_not_taken() {
    begin
    damage
    sed -i "s/$(printf 'one\n' | sha256sum | cut -d' ' -f1)/$(printf 'two\n' | sha256sum | cut -d' ' -f1)/" "$SHELF/host@2.baseline"
    start_daemon
    expect_exit 3 driftctl diff
    has_record tamper || fail "the history has no record of kind tamper"
}

test_another_trust_file_is_not_taken_in_the_confusion() {
    begin
    make_key mallory
    cp "$TRUST" "$SCRATCH/trust.before"
    write_trust 1 mallory
    damage
    driftctl review "$SHELF/host@2.baseline" >/dev/null
    (cd "$SHELF" && rm host@2.baseline.approval && driftctl sign host@2.baseline --key "$KEYS/mallory") >/dev/null
    start_daemon
    expect_exit 3 driftctl diff
    expect_exit 3 driftctl status
    ! has_record trust '' '.detail.state == "first_use"' || fail "the other trust file was taken"
    # With the right one back, all is taken that still holds.
    stop_daemon
    cp "$SCRATCH/trust.before" "$TRUST"
    (cd "$SHELF" && rm host@2.baseline.approval && driftctl sign host@2.baseline --key "$KEYS/alice") >/dev/null
    start_daemon
    expect_problem rebuilt
    expect_no_problem untrusted
    expect_exit 1 driftctl diff
    confirm
}

test_an_older_store_and_its_older_trust_file_put_back() {
    printf 'one\n' >"$TREE/a"
    start_clean
    make_key bob
    stop_daemon
    mkdir "$SCRATCH/before"
    cp -p "$STATE"/driftd.db* "$SCRATCH/before/"
    cp "$TRUST" "$SCRATCH/before/trust.conf"
    # alice's key is revoked: the next trust file knows bob alone.
    local id
    id=$(sha256sum <"$TRUST" | cut -d' ' -f1)
    write_trust 1 bob
    sed -i "s/^generation = 1/generation = 2/; s/^parent = none/parent = $id/" "$TRUST"
    driftctl sign "$TRUST" --key "$KEYS/alice" >/dev/null
    start_daemon
    has_record trust '' '.detail.generation == 2 and .detail.state == "succeeded"' || fail "the successor was not taken"
    stop_daemon
    rm "$STATE"/driftd.db*
    cp -p "$SCRATCH"/before/driftd.db* "$STATE/"
    cp "$SCRATCH/before/trust.conf" "$TRUST"
    start_daemon
    expect_exit 3 driftctl status
    expect_output 'trust file'
}

test_a_mark_taken_away_is_noticed() {
    begin
    rm "$STATE/high-water"
    start_daemon
    expect_exit 3 driftctl status
    expect_output 'high-water mark is gone'
    bless_all
    expect_no_problem untrusted
}

test_a_row_alone_retires_no_baseline() {
    begin
    sqlite3 "$STATE/driftd.db" 'UPDATE baseline SET active = 0, retired = 1'
    start_daemon
    expect_exit 3 driftctl diff
    stop_daemon
    sqlite3 "$STATE/driftd.db" 'UPDATE baseline SET active = 1, retired = 0 WHERE generation = 1'
    start_daemon
    expect_exit 3 driftctl diff
}

# ---- while it runs ----

test_damage_met_while_it_runs_is_told() {
    begin
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    # More than the daemon keeps of it in memory.
    local i
    for i in {1..2000}; do : >"$TREE/part.$i"; done
    wait_until "$LIVE" has_drift "file:$TREE/part.2000" unexpected
    stop_daemon
    start_daemon
    local pages
    pages=$(($(stat -c %s "$STATE/driftd.db") / 4096 - 1))
    ((pages > 700)) || fail "the store has only $pages pages"
    dd if=/dev/urandom of="$STATE/driftd.db" bs=4096 seek=1 count=$pages conv=notrunc status=none
    # Whoever asks is told, and what asks nothing of the store goes on.
    local status=0
    driftctl log >"$OUT" 2>"$ERR" || status=$?
    [[ $status -ge 3 ]] || fail "the history was read from random bytes: exit $status"
    put "$TREE/b" 'other\n'
    wait_until "$LIVE" has_drift "file:$TREE/b" changed
    expect_exit 3 driftctl status
    expect_output 'damaged|malformed'
    kill -0 "$DAEMON" || fail "the daemon ended"
    wait_until 10 grep -q 'the store .*\(damaged\|malformed\)' "$SCRATCH/driftd.log"
    crash_daemon
    start_daemon
    expect_problem rebuilt
    wait_until "$LIVE" has_drift "file:$TREE/b" changed
}
