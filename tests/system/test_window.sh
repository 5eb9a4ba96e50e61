# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Change windows: what is in one counts as low and says why, and nothing is hidden; what was expected, what was not, and
# what is absent is told at the end.

begin() {
    printf 'one\n' >"$TREE/a"
    printf 'one\n' >"$TREE/b"
    printf 'one\n' >"$TREE/c"
    mkdir "$TREE/out"
    printf 'one\n' >"$TREE/out/d"
    start_clean
}

# open_window [ARGUMENT]... — by alice, for an hour
open_window() {
    expect_exit 0 driftctl window open --ticket CHG-7 --for 1h --key "$KEYS/alice" --yes "$@"
}

# has_window_record STATE [EXPRESSION] — of the history
has_window_record() {
    driftctl log --json --kind window |
        jq -se --arg state "$1" "any(.[].detail; .state == \$state and (${2:-true}))" >/dev/null
}

# severity_of ITEM — as the ledger has it now
severity_of() {
    diff_json --cached | jq -r --arg item "$1" '.drifts[] | select(.item == $item).severity'
}

severity_is() {
    [[ $(severity_of "$1") == "$2" ]]
}

counts() {
    jq -c '.counts | [.expected, .unexpected, .absent, .unknown]' "$OUT"
}

# outcome ITEM — of the report in $OUT
outcome() {
    jq -r --arg item "$1" '.entries[] | select(.item == $item).outcome' "$OUT"
}

test_a_window_lowers_severity_and_hides_nothing() {
    begin
    printf 'before\n' >"$SCRATCH/c"
    mv "$SCRATCH/c" "$TREE/c" # in one step, so that no second look at it comes later
    wait_until "$LIVE" has_drift "file:$TREE/c" changed
    pause_second
    open_window --item "$TREE/**"
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 1 driftctl diff --json # drift stays drift
    expect_json '.drifts[] | select(.item == $item) | .severity == "low" and .window.ticket == "CHG-7" and .window.severity == "high"' \
        --arg item "file:$TREE/a"
    # What was there before is not of the change.
    expect_json '.drifts[] | select(.item == $item) | .severity == "high" and .window == null' --arg item "file:$TREE/c"
    expect_exit 1 driftctl diff
    expect_output "changed +file:$TREE/a .*in window CHG-7 \(until .*Z\)"
    has_record drift "file:$TREE/a" '.detail.severity == "low" and .detail.window.ticket == "CHG-7" and .detail.window.severity == "high"' ||
        fail "the history does not say why"
    expect_exit 0 driftctl log --kind drift "$TREE/a"
    expect_output 'in window CHG-7 \(until .*, otherwise high\)'
    expect_exit 1 driftctl show "$TREE/a"
    expect_output "in window CHG-7 \\(until .*, otherwise high\\)"
    expect_exit 1 driftctl show "$TREE/a" --json
    jq -e '[.. | .window? // empty] | any(.ticket == "CHG-7")' "$OUT" >/dev/null || fail "show does not say why"
    expect_exit 1 driftctl status --json
    expect_json '.open == {"high": 1, "medium": 0, "low": 1} and .verdict == "drift" and .windows[0].ticket == "CHG-7"'
    grep -q 'changed file:.*/a .*in window CHG-7 (until .*otherwise high)' "$SCRATCH/driftd.log" || fail "the journal's words do not say why"
    has_window_record opened '.by == "alice" and .signers == ["alice"] and .key_on_host == ["alice"] and .asked.uid == 0' ||
        fail "no record of the opening"
    # The history alone proves it: the text has the id, and ssh-keygen agrees on the signature.
    local proof
    proof=$(driftctl log --json --kind window | jq -s 'map(.detail | select(.state == "opened"))[0]')
    jq -j .text <<<"$proof" >"$SCRATCH/text"
    expect_equal "$(sha256sum <"$SCRATCH/text" | cut -d' ' -f1)" "$(jq -r .id <<<"$proof")" 'the digest of the recorded text'
    jq -j .approvals <<<"$proof" | sed '/^-----BEGIN/,$d' >"$SCRATCH/statement"
    jq -j .approvals <<<"$proof" | sed -n '/^-----BEGIN/,$p' >"$SCRATCH/signature"
    printf 'alice %s\n' "$(cut -d' ' -f1,2 "$KEYS/alice.pub")" >"$SCRATCH/signers"
    ssh-keygen -q -Y verify -f "$SCRATCH/signers" -I alice -n window@driftd -s "$SCRATCH/signature" <"$SCRATCH/statement"
    grep -q "^window $(jq -r .id <<<"$proof")$" "$SCRATCH/statement"
    # After its close it is what it was.
    expect_exit 0 driftctl window close --ticket CHG-7
    severity_is "file:$TREE/a" high || fail "the close left the severity low"
}

pause_second() {
    local start=${EPOCHREALTIME%[.,]*} # (EPOCHSECONDS is of a coarser clock, which lags behind that of the daemon)
    next_second() { ((${EPOCHREALTIME%[.,]*} > start)); }
    wait_until 5 next_second
}

test_the_report_tells_expected_unexpected_and_absent() {
    begin
    # Staging writes the set, here by a recording window.
    open_window --record
    printf 'two\n' >"$TREE/a"
    rm "$TREE/b"
    printf 'new\n' >"$TREE/n"
    printf 'two\n' >"$TREE/c"
    expect_exit 4 driftctl window close
    expect_error 'where shall the expected change set go'
    expect_exit 0 driftctl window close -o "$SCRATCH/set"
    expect_equal "$(grep -c . "$SCRATCH/set")" 5 'the lines of the set'
    LC_ALL=C sort -c <(tail -n +2 "$SCRATCH/set")
    grep -q "^absent file:$TREE/b$" "$SCRATCH/set"
    ! grep -q 'mtime\|inode' "$SCRATCH/set"
    # Back to what was, and then the deploy that does half of it and something more.
    printf 'one\n' >"$TREE/a"
    printf 'one\n' >"$TREE/b"
    printf 'one\n' >"$TREE/c"
    rm "$TREE/n"
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl window open --ticket CHG-8 --for 1h --key "$KEYS/alice" --yes --expect "$SCRATCH/set"
    printf 'two\n' >"$TREE/a"
    printf 'new\n' >"$TREE/n"
    printf 'three\n' >"$TREE/c"
    printf 'evil\n' >"$TREE/out/d"
    wait_until "$LIVE" has_drift "file:$TREE/out/d" changed
    wait_until "$LIVE" has_drift "file:$TREE/n" unexpected
    # Only what the set says is lowered.
    wait_until "$LIVE" severity_is "file:$TREE/a" low
    severity_is "file:$TREE/out/d" high || fail "what the set does not name is low"
    wait_until "$LIVE" severity_is "file:$TREE/c" high
    expect_exit 1 driftctl diff --expect "$SCRATCH/set" --json
    expect_json '.schema == "driftd.window/1"'
    expect_equal "$(counts)" '[2,2,1,0]'
    expect_exit 0 driftctl window close --ticket CHG-8 --json
    expect_equal "$(counts)" '[2,2,1,0]'
    expect_equal "$(outcome "file:$TREE/a")" expected
    expect_equal "$(outcome "file:$TREE/n")" expected
    expect_equal "$(outcome "file:$TREE/b")" absent
    expect_equal "$(outcome "file:$TREE/c")" unexpected
    expect_equal "$(outcome "file:$TREE/out/d")" unexpected
    has_window_record closed '.report == {"expected": 2, "unexpected": 2, "absent": 1, "unknown": 0, "already": 0} and .asked.uid == 0' ||
        fail "the record of the close does not tell the counts"
    expect_exit 0 driftctl window show --ticket CHG-8
    expect_output '2 expected · 2 unexpected · 1 expected but absent'
    # Exactly the expected is blessed.
    expect_exit 0 driftctl window show --ticket CHG-8 -o "$SCRATCH/done"
    expect_exit 4 driftctl bless --expect "$SCRATCH/set" --ticket CHG-8 --key "$KEYS/alice" --yes
    expect_error "$TREE/c"
    expect_exit 0 driftctl bless --expect "$SCRATCH/done" --ticket CHG-8 --key "$KEYS/alice" --yes
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].item] == [$c, $d]' --arg c "file:$TREE/c" --arg d "file:$TREE/out/d"
}

test_bless_by_a_set_is_refused_if_something_moved() {
    begin
    open_window --record
    printf 'two\n' >"$TREE/a"
    printf 'two\n' >"$TREE/b"
    expect_exit 0 driftctl window close -o "$SCRATCH/set"
    expect_output 'Next: driftctl bless --expect'
    printf 'three\n' >"$TREE/b"
    local before
    before=$(active_id)
    expect_exit 4 driftctl bless --expect "$SCRATCH/set" --ticket CHG-7 --key "$KEYS/alice" --yes
    expect_error "1 items are not what the expected change set says: file:$TREE/b"
    expect_equal "$(active_id)" "$before" 'the active baseline'
}

test_diff_expect_after_a_deploy_without_a_window() {
    begin
    printf 'two\n' >"$TREE/a"
    setfattr -n user.note -v one "$TREE/b" || skip "no user xattrs here"
    ln -s a "$TREE/link"
    expect_exit 0 driftctl window record -o "$SCRATCH/set"
    expect_exit 0 driftctl diff --expect "$SCRATCH/set"
    expect_output '3 expected · 0 unexpected · 0 expected but absent'
    expect_output 'Next: driftctl bless --expect'
    setfattr -n user.note -v two "$TREE/b"
    expect_exit 1 driftctl diff --expect "$SCRATCH/set" --json
    expect_equal "$(outcome "file:$TREE/b")" unexpected
    setfattr -x user.note "$TREE/b"
    expect_exit 1 driftctl diff --expect "$SCRATCH/set" --json
    expect_equal "$(outcome "file:$TREE/b")" absent
    setfattr -n user.note -v one "$TREE/b"
    expect_exit 0 driftctl diff --expect "$SCRATCH/set"
    expect_exit 0 driftctl bless --expect "$SCRATCH/set" --ticket CHG-7 --key "$KEYS/alice" --yes
    expect_exit 0 driftctl diff
    expect_exit 0 driftctl diff --expect "$SCRATCH/set" --json
    expect_json '.counts.already == 3'
}

test_a_window_lives_through_a_restart_and_ends_by_itself() {
    begin
    expect_exit 0 driftctl window open --ticket CHG-7 --for 8s --key "$KEYS/alice" --yes
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    crash_daemon
    start_daemon
    wait_until "$LIVE" severity_is "file:$TREE/a" low
    wait_until "$LIVE" has_window_record expired '.report.expected == 1'
    wait_until "$LIVE" severity_is "file:$TREE/a" high
    expect_exit 0 driftctl window show --ticket CHG-7 -o "$SCRATCH/set"
    grep -q "^file $TREE/a " "$SCRATCH/set" || fail "what was expected is not kept"
    expect_exit 4 driftctl window close --ticket CHG-7
    expect_error 'no window CHG-7 is open'
}

test_of_several_that_are_open_none_is_shown_for_another() {
    begin
    open_window
    expect_exit 0 driftctl window close
    expect_exit 0 driftctl window show
    expect_exit 0 driftctl window open --ticket CHG-8 --for 1h --key "$KEYS/alice" --yes
    expect_exit 0 driftctl window open --ticket CHG-9 --for 1h --key "$KEYS/alice" --yes
    expect_exit 4 driftctl window show
    expect_error 'could be meant: CHG-8 \(.{8}\), CHG-9 \(.{8}\)'
    expect_exit 0 driftctl window show --ticket CHG-9
    expect_exit 0 driftctl window show --ticket CHG-7
}

test_a_window_that_was_over_while_nobody_ran() {
    begin
    expect_exit 0 driftctl window open --ticket CHG-7 --for 2s --key "$KEYS/alice" --yes
    stop_daemon
    pause_second
    pause_second
    pause_second
    start_daemon
    has_window_record expired || fail "its end is not in the history"
    expect_exit 0 driftctl window list --json
    expect_json '.windows | length == 1 and .[0].state == "expired"'
}

test_two_people_are_needed() {
    write_config
    make_key alice
    make_key bob
    make_key carol
    write_trust 2 alice bob
    printf 'one\n' >"$TREE/a"
    driftctl propose -o "$SCRATCH/p" --ticket CHG-1 >/dev/null
    driftctl sign "$SCRATCH/p" --key "$KEYS/alice" --yes >/dev/null
    driftctl sign "$SCRATCH/p" --key "$KEYS/bob" --yes >/dev/null
    driftctl apply "$SCRATCH/p" >/dev/null
    start_daemon
    wait_until "$LIVE" is_clean
    expect_exit 4 driftctl window open --ticket CHG-7 --for 1h --key "$KEYS/alice" --yes
    expect_error '2 people must sign a window'
    expect_exit 0 driftctl window open --ticket CHG-7 --for 1h --key "$KEYS/alice" --yes -o "$SCRATCH/w"
    expect_exit 3 driftctl apply "$SCRATCH/w"
    expect_error '1 of 2 approvals \(alice\)'
    has_record reject '' '.detail.what == "window" and (.detail.reason | test("1 of 2"))' || fail "the refusal is not recorded"
    expect_exit 0 driftctl sign "$SCRATCH/w" --key "$KEYS/carol" --yes
    expect_exit 3 driftctl apply "$SCRATCH/w"
    expect_error 'by a key that the trust file does not list'
    expect_exit 0 driftctl sign "$SCRATCH/w" --key "$KEYS/bob" --yes
    expect_exit 0 driftctl apply "$SCRATCH/w"
    expect_output 'window CHG-7 is open until .* signed by alice, bob'
    expect_exit 3 driftctl apply "$SCRATCH/w"
    expect_error 'open already'
    expect_exit 0 driftctl window close
    expect_exit 3 driftctl apply "$SCRATCH/w"
    expect_error 'a replay'
    # Whoever may not approve opens nothing; ssh-keygen agrees on what was signed.
    expect_exit 0 driftctl window open --ticket CHG-9 --for 1h --key "$KEYS/carol" --yes -o "$SCRATCH/v"
    expect_exit 3 driftctl apply "$SCRATCH/v"
    expect_error '0 of 2 approvals'
}

refused() {
    local words=$1
    shift
    expect_exit 3 "$@"
    expect_error "$words"
}

test_what_is_not_signed_so_is_refused_with_its_reason() {
    begin
    expect_exit 0 driftctl window open --ticket CHG-7 --for 1h --key "$KEYS/alice" --yes -o "$SCRATCH/w"
    # An approval for another text, and for another purpose.
    sed 's/ticket CHG-7/ticket CHG-8/' "$SCRATCH/w" >"$SCRATCH/x"
    cp "$SCRATCH/w.approval" "$SCRATCH/x.approval"
    refused 'for something else' driftctl apply "$SCRATCH/x"
    head -n 5 "$SCRATCH/w.approval" >"$SCRATCH/text"
    ssh-keygen -q -t ed25519 -N '' -f "$KEYS/ssh"
    ssh-keygen -q -Y sign -f "$KEYS/ssh" -n approval@driftd "$SCRATCH/text"
    cat "$SCRATCH/text" "$SCRATCH/text.sig" >"$SCRATCH/w.approval"
    refused 'does not list' driftctl apply "$SCRATCH/w"
    # Another host, another generation, a time that is over or to come.
    sed "s/^host .*/host $(printf 'x' | md5sum | cut -c1-32)/" "$SCRATCH/w" >"$SCRATCH/x"
    driftctl sign "$SCRATCH/x" --key "$KEYS/alice" --yes >/dev/null 2>&1 || true
    rm -f "$SCRATCH/x.approval"
    driftctl sign "$SCRATCH/x" --key "$KEYS/alice" --yes >/dev/null
    refused 'for another host' driftctl apply "$SCRATCH/x"
    printf 'two\n' >"$TREE/a"
    bless_all
    rm -f "$SCRATCH/w.approval"
    driftctl sign "$SCRATCH/w" --key "$KEYS/alice" --yes >/dev/null
    refused 'another generation' driftctl apply "$SCRATCH/w"
    for times in '2020-01-01T00:00:00Z 2020-01-01T01:00:00Z over' '2090-01-01T00:00:00Z 2090-01-01T01:00:00Z future'; do
        read -r from until word <<<"$times"
        expect_exit 0 driftctl window open --ticket CHG-7 --for 1h -o "$SCRATCH/y"
        sed -i "s/^from .*/from $from/; s/^until .*/until $until/" "$SCRATCH/y"
        rm -f "$SCRATCH/y.approval"
        driftctl sign "$SCRATCH/y" --key "$KEYS/alice" --yes >/dev/null
        refused "$word" driftctl apply "$SCRATCH/y"
    done
    # A set that is not the one it was signed with.
    printf 'three\n' >"$TREE/a"
    expect_exit 0 driftctl window record -o "$SCRATCH/set"
    expect_exit 0 driftctl window open --ticket CHG-7 --for 1h --expect "$SCRATCH/set" --key "$KEYS/alice" --yes -o "$SCRATCH/z"
    mv "$SCRATCH/z.expect" "$SCRATCH/kept"
    refused 'it is not here' driftctl apply "$SCRATCH/z"
    printf 'driftd-expect 1\n' >"$SCRATCH/z.expect"
    expect_exit 4 driftctl apply "$SCRATCH/z"
    expect_error 'not the one that the window was signed with'
    cp "$SCRATCH/kept" "$SCRATCH/z.expect"
    expect_exit 0 driftctl apply "$SCRATCH/z"
    expect_exit 0 driftctl window list --json
    expect_json '.windows | length == 1'
    jq -se 'map(.detail.reason) | length >= 7' <(driftctl log --json --kind reject) >/dev/null || fail "not every refusal is recorded"
}

test_wrong_words_say_what_would_be_right() {
    begin
    expect_exit 4 driftctl window open --for 1h --key "$KEYS/alice" --yes
    expect_error '--ticket is missing'
    expect_exit 4 driftctl window open --ticket T --key "$KEYS/alice" --yes
    expect_error '--for is missing'
    expect_exit 4 driftctl window open --ticket T --for 8d --key "$KEYS/alice" --yes
    expect_error 'at most seven days'
    expect_exit 4 driftctl window open --ticket T --for 1h --yes
    expect_error 'one of --key FILE'
    expect_exit 4 driftctl window close
    expect_error 'no window is open'
    printf 'driftd-expect 1\nfile /etc/x mtime=1\n' >"$SCRATCH/set"
    expect_exit 4 driftctl diff --expect "$SCRATCH/set"
    expect_error 'line 2'
    expect_exit 4 driftctl diff "$TREE/a" --expect "$SCRATCH/set"
    expect_error 'takes no items'
    printf 'driftd-expect 1\nabsent file:/b\nabsent file:/a\n' >"$SCRATCH/set"
    expect_exit 4 driftctl diff --expect "$SCRATCH/set"
    expect_error 'line 3: the lines are not sorted'
}

test_a_row_of_the_database_opens_nothing() {
    begin
    expect_exit 0 driftctl window open --ticket CHG-7 --for 1h --key "$KEYS/alice" --yes -o "$SCRATCH/w"
    stop_daemon
    local id
    id=$(sha256sum <"$SCRATCH/w" | cut -d' ' -f1)
    sqlite3 "$STATE/driftd.db" "INSERT INTO value (key, value) VALUES ('window:$id', CAST(readfile('$SCRATCH/w') AS TEXT)), ('window_approvals:$id', 'nothing')"
    start_daemon
    expect_exit 0 driftctl window list --json
    expect_json 'all(.windows[]; .state != "open")'
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    severity_is "file:$TREE/a" high || fail "a row opened a window"
}

test_a_trust_file_that_no_longer_carries_it_ends_it() {
    begin
    make_key bob
    open_window
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" severity_is "file:$TREE/a" low
    cat >"$SCRATCH/next" <<TEXT
[trust]
generation = 2
parent = $(sha256sum <"$TRUST" | cut -d' ' -f1)
[approver bob]
key = $(cut -d' ' -f1,2 "$KEYS/bob.pub")
[baseline *]
approvers = bob
threshold = 1
TEXT
    driftctl sign "$SCRATCH/next" --key "$KEYS/alice" --yes >/dev/null
    cp "$SCRATCH/next.approval" "$TRUST.approval"
    cp "$SCRATCH/next" "$TRUST"
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_window_record ended '.why | test("0 of 1 approval")'
    wait_until "$LIVE" severity_is "file:$TREE/a" high
}

test_without_a_daemon_root_does_the_same() {
    printf 'one\n' >"$TREE/a"
    first_steps
    open_window
    printf 'two\n' >"$TREE/a"
    expect_exit 1 driftctl diff --json
    expect_json '.drifts[0].severity == "low"'
    expect_exit 0 driftctl window close -o "$SCRATCH/set"
    expect_output '1 expected · 0 unexpected · 0 expected but absent'
    expect_exit 0 driftctl diff --expect "$SCRATCH/set"
}

test_settings_are_in_a_set_too() {
    mkdir -p "$SCRATCH/sys/net/ipv4"
    printf '0\n' >"$SCRATCH/sys/net/ipv4/ip_forward"
    write_config "[files tree]
path = $TREE
[sysctl]
enabled = yes
root = $SCRATCH/sys"
    start_clean
    printf '1\n' >"$SCRATCH/sys/net/ipv4/ip_forward"
    expect_exit 0 driftctl window record -o "$SCRATCH/set"
    grep -q '^set sysctl:net/ipv4/ip_forward eq 1$' "$SCRATCH/set" || fail "$(cat "$SCRATCH/set")"
    expect_exit 0 driftctl diff --expect "$SCRATCH/set"
    printf '2\n' >"$SCRATCH/sys/net/ipv4/ip_forward"
    expect_exit 1 driftctl diff --expect "$SCRATCH/set"
    printf '0\n' >"$SCRATCH/sys/net/ipv4/ip_forward"
    expect_exit 1 driftctl diff --expect "$SCRATCH/set" --json
    expect_json '.counts.absent == 1'
}

test_what_one_instance_records_another_expects() {
    begin
    open_window --record
    printf 'two\n' >"$TREE/a"
    printf 'new\n' >"$TREE/n"
    expect_exit 0 driftctl window close -o "$SCRATCH/set"
    stop_daemon
    # Another store and another trust, by the same paths: the set is of the items alone.
    printf 'one\n' >"$TREE/a"
    rm "$TREE/n"
    export STATE=$SCRATCH/state2 RUN=$SCRATCH/run2 TRUST=$SCRATCH/trust2.conf CONFIG=$SCRATCH/driftd2.conf KEYS=$SCRATCH/keys2
    mkdir "$KEYS"
    start_clean
    open_window --expect "$SCRATCH/set"
    printf 'two\n' >"$TREE/a"
    printf 'new\n' >"$TREE/n"
    expect_exit 0 driftctl window close --json
    expect_equal "$(counts)" '[2,0,0,0]'
    expect_exit 0 driftctl diff --expect "$SCRATCH/set"
}
