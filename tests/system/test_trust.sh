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

# ---- revoked and rotated keys ----

# two_people — a baseline that alice and bob approved together, and carol to come
two_people() {
    printf 'one\n' >"$TREE/a"
    write_config
    local name
    for name in alice bob carol new; do make_key "$name"; done
    write_trust 2 alice bob
    start_daemon
    propose_by alice bob
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    wait_until "$LIVE" is_clean
    old=$(sha256sum <"$TRUST" | cut -d' ' -f1)
}

# propose_by NAME... — what is live now, approved by these
propose_by() {
    local name
    rm -f "$SCRATCH/next.baseline.approval"
    driftctl propose --ticket CHG-2 --author zoe -o "$SCRATCH/next.baseline" >/dev/null
    for name in "$@"; do driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/$name" --yes >/dev/null 2>&1; done
}

# write_next GENERATION PARENT THRESHOLD NAME=KEY[,KEY]... — $SCRATCH/next.conf
write_next() {
    local generation=$1 parent=$2 threshold=$3 names=() entry key
    shift 3
    {
        printf '[trust]\ngeneration = %s\nparent = %s\n' "$generation" "$parent"
        for entry in "$@"; do
            names+=("${entry%%=*}")
            printf '[approver %s]\n' "${entry%%=*}"
            for key in $(tr , ' ' <<<"${entry#*=}"); do printf 'key = %s\n' "$(cut -d' ' -f1,2 "$KEYS/$key.pub")"; done
        done
        printf '[baseline *]\napprovers = %s\nthreshold = %s\n' "${names[*]}" "$threshold"
    } >"$SCRATCH/next.conf"
    rm -f "$SCRATCH/next.conf.approval"
}

# succeed NAME... — signed by these, put in place, and read
succeed() {
    local name
    for name in "$@"; do driftctl sign "$SCRATCH/next.conf" --key "$KEYS/$name" --trust "$SCRATCH/any.conf" --yes >/dev/null 2>&1; done
    cp "$SCRATCH/next.conf.approval" "$TRUST.approval"
    cp "$SCRATCH/next.conf" "$TRUST"
    reload
}

# trust_is FILE STATE [REASON] — what is in force, and what the history says of the last file
trust_is() {
    status_json | jq -e --arg id "$1" '.trust_id == $id' >/dev/null || fail "in force is not $1"
    driftctl log --json --kind trust | tail -n 1 >"$OUT"
    expect_json '.detail.state == $state and ((.detail.reason // "") | test($reason))' --arg state "$2" --arg reason "${3:-}"
}

id_of() {
    sha256sum <"$1" | cut -d' ' -f1
}

test_a_revoked_key_no_longer_counts_and_what_it_approved_is_untrusted_and_detecting() {
    two_people
    cp "$TRUST" "$SCRATCH/any.conf"
    write_next 2 "$old" 2 alice=alice carol=carol
    succeed alice bob
    trust_is "$(id_of "$SCRATCH/next.conf")" succeeded
    expect_exit 3 driftctl status --json
    expect_json '.verdict == "untrusted" and .baselines[0].state == "untrusted" and .baselines[0].signers == ["alice"]'
    expect_json 'any(.problems[]; .kind == "untrusted" and (.where | test("1 of 2 approvals")))'
    put "$TREE/a" 'two\n' # untrusted is not blind
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    propose_by alice bob
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    expect_error '1 of 2 approvals.*does not list'
    propose_by alice carol
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    expect_exit 0 driftctl diff # waits until what was applied is looked at
    expect_exit 0 driftctl status
}

test_old_and_new_key_of_one_person_count_once() {
    two_people
    cp "$TRUST" "$SCRATCH/any.conf"
    write_next 2 "$old" 2 alice=alice,new bob=bob
    succeed alice bob
    trust_is "$(id_of "$SCRATCH/next.conf")" succeeded
    expect_exit 0 driftctl status # the old key is still hers
    put "$TREE/a" 'two\n'
    # The new key's own name is another: it signs as whom the trust file says.
    sed 's/^name new$/name alice/' "$KEYS/new" >"$KEYS/alice2"
    chmod 0600 "$KEYS/alice2"
    cp "$KEYS/new.pub" "$KEYS/alice2.pub"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    propose_by alice
    cp "$SCRATCH/next.baseline.approval" "$SCRATCH/first"
    rm "$SCRATCH/next.baseline.approval"
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice2" --yes >/dev/null 2>&1
    cat "$SCRATCH/first" >>"$SCRATCH/next.baseline.approval"
    expect_equal "$(grep -c '^by alice$' "$SCRATCH/next.baseline.approval")" 2 'the number of her signatures'
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    expect_error '1 of 2 approvals.*counted already'
    # The rotation ends: the new key alone is hers.
    old=$(id_of "$TRUST")
    write_next 3 "$old" 2 alice=new bob=bob
    succeed alice2 bob
    trust_is "$(id_of "$SCRATCH/next.conf")" succeeded
    cp "$SCRATCH/first" "$SCRATCH/next.baseline.approval"
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/bob" --yes >/dev/null 2>&1
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    expect_error '1 of 2 approvals.*does not list'
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice2" --yes >/dev/null 2>&1
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
}

test_a_successor_needs_the_old_files_threshold_and_the_next_number_and_is_taken_once() {
    two_people
    cp "$TRUST" "$SCRATCH/any.conf"
    write_next 2 "$old" 1 alice=alice
    succeed alice # one of two
    trust_is "$old" refused '1 of 2 approvals'
    write_next 3 "$old" 1 alice=alice
    succeed alice bob
    trust_is "$old" refused 'generation 3, but the one in force is generation 1'
    write_next 2 "$(printf x | sha256sum | cut -d' ' -f1)" 1 alice=alice
    succeed alice bob
    trust_is "$old" refused 'parent is not the one in force'
    write_next 2 "$old" 1 carol=carol
    succeed carol # its own people
    trust_is "$old" refused '0 of 2 approvals'
    expect_exit 3 driftctl status
    write_next 2 "$old" 2 alice=alice carol=carol
    succeed alice bob
    local second third
    second=$(id_of "$TRUST")
    trust_is "$second" succeeded
    cp "$TRUST" "$SCRATCH/second" && cp "$TRUST.approval" "$SCRATCH/second.approval"
    write_next 3 "$second" 2 alice=alice bob=bob
    succeed alice carol
    third=$(id_of "$TRUST")
    trust_is "$third" succeeded
    # The one before, with its good approvals, once more; and the very first.
    cp "$SCRATCH/second" "$TRUST" && cp "$SCRATCH/second.approval" "$TRUST.approval"
    reload
    trust_is "$third" refused 'generation 2, but the one in force is generation 3'
    cp "$SCRATCH/any.conf" "$TRUST"
    reload
    trust_is "$third" refused 'generation 1, but the one in force is generation 3'
    expect_exit 3 driftctl status
}
