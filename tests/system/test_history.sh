# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The history that proves itself: checkpoints kept elsewhere, and what they show.

KEPT=$SCRATCH/elsewhere

# keep NAME — a checkpoint and the host's key, where the attacker of these tests does not come
keep() {
    mkdir -p "$KEPT"
    driftctl log checkpoint -o "$KEPT/$1" >/dev/null
    driftctl log checkpoint --show-key >"$KEPT/key"
}

# verify_kept EXIT VERDICT NAME [OPTION]...
verify_kept() {
    local code=$1 verdict=$2 name=$3
    shift 3
    expect_exit "$code" driftctl log verify --json --checkpoint "$KEPT/$name" "$@"
    expect_json '.schema == "driftd.log-verify/1" and .verdict == $verdict' --arg verdict "$verdict"
}

history_size() {
    status_json | jq .history.size
}

# records N — at least so many records in the history
records() {
    while [[ $(history_size) -lt $1 ]]; do
        put "$TREE/x" "$RANDOM\n"
        driftctl diff >/dev/null || [[ $? -le 3 ]]
    done
}

# What one history is: signed steps, and drifts. No daemon runs.
live_a_life() {
    put "$TREE/file" "one\n"
    first_steps
    put "$TREE/file" "two\n"
    driftctl diff >/dev/null || [[ $? -le 3 ]]
}

test_a_checkpoint_is_a_note_that_says_what_is_in_force() {
    start_clean
    keep now
    local host id trust
    host=$(status_json | jq -r .host)
    id=$(status_json | jq -r '.baselines[0] | "\(.name) \(.generation) \(.id)"')
    trust=$(status_json | jq -r .trust_id)
    expect_equal "$(sed -n 1p "$KEPT/now")" "driftd/$host" "the origin"
    expect_equal "$(sed -n 3p "$KEPT/now" | base64 -d | wc -c)" 32 "the size of the root"
    grep -qx "trust $trust 1" "$KEPT/now" || fail "no trust: $(cat "$KEPT/now")"
    grep -qx "baseline $id" "$KEPT/now" || fail "no baseline: $(cat "$KEPT/now")"
    grep -q "^— driftd/$host " "$KEPT/now" || fail "no signature: $(cat "$KEPT/now")"
    expect_equal "$(cat "$KEPT/key")" "$(cat "$STATE/checkpoint.pub")" "the key"
    expect_equal "$(stat -c %a "$STATE/checkpoint.key")" 600 "the mode of the key"
}

# openssl knows nothing of us: the signature is plain Ed25519 over the note's text.
test_openssl_verifies_a_checkpoint() {
    start_clean
    keep now
    sed '/^$/,$d' "$KEPT/now" >"$SCRATCH/text"
    sed -n 's/^— [^ ]* //p' "$KEPT/now" | base64 -d | tail -c 64 >"$SCRATCH/signature"
    {
        printf '\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00' # SubjectPublicKeyInfo, RFC 8410
        sed 's/^[^+]*+[^+]*+//' "$KEPT/key" | base64 -d | tail -c 32
    } >"$SCRATCH/key.der"
    expect_exit 0 openssl pkeyutl -verify -pubin -inkey "$SCRATCH/key.der" -keyform DER -rawin -in "$SCRATCH/text" \
        -sigfile "$SCRATCH/signature"
    local root
    root=$(driftctl verify --json | jq -r .root)
    [[ $(history_size) -ne $(sed -n 2p "$KEPT/now") ]] ||
        expect_equal "$(sed -n 3p "$KEPT/now" | base64 -d | od -An -tx1 | tr -d ' \n')" "$root" "the root"
}

test_a_history_that_goes_on_extends_its_checkpoint() {
    start_clean
    keep first
    verify_kept 0 extends first
    expect_json '.key == "own"'
    records $(($(history_size) + 7))
    verify_kept 0 extends first --key "$KEPT/key"
    expect_json '.key == "given" and .checkpoint.size < .present.size'
    verify_kept 0 extends first --key "$(cat "$KEPT/key")"
    stop_daemon
    verify_kept 0 extends first --key "$KEPT/key"
    start_daemon
    verify_kept 0 extends first --key "$KEPT/key"
    expect_exit 0 driftctl log verify --checkpoint "$KEPT/first"
    expect_output 'proves less'
}

# A whole other life, in itself without a fault, with the host's own key: verify alone cannot tell.
test_a_rewritten_history_is_caught_by_a_checkpoint_kept_elsewhere() {
    live_a_life
    keep before
    local size
    size=$(history_size)
    mv "$STATE" "$SCRATCH/true-state"
    # shellcheck disable=SC2153 # lib.sh sets it
    rm "$TRUST"
    put "$TREE/file" "one\n"
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    cp "$SCRATCH"/true-state/checkpoint.* "$STATE/"
    bless_all
    records $((size + 3))
    expect_exit 0 driftctl log --json --kind checkpoint
    driftctl verify >/dev/null || fail "verify alone sees it"
    verify_kept 3 rewritten before
    verify_kept 3 rewritten before --key "$KEPT/key"
    expect_exit 3 driftctl log verify --checkpoint "$KEPT/before"
    expect_output "first $(sed -n 2p "$KEPT/before") records give another root"
    rm -r "$STATE"
    mv "$SCRATCH/true-state" "$STATE"
    verify_kept 0 extends before
}

test_an_old_state_directory_put_back_is_a_history_that_was_cut() {
    live_a_life
    cp -a "$STATE" "$SCRATCH/old-state"
    bless_all
    keep later
    rm -r "$STATE"
    cp -a "$SCRATCH/old-state" "$STATE"
    driftctl verify >/dev/null || fail "verify alone sees it"
    verify_kept 3 cut later
    expect_json '.problem | test("older one was put back")'
    # it goes on, past the size that the checkpoint saw
    records $(($(sed -n 2p "$KEPT/later") + 5))
    driftctl verify >/dev/null || fail "verify alone sees it"
    verify_kept 3 rewritten later
}

test_an_old_baseline_put_back_is_named() {
    live_a_life
    keep first
    bless_all
    keep second
    # the tables of the first generation under the history of the second
    sqlite3 "$STATE/driftd.db" "UPDATE baseline SET active = generation = 1"
    expect_exit 3 driftctl status
    verify_kept 3 put_back second
    expect_json '.problem | test("host: generation 1 is in force, and the checkpoint names 2")'
    verify_kept 0 extends first
}

test_a_forged_checkpoint_and_one_of_another_key_are_refused() {
    start_clean
    keep now
    sed '2s/.*/1/' "$KEPT/now" >"$KEPT/forged"
    verify_kept 3 forged forged
    verify_kept 3 forged forged --key "$KEPT/key"
    expect_exit 4 driftctl log verify --checkpoint "$KEPT/now" --key "driftd/x+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    expect_error 'its hash is not that of its name and key'
    verify_kept 3 other_key now --key "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    sed 's/^driftd\/.*/driftd\/00000000000000000000000000000000/; s/^— [^ ]*/— driftd\/00000000000000000000000000000000/' \
        "$KEPT/now" >"$KEPT/other-host"
    verify_kept 3 other_log other-host
    expect_json '.problem | test("of another host")'
    expect_exit 4 driftctl log verify --checkpoint "$CONFIG"
    expect_error 'no signed note'
    expect_exit 4 driftctl log verify --checkpoint "$KEPT/none"
    expect_exit 4 driftctl log verify
    expect_error 'checkpoint is missing'
}

# What was edited where it stands is no history that anything can be signed of.
test_edited_records_are_never_signed() {
    live_a_life
    keep now
    sqlite3 "$STATE/driftd.db" "UPDATE record SET body = replace(body, '\"kind\":\"bless\"', '\"kind\":\"blesS\"') WHERE kind = 'bless'"
    expect_exit 3 driftctl log checkpoint
    expect_error 'the history does not hold'
    expect_exit 3 driftctl log verify --checkpoint "$KEPT/now"
}

test_the_store_remembers_what_was_handed_out() {
    live_a_life
    status_json | jq -e '.checkpoint == null' >/dev/null || fail "a checkpoint was handed out"
    driftctl status >"$OUT" || [[ $? -le 3 ]]
    expect_output 'none was handed out.*only clumsy tampering'
    keep now
    status_json | jq -e --argjson size "$(sed -n 2p "$KEPT/now")" '.checkpoint.size == $size' >/dev/null ||
        fail "$(status_json | jq -c .checkpoint)"
    # a rewriter who forgets it is refused a signature
    sqlite3 "$STATE/driftd.db" "UPDATE value SET value = replace(value, ' ', ' 0') WHERE key = 'checkpoint'" \
        "UPDATE value SET value = '2 $(printf 0%.0s {1..64}) 0' WHERE key = 'checkpoint'"
    expect_exit 3 driftctl log checkpoint
    expect_error 'was rewritten'
    sqlite3 "$STATE/driftd.db" "UPDATE value SET value = '9999 $(printf 0%.0s {1..64}) 0' WHERE key = 'checkpoint'"
    expect_exit 3 driftctl log checkpoint
    expect_error 'was cut'
}

# key_record WHY
key_record() {
    driftctl log --json --kind checkpoint | jq -se --arg why "$1" 'any(.[]; .detail.why == $why)' >/dev/null ||
        fail "no such record: $1: $(driftctl log --json --kind checkpoint | jq -c .detail)"
}

test_a_lost_or_damaged_key_is_made_anew_and_recorded() {
    start_clean
    keep first
    key_record first
    stop_daemon
    rm "$STATE/checkpoint.key"
    start_daemon
    key_record lost
    [[ $(driftctl log checkpoint --show-key) != "$(cat "$KEPT/key")" ]] || fail "the same key"
    # by the key that was kept, the history is still the same; by the host's own it is another's
    verify_kept 0 extends first --key "$KEPT/key"
    verify_kept 3 other_key first
    expect_exit 0 driftctl log verify --checkpoint "$KEPT/first" --key "$KEPT/key"
    expect_output 'signs by another key'
    stop_daemon
    put "$STATE/checkpoint.key" "nonsense\n"
    start_daemon
    key_record damaged
    expect_equal "$(cat "$STATE/checkpoint.key.damaged")" nonsense "what was set aside"
    stop_daemon
    rm "$STATE/checkpoint.pub"
    start_daemon
    expect_equal "$(cat "$STATE/checkpoint.pub")" "$(driftctl log checkpoint --show-key)" "the key"
    expect_equal "$(driftctl log --json --kind checkpoint | wc -l)" 3 "the number of keys"
}

test_a_key_that_cannot_be_set_aside_is_not_replaced() {
    first_steps
    keep now
    put "$STATE/checkpoint.key" "nonsense\n"
    mkdir "$STATE/checkpoint.key.damaged"
    expect_exit 4 driftctl log checkpoint
    expect_error 'no key to sign checkpoints with.*could not be set aside'
    expect_equal "$(cat "$STATE/checkpoint.key")" nonsense "what was there"
    rmdir "$STATE/checkpoint.key.damaged"
    expect_exit 0 driftctl log checkpoint
    key_record damaged
}

# ---- coverage ----

test_coverage_tells_each_gap_with_its_bounds() {
    start_clean
    expect_exit 0 driftctl coverage --json
    expect_json '.schema == "driftd.coverage/1" and .complete and .gaps == [] and .watched_ms == .period_ms'
    expect_json '.passes.full >= 1 and (.baselines | length) == 1 and .baselines[0].until == null'
    expect_exit 0 driftctl coverage
    expect_output '^watched 100.00 %'
    local before after
    before=$(date +%s%3N)
    crash_daemon
    pause
    start_daemon
    after=$(date +%s%3N)
    wait_until "$LIVE" is_clean
    expect_exit 2 driftctl coverage --json
    expect_json '.complete == false and (.gaps | length) == 1 and .gaps[0].reason == "not_running"'
    expect_json '(.gaps[0] | (.until | sub("\\.[0-9]+Z"; "Z") | fromdate) * 1000 + 999 >= $before and .ms > 0) and .watched_ms < .period_ms' \
        --argjson before "$before"
    expect_json '.gaps[0].until | sub("\\.[0-9]+Z"; "Z") | fromdate * 1000 <= $after' --argjson after "$after"
    expect_exit 2 driftctl coverage
    expect_output '^gap .*was not running, and had not been stopped'
    stop_daemon
    # the store alone: proved up to the stop, and not until now
    expect_exit 2 driftctl coverage --json
    expect_json '[.gaps[].reason] == ["not_running", "stopped"]'
    start_daemon
    expect_exit 2 driftctl coverage --json
    expect_json '[.gaps[].reason] == ["not_running", "stopped"]'
    # a period that lies after them, and one that lies before everything
    pause
    expect_exit 0 driftctl coverage --json --since "$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)"
    expect_json '.gaps == []'
    expect_exit 2 driftctl coverage --json --since 2020-01-01 --until 2020-02-01
    expect_json '.watched_ms == 0 and [.gaps[].reason] == ["no_history"]'
    expect_exit 4 driftctl coverage --since now --until yesterday
    expect_error 'since is not before'
}

test_coverage_of_no_time_is_not_complete() {
    first_steps # no daemon ever ran
    expect_exit 2 driftctl coverage
    expect_exit 2 driftctl coverage --json
    expect_json '.complete == false and .watched_ms == 0'
}
