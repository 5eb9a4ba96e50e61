# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What does not hold is refused with exit 3, recorded as a reject, and leaves the active baseline as it is, byte for byte.

begin() {
    printf 'one\n' >"$TREE/a"
    start_clean
    active=$(active_id)
    printf 'two\n' >"$TREE/a"
}

# refused WORDS [STATUS] — apply $SCRATCH/next.baseline
refused() {
    local before
    before=$(driftctl log --json --kind reject | wc -l)
    expect_exit "${2:-3}" driftctl apply "$SCRATCH/next.baseline"
    expect_error "$1"
    expect_equal "$(active_id)" "$active" "the active baseline"
    expect_equal "$(driftctl log --json --kind reject | wc -l)" "$((before + 1))" "the number of rejects in the history"
    driftctl log --json --kind reject | tail -n 1 >"$OUT"
    expect_json '.detail.reason | test($words)' --arg words "$1"
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 1' # still judged by the old one
}

propose() {
    driftctl propose --ticket CHG-2 --author bob -o "$SCRATCH/next.baseline" "$@" >/dev/null
}

sign() {
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes "$@" >"$OUT" 2>&1 || fail "sign: $(cat "$OUT")"
}

test_a_good_one_is_taken() {
    begin
    propose && sign
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    wait_until "$LIVE" is_clean
    expect_equal "$(active_id)" "$(sha256sum <"$SCRATCH/next.baseline" | cut -d' ' -f1)" "the active baseline"
}

test_unsigned() {
    begin
    propose
    expect_exit 4 driftctl apply "$SCRATCH/next.baseline" # told before anybody is asked
    expect_error 'nobody has signed'
    expect_equal "$(active_id)" "$active" "the active baseline"
}

test_edited_after_signing() {
    begin
    propose && sign
    sed -i "s|^\(file $TREE/a .*\)mode=0644|\1mode=0666|" "$SCRATCH/next.baseline"
    grep -q mode=0666 "$SCRATCH/next.baseline" || fail "the edit did not take"
    refused '.'
}

test_forged_by_a_stranger_under_an_approvers_name() {
    begin
    make_key mallory
    propose
    sed 's/^name mallory$/name alice/' "$KEYS/mallory" >"$KEYS/forged"
    chmod 0600 "$KEYS/forged"
    cp "$KEYS/mallory.pub" "$KEYS/forged.pub"
    # A trust file of their own lets driftctl sign as alice with the stranger's key.
    sed "s|^key = .*|key = $(cut -d' ' -f1,2 "$KEYS/mallory.pub")|" "$TRUST" >"$SCRATCH/their-trust"
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/forged" --trust "$SCRATCH/their-trust" --yes >/dev/null
    grep -q '^by alice$' "$SCRATCH/next.baseline.approval" || fail "the forgery does not name alice"
    refused '.'
}

test_a_signature_of_one_bit_more() {
    begin
    propose && sign
    # One character in the middle of the armour is another.
    awk '/BEGIN SSH/{n = NR} {if (n && NR == n + 3) {c = substr($0, 20, 1); $0 = substr($0, 1, 19) (c == "A" ? "B" : "A") substr($0, 21)} print}' \
        "$SCRATCH/next.baseline.approval" >"$SCRATCH/x" && mv "$SCRATCH/x" "$SCRATCH/next.baseline.approval"
    refused '.'
}

test_replayed() {
    begin
    driftctl baseline export host -o "$SCRATCH/next.baseline" >/dev/null
    cp "$SCRATCH/next.baseline" "$SCRATCH/first.baseline" && cp "$SCRATCH/next.baseline.approval" "$SCRATCH/first.baseline.approval"
    bless_all
    wait_until "$LIVE" is_clean
    active=$(active_id)
    printf 'three\n' >"$TREE/a"
    refused '.'
}

# Two people propose from the same generation: who comes second is told so, and is not called a forger.
test_late() {
    begin
    propose && sign
    bless_all
    active=$(active_id)
    printf 'three\n' >"$TREE/a"
    refused 'another proposal was applied first' 4
    # However late.
    bless_all
    active=$(active_id)
    printf 'four\n' >"$TREE/a"
    refused 'another proposal was applied first' 4
    sed -i '/BEGIN/,$d' "$SCRATCH/next.baseline.approval"
    refused 'signature|approv'
}

test_for_another_host() {
    begin
    propose
    sed -i 's/^host .*/host 0123456789abcdef0123456789abcdef/' "$SCRATCH/next.baseline"
    sign
    refused 'another host'
}

test_expired() {
    begin
    propose
    sed -i 's/^expires .*/expires 2020-01-01T00:00:00Z/; s/^created .*/created 2019-01-01T00:00:00Z/' "$SCRATCH/next.baseline"
    sign
    refused 'expired'
}

test_a_generation_left_out() {
    begin
    propose
    sed -i 's/^generation 2$/generation 3/' "$SCRATCH/next.baseline"
    sign
    refused '.'
}

test_another_parent() {
    begin
    propose
    sed -i "s/^parent .*/parent $(printf 'x' | sha256sum | cut -d' ' -f1)/" "$SCRATCH/next.baseline"
    sign
    refused '.'
}

test_below_the_threshold() {
    printf 'one\n' >"$TREE/a"
    write_config
    make_key alice
    make_key bob
    write_trust 2 alice bob
    driftctl propose --ticket CHG-1 --author alice -o "$SCRATCH/next.baseline" >/dev/null
    start_daemon
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    # The same person twice is one person.
    cat "$SCRATCH/next.baseline.approval" "$SCRATCH/next.baseline.approval" >"$SCRATCH/twice"
    cp "$SCRATCH/twice" "$SCRATCH/next.baseline.approval"
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    has_record reject || fail "no reject in the history"
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/bob" --yes >/dev/null
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl diff --json
    expect_json '.baselines[0].signers | sort == ["alice", "bob"]'
}

test_the_author_does_not_count_where_duties_are_apart() {
    printf 'one\n' >"$TREE/a"
    write_config
    make_key alice
    make_key bob
    EXTRA='author_counts = no' write_trust 1 alice bob
    start_daemon
    driftctl propose --ticket CHG-1 --author alice -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/bob" --yes >/dev/null
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
}

# approve_with NAMESPACE — the approval's text signed by ssh-keygen with that namespace
approve_with() {
    awk '/BEGIN SSH/{exit} {print}' "$SCRATCH/next.baseline.approval" >"$SCRATCH/text"
    rm -f "$SCRATCH/text.sig"
    ssh-keygen -q -Y sign -n "$1" -f "$KEYS/ssh" "$SCRATCH/text" 2>/dev/null
    cat "$SCRATCH/text" "$SCRATCH/text.sig" >"$SCRATCH/next.baseline.approval"
}

test_a_signature_for_another_purpose() {
    ssh-keygen -q -t ed25519 -N '' -C alice -f "$KEYS/ssh"
    write_config
    cp "$KEYS/ssh.pub" "$KEYS/alice.pub"
    write_trust 1 alice
    start_daemon
    driftctl propose --ticket CHG-1 --author alice -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --ssh-key "$KEYS/ssh" --yes >/dev/null
    # driftctl's own signature is one that ssh-keygen verifies.
    awk '/BEGIN SSH/{s = 1} {print > (s ? dir "/sig" : dir "/text")}' dir="$SCRATCH" "$SCRATCH/next.baseline.approval"
    printf 'alice %s\n' "$(cut -d' ' -f1,2 "$KEYS/ssh.pub")" >"$SCRATCH/signers"
    ssh-keygen -Y verify -f "$SCRATCH/signers" -I alice -n approval@driftd -s "$SCRATCH/sig" <"$SCRATCH/text" >/dev/null ||
        fail "ssh-keygen does not verify the approval"
    approve_with trust@driftd
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    approve_with file
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    approve_with approval@driftd
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
}

test_what_is_no_baseline_is_bad_input() {
    begin
    printf 'hello\n' >"$SCRATCH/next.baseline"
    : >"$SCRATCH/next.baseline.approval"
    expect_exit 4 driftctl apply "$SCRATCH/next.baseline"
    expect_equal "$(active_id)" "$active" "the active baseline"
    propose && sign
    printf '\n' >>"$SCRATCH/next.baseline" # not the one form
    expect_exit 4 driftctl apply "$SCRATCH/next.baseline"
    expect_equal "$(active_id)" "$active" "the active baseline"
}

test_a_thousand_unknown_signatures_are_refused_fast() {
    begin
    propose && sign
    make_key mallory
    cp "$SCRATCH/next.baseline.approval" "$SCRATCH/good"
    sed "s|^key = .*|key = $(cut -d' ' -f1,2 "$KEYS/mallory.pub")|; s/alice/mallory/" "$TRUST" >"$SCRATCH/their-trust"
    rm "$SCRATCH/next.baseline.approval"
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/mallory" --trust "$SCRATCH/their-trust" --yes >/dev/null
    local one start=$SECONDS
    one=$(cat "$SCRATCH/next.baseline.approval")
    local i
    for ((i = 0; i < 1000; i++)); do printf '%s\n' "$one"; done >"$SCRATCH/next.baseline.approval"
    refused '.'
    ((SECONDS - start < 20)) || fail "it took $((SECONDS - start)) s"
    cat "$SCRATCH/good" >>"$SCRATCH/next.baseline.approval"
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
}
