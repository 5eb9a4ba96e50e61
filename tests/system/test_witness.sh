# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A witness on "another host": a folder that the attacker of these tests does not reach.

WITNESS=$SCRATCH/witness
URL=

witness() {
    driftctl log witness --state "$WITNESS" --name witness.example/w1 "$@"
}

# request [OLD] — the body, on standard output
request() {
    driftctl log checkpoint --request ${1:+--old "$1"}
}

start_witness() {
    driftctl log checkpoint --show-key >"$SCRATCH/log.key"
    "$BUILD/driftctl" log witness --state "$WITNESS" --name witness.example/w1 --log "$SCRATCH/log.key" \
        --listen 127.0.0.1:0 "$@" >"$SCRATCH/witness.log" 2>&1 9>&- &
    WITNESS_PID=$!
    remember_process "$WITNESS_PID"
    wait_until 20 grep -q 'on port' "$SCRATCH/witness.log"
    URL=http://127.0.0.1:$(sed -n 's/.* on port \([0-9]*\).*/\1/p' "$SCRATCH/witness.log")
}

stop_witness() {
    kill -TERM "$WITNESS_PID"
    wait "$WITNESS_PID" || fail "the witness ended with $?: $(cat "$SCRATCH/witness.log")"
}

# post STATUS — the request is on standard input; the answer's body is in $OUT
post() {
    local got
    got=$(curl -sS -o "$OUT" -D "$SCRATCH/headers" -w '%{http_code}' --data-binary @- "$URL/add-checkpoint")
    expect_equal "$got" "$1" "the status"
}

test_a_witness_cosigns_over_http_what_extends() {
    start_clean
    start_witness
    request 0 | post 200
    expect_output '^— witness.example/w1 [A-Za-z0-9+/]+=*$'
    driftctl log checkpoint >/dev/null
    # a client without memory asks with 0, and is told where the proof must begin
    local size
    request 0 | post 409
    grep -qi '^content-type: text/x.tlog.size' "$SCRATCH/headers" || fail "$(cat "$SCRATCH/headers")"
    size=$(cat "$OUT")
    put "$TREE/x" "news\n"
    driftctl diff >/dev/null || [[ $? -le 3 ]]
    request "$size" >"$SCRATCH/request"
    post 200 <"$SCRATCH/request"
    # the checkpoint and the cosignature together are one note, which the witness's key verifies
    { sed '1,/^$/d' "$SCRATCH/request" && cat "$OUT"; } >"$SCRATCH/cosigned"
    witness --show-key >"$SCRATCH/witness.pub"
    cmp "$SCRATCH/witness.pub" "$WITNESS/witness.pub"
    expect_exit 0 driftctl log verify --json --checkpoint "$SCRATCH/cosigned" --key "$SCRATCH/witness.pub"
    expect_json '.verdict == "extends" and .key_name == "witness.example/w1"'
    # monitors
    local hash
    hash=$(head -n 1 "$SCRATCH/cosigned" | tr -d '\n' | sha256sum | cut -d' ' -f1)
    curl -sS "$URL/$hash/checkpoint" | cmp - "$SCRATCH/cosigned"
    expect_equal "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/${hash/?/x}/checkpoint")" 404 "the status"
    expect_equal "$(curl -sS -o /dev/null -w '%{http_code}' "$URL/")" 404 "the status"
    expect_equal "$(curl -sS -o /dev/null -w '%{http_code}' -X PUT -d x "$URL/add-checkpoint")" 405 "the status"
    stop_witness
}

test_a_witness_refuses_what_it_must() {
    start_clean
    start_witness
    request 0 | post 200
    printf 'nonsense\n' | post 400
    head -c 1100000 /dev/zero | post 413
    request 0 | sed 's/^driftd\//driftx\//' | post 404
    local size
    size=$(request 0 | sed -n 4p)
    request "$size" | sed '4s/.*/1/' | post 403
    # a witness that was ended and started again knows the same
    stop_witness
    start_witness
    request 0 | post 409
    request "$size" | post 200
    stop_witness
}

test_a_rewritten_and_a_cut_history_alarm_the_witness() {
    put "$TREE/file" "one\n"
    first_steps
    cp -a "$STATE" "$SCRATCH/old-state"
    put "$TREE/file" "two\n"
    bless_all
    start_witness
    request 0 | post 200
    local size
    size=$(driftctl status --json | jq .checkpoint.size) || true
    # an old state directory put back
    rm -r "$STATE"
    cp -a "$SCRATCH/old-state" "$STATE"
    expect_exit 3 driftctl log checkpoint --request --old "$size"
    expect_error 'it was cut, or an older one was put back'
    request 0 | post 409
    grep -q "^alarm: .*had $size: its history was cut" "$SCRATCH/witness.log" || fail "$(cat "$SCRATCH/witness.log")"
    # it grows again, past what was seen, and its own proof cannot hold
    while [[ $(status_json | jq .history.size) -lt $((size + 2)) ]]; do
        put "$TREE/file" "$RANDOM\n"
        driftctl diff >/dev/null || [[ $? -le 3 ]]
    done
    request "$size" | post 422
    grep -q 'does not prove that it begins with' "$SCRATCH/witness.log" || fail "$(cat "$SCRATCH/witness.log")"
    stop_witness
}

test_a_witness_alarms_on_silence() {
    start_clean
    start_witness --silence 2s
    request 0 | post 200
    wait_until 20 grep -q '^alarm: silence: driftd/[0-9a-f]* has sent no checkpoint for' "$SCRATCH/witness.log"
    request "$(request 0 | sed -n 4p)" >/dev/null
    curl -sS -o /dev/null --data-binary "$(request 0)" "$URL/add-checkpoint"
    stop_witness
    expect_equal "$(grep -c 'alarm: silence' "$SCRATCH/witness.log")" 1 "the number of alarms"
    expect_exit 2 witness --log "$SCRATCH/log.key" --check --silence 1s --json
    expect_json '.schema == "driftd.witness-check/1" and .logs[0].silent and .logs[0].size > 0'
    expect_exit 0 witness --log "$SCRATCH/log.key" --check --silence 1d
    expect_output '^heard +driftd/'
}

# Without HTTP: one request in, one answer out, as through ssh.
test_a_witness_is_a_filter_too() {
    start_clean
    driftctl log checkpoint --show-key >"$SCRATCH/log.key"
    request 0 >"$SCRATCH/request"
    filter() { witness --log "$SCRATCH/log.key" "$@" <"$SCRATCH/request"; }
    filter >"$OUT" 2>"$ERR" || fail "$(cat "$ERR")"
    expect_output '^— witness.example/w1 '
    local status=0
    filter >"$OUT" 2>"$ERR" || status=$?
    expect_equal "$status" 4 "the exit code of a conflict"
    [[ $(cat "$OUT") =~ ^[0-9]+$ ]] || fail "no size: $(cat "$OUT")"
    request "$(cat "$OUT")" >"$SCRATCH/request"
    filter --json >"$OUT" 2>"$ERR" || fail "$(cat "$ERR")"
    expect_json '.schema == "driftd.witness/1" and .status == 200 and .alarm == false'
    sed -i '4s/.*/1/' "$SCRATCH/request"
    status=0
    filter >"$OUT" 2>"$ERR" || status=$?
    expect_equal "$status" 3 "the exit code of a forgery"
    expect_error 'does not hold'
    expect_exit 4 driftctl log witness --log "$SCRATCH/log.key"
    expect_error 'state is missing'
    expect_exit 4 witness
    expect_error 'log is missing'
    expect_exit 4 witness --log "$SCRATCH/log.key" --listen localhost
    expect_error 'not an address to listen on'
}
