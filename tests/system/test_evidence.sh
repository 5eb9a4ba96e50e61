# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Evidence: a bundle is exported whole or not at all, verified elsewhere by anyone, by hand too, and whatever is changed in it
# is refused, with what does not hold.

B=$SCRATCH/bundle

# two_approve FILE — alice and bob sign, and it is applied
two_approve() {
    driftctl sign "$1" --key "$KEYS/alice" --yes >"$OUT" 2>&1 || fail "$(cat "$OUT")"
    driftctl sign "$1" --key "$KEYS/bob" --yes >"$OUT" 2>&1 || fail "$(cat "$OUT")"
    driftctl apply "$1" >"$OUT" 2>&1 || fail "$(cat "$OUT")"
}

propose() {
    driftctl propose "$@" >"$OUT" 2>&1 || fail "$(cat "$OUT")"
}

# A year in small: a baseline by two people, a crash, drift that is reverted, an approved change.
begin() {
    write_config
    make_key alice
    make_key bob
    write_trust 2 alice bob
    printf 'one\n' >"$TREE/a"
    start_daemon
    driftctl log checkpoint -o "$SCRATCH/early" >/dev/null
    propose --ticket CHG-1 -o "$SCRATCH/1.baseline"
    two_approve "$SCRATCH/1.baseline"
    crash_daemon
    start_daemon
    put "$TREE/a" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    put "$TREE/a" 'one\n'
    wait_until "$LIVE" no_drift "file:$TREE/a"
    put "$TREE/a" 'three\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    propose --ticket CHG-2 -o "$SCRATCH/2.baseline"
    two_approve "$SCRATCH/2.baseline"
    wait_until "$LIVE" is_clean
    driftctl log checkpoint --show-key >"$SCRATCH/host.pub"
}

export_it() {
    driftctl evidence export -o "$B" "$@" >"$OUT" 2>"$ERR" || fail "export: $(cat "$OUT" "$ERR")"
}

# What an auditor has: the program, the bundle, a trust file and a key; no configuration.
verify_it() {
    timeout 60 "$BUILD/driftctl" -c /nonexistent evidence verify "${BUNDLE:-$B}" --trust "${TRUST_FILE:-$TRUST}" "$@"
}

begin_bundle() {
    begin
    export_it --checkpoint "$SCRATCH/early"
    stop_daemon
    expect_exit 0 verify_it --key "$SCRATCH/host.pub"
}

# Approvals that came after the apply are the review, and not who approved it then.
test_an_urgent_change_and_its_review() {
    write_config
    make_key alice
    make_key bob
    EXTRA=$'urgent_threshold = 1\nreview_within = 72h' write_trust 2 alice bob
    printf 'one\n' >"$TREE/a"
    start_daemon
    propose --ticket INC-1 --class urgent -o "$SCRATCH/1.baseline"
    driftctl sign "$SCRATCH/1.baseline" --key "$KEYS/alice" --yes >/dev/null
    driftctl apply "$SCRATCH/1.baseline" >/dev/null
    export_it
    expect_exit 0 verify_it --json
    driftctl sign "$SCRATCH/1.baseline" --key "$KEYS/bob" --yes >/dev/null
    driftctl apply "$SCRATCH/1.baseline" >/dev/null
    has_record review '' '.detail.state == "given"' || fail "no review"
    rm -r "$B"
    export_it
    expect_exit 0 verify_it
    jq -e '.baselines == [.baselines[] | select(.signers == ["alice"] and .reviewers == ["bob"])]' "$B/summary.json" >/dev/null ||
        fail "the bundle tells another story: $(jq -c .baselines "$B/summary.json")"
    # Without bob's approval the summary is not what the bundle gives any more.
    awk '/^driftd-approval 1$/ {n++} n < 2' "$B/baselines/host@1.baseline.approval" >"$SCRATCH/first"
    cp "$SCRATCH/first" "$B/baselines/host@1.baseline.approval"
    sums_again "$B"
    expect_exit 3 verify_it
}

# As whoever changes a bundle would do it.
sums_again() {
    rm -f "$1/SHA256SUMS"
    (cd "$1" && find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum) >"$SCRATCH/sums"
    cp "$SCRATCH/sums" "$1/SHA256SUMS"
}

# refused CHECK WORDS COMMAND... — a copy of the bundle in which the command was run is refused by that check, with these words,
# also after its digests were made again
refused() {
    local check=$1 words=$2
    shift 2
    rm -rf "$SCRATCH/copy"
    cp -r "$B" "$SCRATCH/copy"
    (cd "$SCRATCH/copy" && "$@")
    sums_again "$SCRATCH/copy"
    BUNDLE=$SCRATCH/copy expect_exit 3 verify_it --key "$SCRATCH/host.pub" --json
    expect_json '[.checks[] | select(.ok == false)] | length == 1 and .[0].check == $check and (.[0].reason | test($words))' \
        --arg check "$check" --arg words "$words"
    expect_json '.ok == false and .summary == null'
}

# The daemon stands still, so that the export waits for it.
test_an_export_that_a_signal_ends_leaves_nothing_behind() {
    local signal exporter status
    printf 'one\n' >"$TREE/a"
    start_clean
    driftctl log checkpoint -o "$SCRATCH/early" >/dev/null
    for signal in INT TERM; do
        kill -STOP "$DAEMON"
        # (A shell starts what is in the background with SIGINT ignored.)
        env --default-signal=INT "$BUILD/driftctl" --config "$CONFIG" evidence export -o "$B" >"$OUT" 2>"$ERR" &
        exporter=$!
        remember_process "$exporter"
        wait_until "$LIVE" compgen -G "$B.??????/baselines"
        kill "-$signal" "$exporter"
        status=0
        wait "$exporter" || status=$?
        kill -CONT "$DAEMON"
        expect_equal "$status" $((128 + $(kill -l "$signal"))) "how an export ends by SIG$signal"
        expect_equal "$(compgen -G "$B*" || true)" '' "what is left after SIG$signal"
        expect_equal "$(cat "$OUT" "$ERR")" '' "what is said"
    done
    export_it
    [[ -s $B/SHA256SUMS ]] || fail 'there is no bundle'
}

test_a_bundle_is_verified_elsewhere() {
    begin_bundle
    expect_output '^verified: host [0-9a-f]{32}'
    expect_output 'bless +20.* host@1 +normal +CHG-1 +approved by alice,bob'
    expect_output 'reverted without approval'
    expect_output 'What this does not prove'
    expect_no_output 'key came with the bundle'
    expect_exit 0 verify_it
    expect_output 'key came with the bundle'
    expect_exit 0 verify_it --json --key "$(cat "$SCRATCH/host.pub")"
    expect_json '.ok and .schema == "driftd.evidence-verify/1" and all(.checks[]; .ok) and .key == "given"'
    expect_json '.summary.findings.reverted == 1 and .summary.findings.approved == 1 and (.summary.gaps | length) >= 1'
    expect_json '[.summary.changes[] | [.ticket, .signers]] == [["CHG-1", ["alice", "bob"]], ["CHG-2", ["alice", "bob"]]]'
    expect_json '(.summary.checkpoint.earlier | length) == 1 and .coverage.schema == "driftd.coverage/1"'
    expect_json '.summary.severities.high == 2'
}

test_an_ordinary_user_verifies_it() {
    need_root
    begin_bundle
    mkdir "$SCRATCH/elsewhere"
    cp -r "$B" "$TRUST" "$SCRATCH/host.pub" "$BUILD/driftctl" "$SCRATCH/elsewhere"
    chown -R nobody "$SCRATCH/elsewhere"
    rm -rf "$STATE"
    expect_exit 0 setpriv --reuid nobody --clear-groups "$SCRATCH/elsewhere/driftctl" evidence verify "$SCRATCH/elsewhere/bundle" \
        --trust "$SCRATCH/elsewhere/trust.conf" --key "$SCRATCH/elsewhere/host.pub"
}

test_by_hand_as_the_readme_says() {
    begin_bundle
    sed -n 's/^    //p' "$B/README.txt" | grep -v '^driftctl ' >"$SCRATCH/commands"
    grep -q 'ssh-keygen -Y verify' "$SCRATCH/commands" || fail "README.txt names no ssh-keygen"
    expect_exit 0 env -C "$B" bash -eu "$SCRATCH/commands"
    expect_equal "$(grep -c 'Good "approval@driftd" signature for alice' "$OUT")" 2 "alice's good signatures"
    expect_equal "$(grep -c 'Good "approval@driftd" signature for bob' "$OUT")" 2 "bob's good signatures"
    expect_output '^records.jsonl: OK'
    expect_output '^baselines/host@2.baseline: OK'
    sed -i 's/^at 20/at 30/' "$B/baselines/host@2.baseline.approval"
    sums_again "$B"
    ! (cd "$B" && bash -eu "$SCRATCH/commands") >"$OUT" 2>&1 || fail "the commands of README.txt accept a changed approval"
}

test_the_records_are_the_logs_own_bytes() {
    begin
    export_it
    driftctl log --json >"$SCRATCH/log"
    expect_equal "$(head -n "$(wc -l <"$B/records.jsonl")" "$SCRATCH/log" | jq -cS . | sha256sum)" "$(jq -cS . "$B/records.jsonl" | sha256sum)"
    expect_equal "$(stat -c %a "$B")" 700
    expect_equal "$(find "$B" -type f ! -perm 600 | wc -l)" 0 "files that others may read"
}

test_a_part_of_the_log() {
    begin
    local since until first
    since=$(driftctl log --json --kind drift | jq -rs '.[0].time')
    until=$(driftctl log --json --kind drift | jq -rs '.[1].time')
    export_it --since "$since" --until "$until"
    expect_exit 0 verify_it --json --key "$SCRATCH/host.pub"
    expect_json '.summary.records | .first > 1 and .period_first > .first and .last == .period_last + 1'
    expect_json '.summary.kinds.drift == 1 and .summary.kinds.resolved == 1 and .summary.findings.reverted == 1'
    expect_json '.summary.period == {since: $since, until: $until}' --arg since "$since" --arg until "$until"
    expect_json '[.summary.baselines[] | [.generation, .applied]] == [[1, "before"]]'
    expect_json '.coverage.complete'
    # without its ends, made anew with all that can be made anew
    first=$(sed -n 's/^first //p' "$B/records.proof")
    refused records 'do not give the root|these numbers' sh -c "sed -i 1d records.jsonl; sed -i 's/^first .*/first $((first + 1))/' records.proof"
    refused period 'left out before' sh -c 'jq ".period.since = null" summary.json >s; mv s summary.json'
    refused period 'left out after' sh -c 'jq ".period.until = null" summary.json >s; mv s summary.json'
    refused period 'left out after' sh -c 'jq ".period.until = \"2999-01-01T00:00:00.000Z\"" summary.json >s; mv s summary.json'
    # another time than the one that was counted
    since=$(driftctl log --json --kind resolved | jq -rs '.[0].time')
    refused summary '(summary|coverage).json is not' sh -c "jq '.period.since = \"$since\"' summary.json >s; mv s summary.json"
}

test_without_a_daemon() {
    need_root
    begin
    stop_daemon
    export_it
    expect_exit 0 verify_it --key "$SCRATCH/host.pub"
}

test_a_text_that_was_dropped() {
    need_root
    begin
    stop_daemon
    sed -i 's/^\[scan\]/[store]\nkeep_bodies = 1\n\n[scan]/' "$CONFIG"
    start_daemon
    put "$TREE/a" 'four\n'
    propose --ticket CHG-3 -o "$SCRATCH/3.baseline"
    two_approve "$SCRATCH/3.baseline"
    export_it
    stop_daemon
    [[ -e $B/baselines/host@1.header && ! -e $B/baselines/host@1.baseline ]] || fail "host@1 has its text: $(ls "$B/baselines")"
    expect_exit 0 verify_it --key "$SCRATCH/host.pub"
    expect_output 'only the header lines are kept'
    refused baselines 'says another ticket' sed -i 's/^ticket .*/ticket CHG-9/' baselines/host@1.header
    refused baselines 'says another id' sed -i '1s/^id ..../id 0000/' baselines/host@1.header
}

test_a_successor_of_the_trust_file() {
    begin
    make_key carol
    cp "$TRUST" "$SCRATCH/trust1"
    {
        sed "s/^generation = 1/generation = 2/; s/^parent = none/parent = $(sha256sum "$TRUST" | cut -d' ' -f1)/; s/= alice bob/= alice bob carol/" "$TRUST"
        printf '[approver carol]\nkey = %s\n' "$(cut -d' ' -f1,2 "$KEYS/carol.pub")"
    } >"$SCRATCH/trust2"
    driftctl sign "$SCRATCH/trust2" --key "$KEYS/alice" --trust "$SCRATCH/trust1" --yes >/dev/null 2>&1
    driftctl sign "$SCRATCH/trust2" --key "$KEYS/bob" --trust "$SCRATCH/trust1" --yes >/dev/null 2>&1
    cp "$SCRATCH/trust2.approval" "$TRUST.approval"
    cp "$SCRATCH/trust2" "$TRUST"
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_record trust '' '.detail.state == "succeeded"'
    export_it
    stop_daemon
    TRUST_FILE=$SCRATCH/trust1 expect_exit 0 verify_it --key "$SCRATCH/host.pub"
    TRUST_FILE=$SCRATCH/trust2 expect_exit 0 verify_it --key "$SCRATCH/host.pub"
    sed -n 's/^    //p' "$B/README.txt" | grep -v '^driftctl ' >"$SCRATCH/commands"
    expect_exit 0 env -C "$B" bash -eu "$SCRATCH/commands"
    expect_output 'Good "trust@driftd" signature for bob'
    refused trust 'does not follow' sed -i '/^by bob/s/bob/carol/' trust/2.conf.approval
    refused trust 'does not follow' sed -i 's/^threshold = 2/threshold = 1/' trust/2.conf
    refused trust 'is missing' rm trust/2.conf.approval
    refused trust 'not in the bundle' rm trust/2.conf trust/2.conf.approval
    refused trust 'is generation 1' mv trust/1.conf trust/7.conf
}

# ---- refused: with the digests as they were ----

test_a_byte_of_each_file() {
    begin_bundle
    local file
    while read -r file; do
        cp "$B/$file" "$SCRATCH/held"
        printf '\x01' | dd of="$B/$file" bs=1 seek=3 conv=notrunc status=none
        expect_exit 3 verify_it --json
        expect_json '.checks[0] | .check == "sums" and .ok == false'
        cp "$SCRATCH/held" "$B/$file"
    done < <(find "$B" -type f -size +0 -printf '%P\n')
    expect_exit 0 verify_it
}

test_truncated_files() {
    begin_bundle
    local file
    while read -r file; do
        cp "$B/$file" "$SCRATCH/held"
        truncate -s -1 "$B/$file"
        expect_exit 3 verify_it
        expect_output 'sums: '
        cp "$SCRATCH/held" "$B/$file"
    done < <(find "$B" -type f -size +0 -printf '%P\n')
}

test_files_missing_added_or_no_files() {
    begin_bundle
    local file
    while read -r file; do
        [[ $file != SHA256SUMS ]] || continue
        mv "$B/$file" "$SCRATCH/held"
        expect_exit 3 verify_it
        expect_output "is missing: SHA256SUMS names it"
        ln -s "$SCRATCH/held" "$B/$file"
        expect_exit 3 verify_it
        expect_output 'is a link and no regular file'
        rm "$B/$file"
        mkfifo "$B/$file"
        expect_exit 3 verify_it
        expect_output 'is a special file and no regular file'
        rm "$B/$file"
        mv "$SCRATCH/held" "$B/$file"
    done < <(find "$B" -type f -printf '%P\n')
    touch "$B/more"
    expect_exit 3 verify_it
    expect_output 'more is no file of a bundle'
    rm "$B/more"
    cp "$B/trust/1.conf" "$B/trust/2.conf"
    expect_exit 3 verify_it
    expect_output 'stands beside the bundle'
    rm "$B/trust/2.conf"
    mkdir "$B/trust/below"
    expect_exit 3 verify_it
    expect_output 'is a folder and no regular file'
    rmdir "$B/trust/below"
    cp "$B/SHA256SUMS" "$SCRATCH/held"
    sed -i '1s|  .*|  ../etc/passwd|' "$B/SHA256SUMS"
    expect_exit 3 verify_it
    expect_output 'line 1: \.\./etc/passwd is no file of a bundle'
    sed '1s|  .*|  trust/../trust/1.conf|' "$SCRATCH/held" >"$B/SHA256SUMS"
    expect_exit 3 verify_it
    sed '1p' "$SCRATCH/held" >"$B/SHA256SUMS"
    expect_exit 3 verify_it
    expect_output 'out of order, or twice'
    cp "$SCRATCH/held" "$B/SHA256SUMS"
    expect_exit 0 verify_it
}

test_no_bundle() {
    write_config
    make_key alice
    write_trust 1 alice
    mkdir "$SCRATCH/empty"
    BUNDLE=$SCRATCH/empty expect_exit 4 verify_it
    expect_error 'no bundle of evidence'
    BUNDLE=$SCRATCH/none expect_exit 4 verify_it
    BUNDLE=$TRUST expect_exit 4 verify_it
    expect_exit 4 driftctl evidence verify "$SCRATCH/empty"
    expect_error 'trust is missing'
}

# ---- refused: with new digests, as somebody would do it ----

test_records_tampered_with() {
    begin_bundle
    local last
    last=$(wc -l <"$B/records.jsonl")
    refused records 'one is missing, added or moved' sed -i 4d records.jsonl
    refused records 'one is missing, added or moved' sed -i 4p records.jsonl
    refused records 'one is missing, added or moved' sed -i '4{h;d};5{G}' records.jsonl
    refused records 'ends with record' sed -i "${last}d" records.jsonl
    refused records 'more records than' sh -c "sed -n '${last}s/\"seq\":$last/\"seq\":$((last + 1))/p' records.jsonl >l; cat l >>records.jsonl; rm l"
    refused records 'do not give the root' sed -i '0,/"severity":"high"/s//"severity":"low"/' records.jsonl
    refused records 'do not give the root' sed -i '4s/"seq":4,"time":"2026/"seq":4,"time":"2025/' records.jsonl
    refused records 'the form in which' sed -i '4s/,/, /' records.jsonl
    refused records 'not a record' sed -i '4s/"kind"/"sort"/' records.jsonl
    refused records 'not one JSON document' sed -i '4s/^{/[/' records.jsonl
    refused records 'it is cut' truncate -s -1 records.jsonl
    refused records 'ends with record|do not give' truncate -s 0 records.jsonl
    refused records 'for a log of' sed -i "s/^size $last/size $((last + 1))/;\$a AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" records.proof
    refused records 'records.proof, line 1' sed -i 1d records.proof
    refused records 'ends with record|another record|these numbers' sed -i 's/^first 1$/first 2/' records.proof
    refused sums 'records.proof is missing' rm records.proof
    refused sums 'records.jsonl is missing' rm records.jsonl
}

test_the_checkpoint_tampered_with() {
    begin_bundle
    refused checkpoint 'signature|hold|no key' sed -i '2s/^./9/' checkpoint
    refused checkpoint 'summary' sh -c 'jq ".host = \"0123456789abcdef0123456789abcdef\"" summary.json >s; mv s summary.json'
    refused checkpoint 'no verifier key' sed -i 's/+[^+]*+/+00000000+/' checkpoint.pub
    refused checkpoints 'no checkpoint|signature|hold' sed -i '2s/^./9/' "checkpoints/$(jq '.checkpoint.earlier[0].size' "$B/summary.json")"
    refused checkpoints 'is no checkpoints/SIZE.proof' sh -c 'rm checkpoints/*[0-9]'
    refused checkpoints 'is missing' sh -c 'rm checkpoints/*.proof'
}

test_approvals_and_baselines_tampered_with() {
    begin_bundle
    local A=baselines/host@1.baseline.approval C=baselines/host@2.baseline.approval
    refused baselines 'not approved.*something else' cp $A $C
    refused baselines 'not approved' sed -i '0,/^at 20/s//at 30/' $C
    refused baselines 'not approved.*1 of 2' sh -c "awk '/^driftd-approval/ { n++ } n == 1' $C >x; mv x $C"
    refused baselines 'is missing' rm $C
    refused baselines 'says another id' sed -i 's/^ticket CHG-2/ticket CHG-7/' baselines/host@2.baseline
    refused baselines 'says another id' sed -i '/^file /s/mode=[0-7]*/mode=0777/' baselines/host@1.baseline
    refused baselines 'line 1' sed -i 1d baselines/host@2.baseline
    refused baselines 'not in the bundle' rm baselines/host@1.baseline $A
    refused baselines 'not in the bundle' rm baselines/host@2.baseline $C
    refused baselines 'is for no baseline' rm baselines/host@2.baseline
    refused baselines 'host@3.baseline is host@2' sh -c "cp baselines/host@2.baseline baselines/host@3.baseline; cp $C baselines/host@3.baseline.approval"
    refused baselines 'is there twice|id DIGEST' sh -c "cp baselines/host@2.baseline baselines/host@2.header; cp $C baselines/host@2.header.approval"
    refused baselines 'is no baselines/' cp baselines/host@2.baseline baselines/host.baseline
}

test_documents_tampered_with() {
    begin_bundle
    refused summary 'summary.json is not' sed -i 's/"reverted": 1/"reverted": 0/' summary.json
    refused summary 'summary.json is not' sed -i 's/CHG-2/CHG-3/' summary.json
    refused summary 'summary.json is not' sh -c 'jq -c . summary.json >s; mv s summary.json'
    refused summary 'coverage.json is not' sed -i 's/"watched_ms": /"watched_ms": 1/' coverage.json
    refused checkpoint 'no driftd.evidence/1' sed -i 's/driftd.evidence/driftd.other/' summary.json
}

test_another_host_key_and_trust_file() {
    begin_bundle
    cp "$SCRATCH/host.pub" "$SCRATCH/first.pub"
    cp "$TRUST" "$SCRATCH/first.trust"
    mv "$B" "$SCRATCH/first"
    rm -rf "$STATE" "$SCRATCH/early"
    rm "$TRUST"
    make_key_again
    write_trust 1 alice
    start_daemon
    bless_all
    driftctl log checkpoint --show-key >"$SCRATCH/host.pub"
    export_it
    stop_daemon
    expect_exit 0 verify_it --key "$SCRATCH/host.pub"
    BUNDLE=$SCRATCH/first expect_exit 3 verify_it --key "$SCRATCH/host.pub"
    expect_output 'checkpoint: checkpoint.pub is not the key given'
    BUNDLE=$SCRATCH/first TRUST_FILE=$TRUST expect_exit 3 verify_it --key "$SCRATCH/first.pub"
    expect_output 'trust: the trust file given, [0-9a-f]{64}, is none of the bundle'
    # the other history's checkpoint, with and without its key
    refused checkpoint 'no signature|key' cp "$SCRATCH/first/checkpoint" checkpoint
    refused checkpoint 'not the key given' cp "$SCRATCH/first/checkpoint" "$SCRATCH/first/checkpoint.pub" .
}

make_key_again() {
    rm -f "$KEYS/alice" "$KEYS/alice.pub"
    make_key alice
}

# ---- exporting ----

test_export_writes_all_or_nothing() {
    begin
    mkdir "$SCRATCH/full" "$SCRATCH/vacant"
    touch "$SCRATCH/full/file"
    expect_exit 4 driftctl evidence export -o "$SCRATCH/full"
    expect_error 'not there yet, or is empty'
    expect_exit 4 driftctl evidence export -o "$SCRATCH/full/file"
    expect_exit 4 driftctl evidence export
    expect_error '-o is missing'
    expect_exit 4 driftctl evidence export -o "$B" --since 2020-01-01 --until 2020-01-02
    expect_error 'no record in that time'
    expect_exit 4 driftctl evidence export -o "$B" --since now --until -2h
    expect_exit 4 driftctl evidence export -o "$B" --checkpoint "$TRUST"
    printf 'other.example/log\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\xe2\x80\x94 other.example/log AAAAAAAA\n' >"$SCRATCH/foreign"
    expect_exit 3 driftctl evidence export -o "$B" --checkpoint "$SCRATCH/foreign"
    sed 's/^5$/500000/' "$SCRATCH/foreign" >"$SCRATCH/longer"
    expect_exit 3 driftctl evidence export -o "$B" --checkpoint "$SCRATCH/longer"
    expect_error 'history was cut'
    expect_equal "$(find "$SCRATCH" -maxdepth 1 -name 'bundle*' | wc -l)" 0 "what failed exports left"
    expect_exit 0 driftctl evidence export -o "$SCRATCH/vacant" --json
    expect_json '.schema == "driftd.evidence-export/1" and .records.count > 0'
}
