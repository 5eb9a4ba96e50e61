# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Approving in one step: by item, by glob, all, by ballot; with each kind of key; and never what was not seen.

begin() {
    mkdir "$TREE/etc"
    printf 'one\n' >"$TREE/etc/a"
    printf 'one\n' >"$TREE/etc/b"
    printf 'one\n' >"$TREE/c"
    start_clean
    printf 'two\n' >"$TREE/etc/a"
    printf 'two\n' >"$TREE/etc/b"
    printf 'two\n' >"$TREE/c"
    printf 'new\n' >"$TREE/new"
}

# still ITEM... — exactly these drift
still() {
    expect_json '[.drifts[].item] == ($items | split(" "))' --arg items "$(printf 'file:%s\n' "$@" | paste -sd' ')"
}

bless() {
    expect_exit 0 driftctl bless --ticket CHG-2 --key "$KEYS/alice" --yes "$@"
}

test_one_item_and_the_rest_stays() {
    begin
    bless "$TREE/etc/a"
    expect_exit 1 driftctl diff --json
    still "$TREE/c" "$TREE/etc/b" "$TREE/new"
    expect_json '.baselines[0] | .generation == 2 and .signers == ["alice"]'
    has_record bless '' '.detail.generation == 2 and .detail.ticket == "CHG-2"' || fail "the history has no such bless"
    has_record resolved "file:$TREE/etc/a" '.detail.as == "approved"' || fail "the drift was not resolved as approved"
}

test_a_glob() {
    begin
    bless "$TREE/etc/*"
    expect_exit 1 driftctl diff --json
    still "$TREE/c" "$TREE/new"
    bless "$TREE/**"
    expect_exit 0 driftctl diff
}

test_a_folder_covers_what_is_below_it() {
    begin
    bless "$TREE/etc"
    expect_exit 1 driftctl diff --json
    still "$TREE/c" "$TREE/new"
}

test_all() {
    begin
    bless
    expect_exit 0 driftctl diff
    expect_exit 0 driftctl diff --json
    expect_json '.verdict == "clean"'
}

test_what_it_changed_is_judged_by_it_when_it_is_done() {
    local sshd=$SCRATCH/slow_sshd
    printf 'one\n' >"$TREE/a"
    # A look at the settings takes longer than the next command to start.
    printf '#!/bin/sh\nsleep 0.1\nexec /usr/sbin/sshd "$@"\n' >"$sshd"
    printf 'PermitRootLogin no\n' >"$SCRATCH/sshd_config"
    chmod 0755 "$sshd"
    write_config "[files tree]
path = $TREE
[sshd]
command = $sshd
config = $SCRATCH/sshd_config"
    start_clean
    put "$TREE/a" 'two\n'
    printf 'PermitRootLogin yes\n' >"$SCRATCH/sshd_config"
    wait_until "$LIVE" has_drift sshd:permitrootlogin changed
    bless
    expect_exit 0 driftctl status --json
    expect_json '.verdict == "clean" and .open == {high: 0, medium: 0, low: 0} and .baselines[0].generation == 2'
}

test_a_removal() {
    begin
    rm "$TREE/c"
    bless "$TREE/c"
    expect_exit 1 driftctl diff --json
    still "$TREE/etc/a" "$TREE/etc/b" "$TREE/new"
    printf 'one\n' >"$TREE/c"
    wait_until "$LIVE" has_drift "file:$TREE/c" unexpected
}

test_what_is_approved_is_then_expected() {
    begin
    bless
    printf 'one\n' >"$TREE/c" # what was right before is drift now
    wait_until "$LIVE" has_drift "file:$TREE/c" changed
}

test_a_ticket_is_needed() {
    begin
    expect_exit 4 driftctl bless --key "$KEYS/alice" --yes
    expect_error 'ticket'
}

test_without_a_terminal_and_without_yes_nothing_happens() {
    begin
    local before
    before=$(active_id)
    expect_exit 4 driftctl bless --ticket CHG-2 --key "$KEYS/alice"
    expect_error '--yes'
    expect_equal "$(active_id)" "$before" "the active baseline"
}

test_class_and_expiry_are_signed() {
    begin
    bless --class urgent --expires +90d
    driftctl baseline export host >"$OUT"
    expect_output '^class urgent$'
    expect_output '^expires 20[0-9-]+T[0-9:]+Z$'
    expect_output '^ticket CHG-2$'
    expect_output '^author alice$'
}

# ---- the ballot, on a terminal ----

# open_terminal COMMAND — runs it (by sh) on a terminal of its own; what it shows goes to $OUT
open_terminal() {
    rm -f "$SCRATCH/typed"
    mkfifo "$SCRATCH/typed"
    script -qefc "$1" /dev/null <"$SCRATCH/typed" >"$OUT" 2>"$ERR" 9>&- &
    TERMINAL=$!
    remember_process "$TERMINAL"
    exec 7>"$SCRATCH/typed"
}

# type_at PATTERN TIMES LINES — once PATTERN was shown so often; a passphrase typed before its prompt would be thrown away
type_at() {
    shown() { [[ $(grep -Eo -e "$1" "$OUT" | wc -l) -ge $2 ]]; }
    wait_until "$LIVE" shown "$1" "$2"
    printf '%b' "$3" >&7
}

# Sets STATUS to its exit code.
close_terminal() {
    STATUS=0
    wait "$TERMINAL" || STATUS=$?
    exec 7>&-
}

# on_terminal LINES — at the ballot
on_terminal() {
    open_terminal "$ballot"
    type_at 'chosen \(' 1 "$1"
    close_terminal
}

ballot="$BUILD/driftctl --config $CONFIG --color=never bless --ticket CHG-2 --key $KEYS/alice"

test_a_ballot_starts_unchecked_and_nothing_chosen_is_nothing_done() {
    begin
    local before
    before=$(active_id)
    on_terminal 'w\n'
    expect_equal "$STATUS" 4 "the exit code"
    expect_output '\[ \] .*file:'
    expect_no_output '\[x\]'
    expect_output '0 of 4 chosen'
    expect_output 'nothing was chosen'
    expect_equal "$(active_id)" "$before" "the active baseline"
}

# The number that the ballot shows before an item.
row_of() {
    on_terminal 'q\n'
    sed -nE "s|^ *([0-9]+) \[.\] +.*$1[ \r].*|\1|p" "$OUT" | head -n 1
}

test_what_is_chosen_and_nothing_else_is_blessed() {
    begin
    local row
    row=$(row_of "$TREE/c")
    [[ $row ]] || fail "the ballot has no row for it: $(cat "$OUT")"
    on_terminal "$row\nw\n"
    expect_equal "$STATUS" 0 "the exit code"
    expect_output '\[x\]'
    expect_exit 1 driftctl diff --json
    still "$TREE/etc/a" "$TREE/etc/b" "$TREE/new"
}

test_a_choice_can_be_taken_back() {
    begin
    on_terminal 'a\n1\nw\n'
    expect_equal "$STATUS" 0 "the exit code"
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length > 0 and length < 4'
}

test_quitting_and_the_end_of_input_do_nothing() {
    begin
    local before
    before=$(active_id)
    on_terminal 'a\nq\n'
    expect_equal "$STATUS" 4 "the exit code after q"
    on_terminal 'a\n\x04' # Ctrl-D
    expect_equal "$STATUS" 4 "the exit code after the end of input"
    expect_equal "$(active_id)" "$before" "the active baseline"
}

test_what_moved_after_it_was_shown_is_refused() {
    begin
    local before
    before=$(active_id)
    open_terminal "$ballot"
    type_at 'of 4 chosen' 1 ''
    printf 'three\n' >"$TREE/c" # an attacker, or a colleague, while alice reads
    type_at 'of 4 chosen' 1 'a\nw\n'
    close_terminal
    expect_equal "$STATUS" 4 "the exit code"
    expect_output 'moved'
    expect_output "file:$TREE/c"
    expect_equal "$(active_id)" "$before" "the active baseline"
}

# ---- keys ----

test_a_sealed_key_asks_for_its_passphrase() {
    printf 'one\n' >"$TREE/a"
    write_config
    open_terminal "$BUILD/driftctl --config $CONFIG key generate --name alice -o $KEYS/alice"
    type_at '[Pp]assphrase' 1 'correct horse\n'
    type_at '[Aa]gain' 1 'correct horse\n'
    close_terminal
    expect_equal "$STATUS" 0 "the exit code of key generate"
    expect_no_output 'correct horse' # no echo
    expect_exit 0 driftctl key show "$KEYS/alice" --json
    expect_json '.sealed'
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    printf 'wrong horse\n' >"$SCRATCH/wrong"
    printf 'correct horse\n' >"$SCRATCH/right"
    DRIFTD_PASSPHRASE_FILE=$SCRATCH/wrong expect_exit 4 driftctl bless --ticket CHG-1 --key "$KEYS/alice" --yes
    DRIFTD_PASSPHRASE_FILE=$SCRATCH/right expect_exit 0 driftctl bless --ticket CHG-1 --key "$KEYS/alice" --yes
    expect_exit 0 driftctl diff
}

trust_ssh_key() {
    printf 'one\n' >"$TREE/a"
    write_config
    ssh-keygen -q -t ed25519 -N "${1:-}" -C alice -f "$KEYS/ssh"
    driftctl init --trust "$KEYS/ssh.pub" --yes >/dev/null
    start_daemon
}

test_an_ssh_key() {
    trust_ssh_key
    expect_exit 0 driftctl bless --ticket CHG-1 --ssh-key "$KEYS/ssh" --yes
    expect_exit 0 driftctl diff --json
    expect_json '.baselines[0].signers == ["alice"]'
}

# As ssh has it: what is not sealed is its owner's alone. A sealed key may lie where others can read it.
test_an_unsealed_key_that_others_can_read_signs_nothing() {
    trust_ssh_key
    cp "$KEYS/ssh" "$KEYS/open"
    for mode in 0640 0604 0606; do
        chmod "$mode" "$KEYS/open"
        expect_exit 4 driftctl bless --ticket CHG-1 --ssh-key "$KEYS/open" --yes
        expect_error "$KEYS/open .*mode $mode"
        expect_error "chmod 0600 $KEYS/open"
    done
    expect_exit 2 driftctl diff
    chmod 0400 "$KEYS/open"
    expect_exit 0 driftctl bless --ticket CHG-1 --ssh-key "$KEYS/open" --yes
}

test_an_ssh_key_with_a_passphrase_is_for_the_agent() {
    trust_ssh_key 'a passphrase'
    expect_exit 4 driftctl bless --ticket CHG-1 --ssh-key "$KEYS/ssh" --yes
    expect_error 'agent'
}

test_an_agent() {
    trust_ssh_key
    expect_exit 4 driftctl bless --ticket CHG-1 --ssh-agent --yes
    expect_error 'SSH_AUTH_SOCK|agent'
    ssh-agent -D -a "$SCRATCH/agent" >/dev/null 2>&1 9>&- &
    remember_process $!
    local agent=$!
    export SSH_AUTH_SOCK=$SCRATCH/agent
    there() { [[ -S $SSH_AUTH_SOCK ]]; }
    wait_until "$LIVE" there
    expect_exit 4 driftctl bless --ticket CHG-1 --ssh-agent --yes # it holds nothing yet
    ssh-keygen -q -t ed25519 -N '' -C stranger -f "$KEYS/stranger"
    ssh-add -q "$KEYS/stranger"
    expect_exit 4 driftctl bless --ticket CHG-1 --ssh-agent --yes # nothing that counts
    ssh-add -q "$KEYS/ssh" 2>/dev/null
    expect_exit 0 driftctl bless --ticket CHG-1 --ssh-agent --yes
    expect_exit 0 driftctl diff --json
    expect_json '.baselines[0].signers == ["alice"]'
    kill "$agent"
}

test_a_strangers_key_is_refused() {
    begin
    make_key mallory
    local before
    before=$(active_id)
    local status=0
    driftctl bless --ticket CHG-2 --key "$KEYS/mallory" --yes >"$OUT" 2>"$ERR" || status=$?
    [[ $status -eq 3 || $status -eq 4 ]] || fail "exit $status"
    expect_equal "$(active_id)" "$before" "the active baseline"
}

test_a_key_that_lies_on_the_host_is_told() {
    begin
    bless "$TREE/c"
    grep -qi 'this host\|on the host\|key-on-host' "$ERR" "$OUT" || fail "nobody was told that the key is on the host"
    has_record bless '' '.detail.key_on_host == ["alice"]' || fail "the history does not tell that the key was on the host"
}

test_signed_elsewhere_and_applied_here() {
    begin
    driftctl propose --ticket CHG-2 --author alice -o "$SCRATCH/host.baseline" "$TREE/c" >/dev/null
    mkdir "$SCRATCH/laptop"
    cp "$SCRATCH/host.baseline" "$TRUST" "$SCRATCH/laptop/"
    "$BUILD/driftctl" sign "$SCRATCH/laptop/host.baseline" --key "$KEYS/alice" --trust "$SCRATCH/laptop/trust.conf" --yes >/dev/null
    cp "$SCRATCH/laptop/host.baseline.approval" "$SCRATCH/"
    expect_exit 0 driftctl apply "$SCRATCH/host.baseline"
    expect_exit 1 driftctl diff --json
    still "$TREE/etc/a" "$TREE/etc/b" "$TREE/new"
}

test_retiring_a_baseline() {
    begin
    driftctl baseline retire host --ticket CHG-9 -o "$SCRATCH/end.baseline" >/dev/null
    driftctl sign "$SCRATCH/end.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 0 driftctl apply "$SCRATCH/end.baseline"
    expect_exit 2 driftctl diff --json # nothing is expected any more, and that is not clean
}
