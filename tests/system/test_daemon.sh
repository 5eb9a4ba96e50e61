# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The daemon among hostile clients, storms and interruptions: it answers, and calls nothing clean too early.

# talk TEXT [SECONDS] — one connection: sends TEXT (\0 ends a frame), prints what came back until it is closed or quiet.
talk() {
    python3 - "$RUN/control.sock" "$1" "${2:-5}" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.settimeout(float(sys.argv[3]))
s.sendall(sys.argv[2].encode().replace(b'\\0', b'\0'))
try:
    while data := s.recv(65536):
        sys.stdout.write(data.decode().replace('\0', '\n'))
        sys.stdout.flush()
except TimeoutError:
    pass
PYTHON
}

# Milliseconds that the daemon needs to answer a simple question.
answer_ms() {
    local before=${EPOCHREALTIME/./}
    talk '{"method":"org.varlink.service.GetInfo"}\0' 0.01 >/dev/null
    echo $(((${EPOCHREALTIME/./} - before) / 1000))
}

test_a_baseline_whose_signer_is_revoked_is_untrusted_at_once() {
    printf 'one\n' >"$TREE/a"
    start_clean
    make_key bob
    cat >"$SCRATCH/next.conf" <<TEXT
[trust]
generation = 2
parent = $(sha256sum <"$TRUST" | cut -d' ' -f1)
[approver bob]
key = $(cut -d' ' -f1,2 "$KEYS/bob.pub")
[baseline *]
approvers = bob
threshold = 1
TEXT
    driftctl sign "$SCRATCH/next.conf" --key "$KEYS/alice" --yes >/dev/null
    cp "$SCRATCH/next.conf.approval" "$TRUST.approval"
    cp "$SCRATCH/next.conf" "$TRUST"
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_record reload
    expect_exit 3 driftctl diff --json
    expect_json '.verdict == "untrusted" and .baselines[0].state == "untrusted"'
    printf 'two\n' >"$TREE/a" # still detecting
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_exit 0 driftctl bless --ticket CHG-2 --key "$KEYS/bob" --yes
    expect_exit 0 driftctl diff
}

test_what_driftctl_writes_while_the_daemon_is_down_is_no_proof_of_watching() {
    printf 'one\n' >"$TREE/a"
    start_clean
    local end
    crash_daemon
    end=$(date -u +%FT%T)
    printf 'two\n' >"$TREE/a"
    while [[ ! $(date -u +%FT%T) > $(date -u -d "$end UTC +2 seconds" +%FT%T) ]]; do pause; done
    expect_exit 1 driftctl diff
    start_daemon
    has_record gap '' ".detail.cause == \"killed or crashed\" and .detail.from[:19] <= \"$end\"" ||
        fail "the gap does not begin where the daemon ended ($end): $(driftctl log --json --kind gap)"
    stop_daemon
    printf 'three\n' >"$TREE/a"
    expect_exit 1 driftctl diff
    start_daemon
    [[ $(driftctl log --json --kind gap | jq -r .detail.cause | tail -n 1) == stopped ]] || fail "a clean end is called a crash"
}

test_the_first_start_was_no_crash() {
    first_steps
    start_daemon
    ! has_record gap '' '.detail.cause == "killed or crashed"' || fail "the first start tells of a crash"
}

test_a_drift_that_no_baseline_speaks_of_any_more_does_not_stay_open() {
    printf 'one\n' >"$TREE/a"
    start_clean
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    stop_daemon
    # As if it had been killed between an apply and the ledger's turn.
    sqlite3 "$STATE/driftd.db" "UPDATE ledger SET item = 'file:/nowhere/a'"
    printf 'one\n' >"$TREE/a"
    start_daemon
    wait_until "$LIVE" is_clean
}

test_pipelined_calls_do_not_hold_the_loop() {
    local i
    for i in {1..300}; do printf '%s\n' "$i" >"$TREE/$i"; done
    start_clean
    for i in {1..300}; do printf 'other\n' >"$TREE/$i"; done
    wait_until "$LIVE" has_drift "file:$TREE/300" changed
    python3 - "$RUN/control.sock" <<'PYTHON' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.settimeout(60)
s.sendall(b'{"method":"dev.driftd.Control.Verify","oneway":true}\0' * 18000)
time.sleep(60)
PYTHON
    remember_process $!
    local client=$! worst=0 ms
    for i in {1..10}; do
        ms=$(answer_ms)
        ((ms <= worst)) || worst=$ms
    done
    kill "$client"
    ((worst < 5000)) || fail "an answer took $worst ms while another client had sent many calls"
}

test_a_client_that_asks_and_does_not_read_costs_no_memory() {
    local i
    for i in {1..300}; do printf '%s\n' "$i" >"$TREE/$i"; done
    start_clean
    for i in {1..300}; do printf 'other\n' >"$TREE/$i"; done
    wait_until "$LIVE" has_drift "file:$TREE/300" changed
    python3 - "$RUN/control.sock" <<'PYTHON' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(b'{"method":"dev.driftd.Control.Log","more":true}\0' * 20000)
except OSError:
    pass
time.sleep(60)
PYTHON
    remember_process $!
    local client=$! kib
    for i in {1..40}; do
        expect_exit 1 driftctl status
        pause
    done
    kib=$(awk '/^VmHWM/ {print $2}' "/proc/$DAEMON/status")
    kill "$client"
    ((kib < 200000)) || fail "the daemon took $kib KiB for answers that nobody reads"
}

test_pipelined_calls_are_all_answered_in_order() {
    start_clean
    talk "$(for i in {1..50}; do printf '%s' '{"method":"dev.driftd.Control.GetStatus"}\0{"method":"org.varlink.service.GetInfo"}\0{"method":"dev.driftd.Control.Scan"}\0'; done)" >"$OUT"
    jq -s 'length' "$OUT" >"$SCRATCH/n"
    expect_equal "$(cat "$SCRATCH/n")" 150 "the number of answers"
    jq -se '[range(0; 150; 3) as $i | (.[$i].parameters.status and .[$i+1].parameters.vendor and .[$i+2].parameters.document)] | all' "$OUT" >/dev/null ||
        fail "the answers are not in order"
}

test_an_item_that_no_baseline_covers_is_not_called_clean() {
    printf 'one\n' >"$TREE/a"
    start_clean
    mkdir "$SCRATCH/elsewhere"
    expect_exit 2 driftctl diff --json "$SCRATCH/elsewhere"
    expect_json '.verdict == "incomplete" and .coverage.complete == false'
    expect_exit 2 driftctl diff "$SCRATCH/elsewhere/**"
    # What is covered, and what holds something that is.
    expect_exit 0 driftctl diff "$TREE/a"
    expect_exit 0 driftctl diff "$TREE/not-there"
    expect_exit 0 driftctl diff "$SCRATCH"
    expect_exit 0 driftctl diff "$TREE/*"
}

test_a_diff_does_not_wait_for_a_throttled_pass() {
    head -c 40M /dev/urandom >"$TREE/large"
    printf 'one\n' >"$TREE/a"
    SCAN_KEYS='max_rate = 1' write_config
    first_steps
    start_daemon
    local before=$SECONDS
    expect_exit 0 driftctl diff
    ((SECONDS - before < 10)) || fail "the diff took $((SECONDS - before)) s"
    expect_exit 0 driftctl scan --full
    ((SECONDS - before < 20)) || fail "the scan took $((SECONDS - before)) s"
}
