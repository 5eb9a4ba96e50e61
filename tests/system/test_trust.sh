# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A new trust file counts only if the old one's people say so.

begin() {
    printf 'one\n' >"$TREE/a"
    start_clean
    make_key bob
    old=$(sha256sum <"$TRUST" | cut -d' ' -f1)
}

# write_successor [PARENT [GENERATION]] — bob in, alice out
write_successor() {
    cat >"$SCRATCH/next.conf" <<TEXT
[trust]
generation = ${2:-2}
parent = ${1:-$old}
[approver bob]
key = $(cut -d' ' -f1,2 "$KEYS/bob.pub")
[baseline *]
approvers = bob
threshold = 1
TEXT
}

reload() {
    local before
    before=$(driftctl log --json --kind reload | wc -l)
    kill -HUP "$DAEMON"
    reloaded() { [[ $(driftctl log --json --kind reload | wc -l) -gt $before ]]; }
    wait_until "$LIVE" reloaded
}

test_a_signed_successor_is_taken() {
    begin
    write_successor
    driftctl sign "$SCRATCH/next.conf" --key "$KEYS/alice" --yes >/dev/null
    cp "$SCRATCH/next.conf.approval" "$TRUST.approval"
    cp "$SCRATCH/next.conf" "$TRUST"
    reload
    expect_exit 3 driftctl status --json # what alice alone approved is vouched for by nobody now
    expect_json '.trust_id == $id' --arg id "$(sha256sum <"$TRUST" | cut -d' ' -f1)"
    expect_json 'all(.problems[]; .kind != "first_use")'
    # From now on bob counts and alice does not.
    printf 'two\n' >"$TREE/a"
    expect_exit 4 driftctl bless --ticket CHG-2 --key "$KEYS/alice" --yes
    expect_error 'does not list'
    expect_exit 0 driftctl bless --ticket CHG-2 --key "$KEYS/bob" --yes
    expect_exit 0 driftctl diff
}

untrusted() {
    expect_exit 3 driftctl status --json
    expect_json '.verdict == "untrusted" and .trust_id == $id' --arg id "$old"
    expect_exit 3 driftctl diff
    # It goes on detecting, by the old file.
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    printf 'one\n' >"$TREE/a"
    expect_exit 4 driftctl bless --ticket CHG-2 --key "$KEYS/bob" --yes
    expect_error 'does not list'
}

test_an_unsigned_successor_is_not() {
    begin
    write_successor
    cp "$SCRATCH/next.conf" "$TRUST"
    reload
    untrusted
    # Nor at the next start; and the right file heals it.
    stop_daemon
    start_daemon
    expect_exit 3 driftctl status
    driftctl log --json --kind trust >"$OUT"
    jq -se 'any(.[]; .detail.reason != null)' "$OUT" >/dev/null || fail "the history does not say why"
}

test_a_successor_signed_by_the_new_people_is_not() {
    begin
    write_successor
    driftctl sign "$SCRATCH/next.conf" --key "$KEYS/bob" --trust "$SCRATCH/next.conf" --yes >/dev/null
    cp "$SCRATCH/next.conf.approval" "$TRUST.approval"
    cp "$SCRATCH/next.conf" "$TRUST"
    reload
    untrusted
}

test_a_successor_of_another_file_is_not() {
    begin
    write_successor "$(printf 'x' | sha256sum | cut -d' ' -f1)"
    driftctl sign "$SCRATCH/next.conf" --key "$KEYS/alice" --yes >/dev/null
    cp "$SCRATCH/next.conf.approval" "$TRUST.approval"
    cp "$SCRATCH/next.conf" "$TRUST"
    reload
    untrusted
}

test_the_file_in_force_edited_in_place() {
    begin
    cp "$TRUST" "$SCRATCH/kept"
    printf '; only a remark\n' >>"$TRUST"
    reload
    expect_exit 3 driftctl status
    cp "$SCRATCH/kept" "$TRUST"
    reload
    expect_exit 0 driftctl status
    expect_equal "$(trust_story | xargs)" 'first_use refused restored' 'what the history tells'
}

test_the_file_in_force_taken_away() {
    begin
    local round
    for round in 1 2; do
        mv "$TRUST" "$SCRATCH/kept"
        reload
        reload # the same again is not told again
        expect_exit 3 driftctl status
        mv "$SCRATCH/kept" "$TRUST"
        reload
        expect_exit 0 driftctl status
        trust_story >"$OUT"
        expect_equal "$(tail -n 2 "$OUT" | xargs)" 'unreadable restored' "what the history tells in round $round"
        expect_equal "$(wc -l <"$OUT")" $((1 + 2 * round)) 'the number of records'
    done
}

# What the history tells about the trust file, a word a line.
trust_story() {
    driftctl log --json --kind trust | jq -r .detail.state
}

test_the_file_in_force_made_unreadable() {
    begin
    cp "$TRUST" "$SCRATCH/kept"
    printf '[trust\n' >>"$TRUST"
    reload
    expect_exit 3 driftctl status
    has_record trust '' '.detail.state == "unreadable" and (.detail.reason | length > 0)' || fail 'the history does not tell'
    stop_daemon
    start_daemon # told already
    cp "$SCRATCH/kept" "$TRUST"
    reload
    expect_exit 0 driftctl status
    expect_equal "$(trust_story | xargs)" 'first_use unreadable restored' 'what the history tells'
}

test_an_expired_baseline_is_stale_and_goes_on_detecting() {
    printf 'one\n' >"$TREE/a"
    write_config
    make_key alice
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    driftctl bless --ticket CHG-1 --key "$KEYS/alice" --yes --expires "$(date -u -d '+8 seconds' +%FT%TZ)" >/dev/null
    start_daemon
    is_stale() { diff_json --cached | jq -e '.verdict == "incomplete" and .baselines[0].state == "stale"'; }
    wait_until "$LIVE" is_stale
    expect_exit 2 driftctl diff
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 1 driftctl diff
}
