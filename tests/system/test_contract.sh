# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What users and scripts rely on, word for word: answers that are one document, and nothing that succeeds in silence.

# one_document CODE ARGUMENT... — with --json, exactly one JSON document on standard output, and nothing beside it.
one_document() {
    local code=$1
    shift
    expect_exit "$code" driftctl --json "$@"
    expect_equal "$(jq -s length "$OUT")" 1 "the number of documents of: $*"
    expect_json 'has("schema")'
    [[ ! -s $ERR ]] || fail "with --json, something on standard error: $(head -c 500 "$ERR")"
}

test_an_answer_is_one_document() {
    put "$TREE/a" 'one\n'
    first_steps
    put "$TREE/b" 'two\n'
    driftctl propose -o "$SCRATCH/p" 2>/dev/null
    one_document 3 baseline verify "$SCRATCH/p"
    expect_json '.enough == null and .approvals == []'
    one_document 3 baseline verify "$SCRATCH/p" --trust "$TRUST"
    one_document 3 diff --against "$SCRATCH/p"
    mkdir -p "$SCRATCH/image"
    one_document 3 diff --root "$SCRATCH/image" --baseline "$SCRATCH/p" --trust "$TRUST"
    expect_exit 3 driftctl baseline verify "$SCRATCH/p"
    [[ ! -s $ERR ]] || ! grep -q 'cannot open' "$ERR" || fail "an unsigned file is told as one that cannot be opened"
    for command in status diff scan 'baseline list' 'baseline show host' 'show /etc/passwd' 'config check' version help; do
        # shellcheck disable=SC2086
        driftctl $command --json >"$OUT" 2>"$ERR" || [[ $? -le 2 ]]
        expect_equal "$(jq -s length "$OUT")" 1 "the number of documents of $command"
        expect_json 'has("schema")'
    done
}

test_an_item_that_nothing_covers_is_not_clean() {
    put "$TREE/a" 'one\n'
    first_steps
    expect_exit 0 driftctl diff "$TREE/a"
    expect_exit 0 driftctl diff "$TREE"
    expect_exit 0 driftctl diff "$SCRATCH" # a folder above a scope
    expect_exit 0 driftctl diff /
    expect_exit 2 driftctl diff "$SCRATCH/elsewhere"
    expect_output '^not_covered +file:.*/elsewhere '
    expect_output '^incomplete '
    expect_exit 2 driftctl diff --json "$TREE/a" "$SCRATCH/elsewhere"
    expect_json '.verdict == "incomplete" and .coverage.complete == false'
    expect_json '[.coverage.problems[] | select(.kind == "not_covered")] | length == 1 and .[0].count == 1'
    put "$TREE/a" 'two\n'
    expect_exit 1 driftctl diff --json "$TREE/a" "$SCRATCH/elsewhere"
    expect_json '.verdict == "drift" and .coverage.complete == false'
    expect_exit 0 driftctl diff "$TREE/misspelt"
    expect_error 'is it spelled right'
}

test_a_proposal_of_what_nothing_covers_is_refused() {
    put "$TREE/a" 'one\n'
    first_steps
    put "$TREE/a" 'two\n'
    expect_exit 4 driftctl propose "$SCRATCH/elsewhere" -o "$SCRATCH/p"
    expect_error 'no scope covers file:.*/elsewhere'
    [[ ! -e $SCRATCH/p ]] || fail "a proposal was written"
    expect_exit 4 driftctl bless --ticket T --key "$KEYS/alice" --yes "$TREE/a" "$SCRATCH/elsewhere"
    expect_error 'no scope covers file:.*/elsewhere'
    expect_exit 0 driftctl bless --ticket T --key "$KEYS/alice" --yes "$TREE/a"
    rm "$TREE/a"
    expect_exit 0 driftctl bless --ticket T --key "$KEYS/alice" --yes "$TREE/a"
}

test_an_empty_value_is_refused() {
    put "$TREE/a" 'one\n'
    first_steps
    put "$TREE/a" 'two\n'
    local option
    for option in ticket class expires key; do
        expect_exit 4 driftctl bless --yes "--$option="
        expect_error "the value of --$option is empty"
    done
    expect_exit 4 driftctl bless --ticket '' --key "$KEYS/alice" --yes
    expect_error 'the value of --ticket is empty'
    expect_exit 4 driftctl diff --root '' --baseline x --trust x
    expect_exit 4 driftctl backup ''
    expect_error 'a word is empty'
    expect_exit 4 driftctl apply ''
    expect_equal "$(driftctl baseline list --json | jq '.baselines | length')" 1 "the number of generations"
}

test_an_expired_baseline_is_not_nothing_to_bless() {
    put "$TREE/a" 'one\n'
    first_steps
    bless_all --expires +3s
    wait_until 10 expired
    expect_exit 2 driftctl diff
    expect_exit 4 driftctl bless --ticket T --key "$KEYS/alice" --yes
    expect_error 'has expired'
    expect_error '--expires'
    expect_exit 0 driftctl bless --ticket T --key "$KEYS/alice" --yes --expires +90d
    expect_exit 0 driftctl diff
}

expired() {
    diff_json | jq -e '.baselines[0].state == "stale"'
}

test_a_log_of_no_time_is_refused() {
    put "$TREE/a" 'one\n'
    first_steps
    expect_exit 4 driftctl log --since now --until yesterday
    expect_error 'since.*until'
    expect_exit 4 driftctl log --since -1h --until -2h
    expect_exit 0 driftctl log --since -2h --until tomorrow
    expect_output ' bless '
    expect_exit 4 driftctl log --kind xyz
    expect_error 'the kinds are .*drift.*clock_jump'
}

test_too_many_items_are_refused_with_a_way_on() {
    put "$TREE/a" 'one\n'
    first_steps
    local items=() i
    for ((i = 0; i < 4097; i++)); do items+=("$TREE/$i"); done
    expect_exit 4 driftctl diff "${items[@]}"
    expect_error 'at most 4096'
    expect_error 'quotes'
}

test_a_public_key_does_not_sign() {
    put "$TREE/a" 'one\n'
    first_steps
    put "$TREE/a" 'two\n'
    expect_exit 4 driftctl bless --ticket T --key "$KEYS/alice.pub" --yes
    expect_error "$KEYS/alice.pub: "
    expect_error 'not its .pub'
}

test_an_auditor_needs_only_sha256sum_and_ssh_keygen() {
    put "$TREE/a" 'one\n'
    first_steps
    make_key bob
    put "$TREE/a" 'two\n'
    driftctl propose -o "$SCRATCH/one" 2>/dev/null
    driftctl propose -o "$SCRATCH/two" --ticket OTHER 2>/dev/null
    driftctl sign "$SCRATCH/one" "$SCRATCH/two" --key "$KEYS/alice" --yes >/dev/null 2>&1
    driftctl sign "$SCRATCH/one" --key "$KEYS/bob" --yes >/dev/null 2>&1
    cd "$SCRATCH" || fail "no scratch folder"
    csplit -sz -f part one.approval '/^driftd-approval/' '{*}'
    expect_equal "$(find . -maxdepth 1 -name 'part*' | wc -l)" 2 "the number of approvals of one"
    printf 'alice %s\nbob %s\n' "$(cut -d' ' -f1,2 "$KEYS/alice.pub")" "$(cut -d' ' -f1,2 "$KEYS/bob.pub")" >allowed
    local part who
    for part in part00 part01; do
        who=$(sed -n 's/^by //p' "$part")
        sed '/^-----BEGIN/,$d' "$part" >text
        sed -n '/^-----BEGIN/,$p' "$part" >signature
        ssh-keygen -Y verify -f allowed -I "$who" -n approval@driftd -s signature <text >/dev/null ||
            fail "ssh-keygen does not take the approval of $who"
        ! ssh-keygen -Y verify -f allowed -I "$who" -n trust@driftd -s signature <text >/dev/null 2>&1 ||
            fail "the signature of $who holds for another purpose"
        grep -q "^baseline $(sha256sum one | cut -d' ' -f1) host " text || fail "$who did not sign the file's checksum"
    done
}
