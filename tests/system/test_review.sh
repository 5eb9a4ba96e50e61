# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Several people: proposed on the host, reviewed and signed elsewhere, applied here; and what is urgent, reviewed afterwards.

# begin THRESHOLD NAME... — a host whose first generation all of them approved. EXTRA as write_trust takes it.
begin() {
    local threshold=$1 name
    shift
    printf 'one\n' >"$TREE/a"
    printf 'one\n' >"$TREE/b"
    write_config
    for name in "$@"; do make_key "$name"; done
    write_trust "$threshold" "$@"
    start_daemon
    driftctl propose --ticket CHG-1 --author alice -o "$SCRATCH/1.baseline" >/dev/null
    for name in "$@"; do sign 1 "$name"; done
    expect_exit 0 driftctl apply "$SCRATCH/1.baseline"
    wait_until "$LIVE" is_clean
}

# sign FILE NAME
sign() {
    driftctl sign "$SCRATCH/$1.baseline" --key "$KEYS/$2" --yes >"$OUT" 2>&1 || fail "sign: $(cat "$OUT")"
}

# urgent_change — generation 2, which alice alone applies
urgent_change() {
    put "$TREE/a" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    driftctl propose --ticket INC-7 --author alice --class urgent -o "$SCRATCH/2.baseline" >/dev/null
    sign 2 alice
    expect_exit 0 driftctl apply "$SCRATCH/2.baseline"
    expect_output 'a review by the others is due'
}

has_problem() {
    status_json | jq -e --arg kind "$1" 'any(.problems[]; .kind == $kind)'
}

test_an_urgent_change_is_in_force_and_demands_its_review() {
    EXTRA=$'urgent_threshold = 1\nreview_within = 72h' begin 2 alice bob carol
    urgent_change
    expect_exit 0 driftctl status --json # to be known, and not yet a fault
    expect_json '.problems[] | select(.kind == "review_due") | .count == 1 and (.where | test("host@2: 1 more by ")) and
        (.lowers_coverage | not)'
    expect_exit 0 driftctl diff
    expect_output 'review_due'
    has_record bless '' '.detail.class == "urgent" and .detail.review_due and .detail.review_missing == 1' ||
        fail 'the history does not tell what is missing'
    has_record review '' '.detail.state == "due" and .detail.generation == 2 and .detail.missing == 1 and .detail.due' ||
        fail 'the history does not tell that a review is due'

    # Alice again is nobody new; a restart forgets nothing.
    expect_exit 3 driftctl apply "$SCRATCH/2.baseline"
    expect_error 'add nobody'
    stop_daemon
    start_daemon
    wait_until "$LIVE" has_problem review_due

    # Bob takes the file from the host, and gives it back signed.
    driftctl baseline export host@2 -o "$SCRATCH/review.baseline" >/dev/null
    sign review bob
    expect_exit 0 driftctl apply "$SCRATCH/review.baseline" --json
    expect_json '.reviewed and (.review_due | not) and .generation == 2 and .signers == ["alice", "bob"]'
    expect_exit 0 driftctl status --json
    expect_json 'all(.problems[]; .kind | startswith("review") | not)'
    expect_json '.baselines[0].signers == ["alice", "bob"]'
    has_record review '' '.detail.state == "given" and .detail.by == ["bob"] and .detail.missing == 0 and .detail.asked.uid != null' ||
        fail 'the history does not tell who reviewed'
    stop_daemon
    start_daemon
    expect_exit 0 driftctl status --json
    expect_json '.baselines[0].signers == ["alice", "bob"] and all(.problems[]; .kind | startswith("review") | not)'
    expect_exit 0 driftctl verify
}

# succeed SED — the trust file's successor differs by this; all sign it
succeed() {
    local next=$SCRATCH/next.conf name
    sed -e 's/^generation = 1/generation = 2/' -e "s/^parent = .*/parent = $(sha256sum <"$TRUST" | cut -d' ' -f1)/" \
        -e "$1" "$TRUST" >"$next"
    for name in alice bob carol; do driftctl sign "$next" --key "$KEYS/$name" --yes >"$OUT" 2>&1 || fail "sign: $(cat "$OUT")"; done
    cp "$next.approval" "$TRUST.approval"
    cp "$next" "$TRUST"
}

is_settled() {
    status_json | jq -e 'all(.problems[]; .kind | startswith("review") | not)'
}

test_a_debt_that_a_successor_no_longer_asks_for_is_settled() {
    EXTRA=$'urgent_threshold = 1\nreview_within = 72h' begin 3 alice bob carol
    urgent_change
    sign 2 bob
    expect_exit 0 driftctl apply "$SCRATCH/2.baseline"
    wait_until "$LIVE" has_problem review_due
    succeed 's/^threshold = .*/threshold = 2/'
    kill -HUP "$DAEMON"
    wait_until "$LIVE" is_settled
    has_record review '' '.detail.state == "settled" and .detail.generation == 2 and (.detail.why | test("enough people"))' ||
        fail 'the history does not tell that it is owed no more'
    stop_daemon
    start_daemon
    wait_until "$LIVE" is_settled
}

test_a_debt_that_nobody_could_pay_is_settled() {
    EXTRA=$'urgent_threshold = 1\nreview_within = 72h' begin 3 alice bob carol
    urgent_change
    succeed 's/^\[baseline \*\]/[baseline other]/'
    kill -HUP "$DAEMON"
    wait_until "$LIVE" is_settled
    has_record review '' '.detail.state == "settled" and (.detail.why | test("no rule"))' ||
        fail 'the history does not tell that it is owed no more'
    expect_exit 3 driftctl status # which nobody vouches for any more is said as ever
}

test_a_debt_is_judged_anew_at_the_start_too() {
    EXTRA=$'urgent_threshold = 1\nreview_within = 72h' begin 3 alice bob carol
    urgent_change
    sign 2 bob
    expect_exit 0 driftctl apply "$SCRATCH/2.baseline"
    succeed 's/^threshold = .*/threshold = 2/'
    stop_daemon
    start_daemon
    wait_until "$LIVE" is_settled
    has_record review '' '.detail.state == "settled"' || fail 'the history does not tell that it is owed no more'
}

test_a_review_that_is_late_makes_the_verdict_incomplete() {
    EXTRA=$'urgent_threshold = 1\nreview_within = 2s' begin 2 alice bob
    urgent_change
    wait_until "$LIVE" has_problem review_overdue
    expect_exit 2 driftctl status
    expect_output 'review_overdue'
    expect_exit 2 driftctl diff
    # The next generation, by both, does not pay for it.
    put "$TREE/b" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/b" changed
    driftctl propose --ticket CHG-8 --author alice -o "$SCRATCH/3.baseline" >/dev/null
    sign 3 alice && sign 3 bob
    expect_exit 0 driftctl apply "$SCRATCH/3.baseline"
    expect_exit 2 driftctl diff --json
    expect_json '.verdict == "incomplete" and any(.coverage.problems[]; .kind == "review_overdue" and .lowers_coverage)'
    sign 2 bob
    expect_exit 0 driftctl apply "$SCRATCH/2.baseline"
    expect_exit 0 driftctl diff
    stop_daemon # what was due is told at the latest with the next sign of life
    start_daemon
    driftctl log --json --kind review | jq -r '.detail.state' >"$OUT"
    expect_equal "$(grep -v overdue "$OUT" | xargs)" 'due given' 'the story of the review'
}
