# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A generation travels as what differs from the one in force: between driftctl and driftd only changed lines pass, and
# neither a damaged file on the shelf, nor a generation that is in force no more, nor a made-up delta changes what is
# signed or applied.

begin() {
    mkdir "$TREE/etc"
    local i
    for i in {1..40}; do printf 'one\n' >"$TREE/etc/file$i"; done
    start_clean
    PARENT=$(active_id)
    driftctl baseline export host >"$SCRATCH/parent"
}

# relay — a socket of its own in front of the daemon's, and a configuration that leads there; all that passes is kept
relay() {
    mkdir -p "$SCRATCH/relay"
    sed "s|^runtime_dir = .*|runtime_dir = $SCRATCH/relay|" "$CONFIG" >"$SCRATCH/relay.conf"
    python3 - "$SCRATCH/relay/control.sock" "$RUN/control.sock" "$SCRATCH/passed" <<'PYTHON' &
import os, select, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(8)
while True:
    client, _ = listener.accept()
    daemon = socket.socket(socket.AF_UNIX)
    daemon.connect(sys.argv[2])
    other = {client: daemon, daemon: client}
    with open(sys.argv[3], 'ab', buffering=0) as passed:
        while other:
            for end in select.select([client, daemon], [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    other = {}
                    break
                passed.write(data)
                other[end].sendall(data)
            if not other:
                client.close()
                daemon.close()
PYTHON
    RELAY=$!
    remember_process "$RELAY"
    wait_until "$LIVE" test -S "$SCRATCH/relay/control.sock"
}

# calls — the calls on standard input, one a line, on one connection; their last replies are then OUT's lines
calls() {
    python3 - "$RUN/control.sock" "$SCRATCH/calls" >"$OUT" <<'PYTHON'
import json, socket, sys
daemon = socket.socket(socket.AF_UNIX)
daemon.connect(sys.argv[1])
held = b''
for line in open(sys.argv[2]):
    call = json.loads(line)
    call['method'] = 'dev.driftd.Control.' + call['method']
    daemon.sendall(json.dumps(call).encode() + b'\0')
    text = ''
    while True:
        while b'\0' not in held:
            data = daemon.recv(1 << 16)
            if not data:
                sys.exit('the daemon closed the connection')
            held += data
        frame, held = held.split(b'\0', 1)
        reply = json.loads(frame)
        text += reply.get('parameters', {}).get('text') or ''
        if not reply.get('continues'):
            break
    reply['text'] = text
    print(json.dumps(reply))
PYTHON
}

# propose_from ID — by hand; OUT's only line is the last reply, with the whole text
propose_from() {
    jq -cn --arg item "file:$TREE/etc/file7" --arg from "$1" '{method: "Propose", more: true, parameters:
        {name: "host", items: [$item], class: "normal", expires_ms: 0, author: "alice", waivers: [], retire: false, from: $from}}' \
        >"$SCRATCH/calls"
    calls
}

# apply_delta FILE — by hand, with no approvals; OUT's only line is Apply's reply
apply_delta() {
    {
        jq -cn --rawfile text "$1" '{method: "Upload", parameters: {kind: "delta", text: $text, reset: true}}'
        jq -cn '{method: "Upload", parameters: {kind: "approvals", text: "", reset: true}}'
        jq -cn '{method: "Apply", parameters: {ahead: true}}'
    } >"$SCRATCH/calls"
    calls
    sed -i -n '$p' "$OUT"
}

# refused FILE EXIT WORDS — and what is in force stays
refused() {
    apply_delta "$1"
    # shellcheck disable=SC2016 # jq's
    expect_json '(.error | endswith(".Failed")) and .parameters.exit == $exit and (.parameters.message | contains($words))' \
        --argjson exit "$2" --arg words "$3"
    expect_equal "$(active_id)" "$PARENT" 'what is in force'
}

test_only_what_changed_travels() {
    begin
    relay
    put "$TREE/etc/file7" 'two\n'
    expect_exit 0 "$BUILD/driftctl" -c "$SCRATCH/relay.conf" bless "$TREE/etc/file7" --ticket CHG-2 --key "$KEYS/alice" --yes
    expect_exit 0 driftctl diff
    [[ $(grep -ao 'driftd-delta 1' "$SCRATCH/passed" | wc -l) -eq 3 ]] || fail 'there are not two proposals and an upload'
    grep -aq "file $TREE/etc/file7 " "$SCRATCH/passed" || fail 'the changed line did not pass'
    ! grep -aq "file $TREE/etc/file8 " "$SCRATCH/passed" || fail 'an unchanged line passed'
    ! grep -aq 'GetBaseline' "$SCRATCH/passed" || fail 'the parent was fetched'
}

test_a_caller_who_cannot_read_the_shelf_gets_the_parent_from_the_daemon() {
    begin
    relay
    put "$TREE/etc/file7" 'two\n'
    mv "$STATE/baselines" "$STATE/elsewhere"
    expect_exit 0 "$BUILD/driftctl" -c "$SCRATCH/relay.conf" bless "$TREE/etc/file7" --ticket CHG-2 --key "$KEYS/alice" --yes
    grep -aq 'GetBaseline' "$SCRATCH/passed" || fail 'the parent was not fetched'
    grep -aq 'driftd-delta 1' "$SCRATCH/passed" || fail 'no delta passed'
    expect_exit 0 driftctl diff
}

# The file tells of a file8 that is not what was signed: were it believed, it would be signed again.
test_a_changed_file_on_the_shelf_is_not_believed() {
    begin
    local shelf=$STATE/baselines/host@1.baseline
    sed -i "s|^\(file $TREE/etc/file8 .*\) mode=0[0-7]*|\1 mode=0777|" "$shelf"
    ! cmp -s "$shelf" "$SCRATCH/parent" || fail 'the shelf was not changed'
    put "$TREE/etc/file7" 'two\n'
    expect_exit 0 driftctl bless "$TREE/etc/file7" --ticket CHG-2 --key "$KEYS/alice" --yes
    driftctl baseline export host >"$SCRATCH/next"
    ! grep -q 'mode=0777' "$SCRATCH/next" || fail 'what stood on the shelf was signed'
    expect_equal "$(diff <(grep ^file "$SCRATCH/parent") <(grep ^file "$SCRATCH/next") | grep -c '^>')" 1 'the number of changed lines'
    expect_exit 0 driftctl verify
    expect_exit 0 driftctl diff
}

test_from_a_generation_that_is_not_in_force_the_whole_text_comes() {
    begin
    put "$TREE/etc/file7" 'two\n'
    propose_from "$PARENT"
    expect_json '.parameters.delta == true and (.text | startswith("driftd-delta 1\nfrom \($id)\n"))' --arg id "$PARENT"
    expect_json '.text | length < 1500'
    expect_exit 0 driftctl bless --ticket CHG-2 --key "$KEYS/alice" --yes
    propose_from "$PARENT"
    expect_json '.parameters.delta == false and (.text | startswith("driftd-baseline 1\n")) and (.text | contains("/etc/file40 "))'
    propose_from "${PARENT%?}"
    expect_json '.error | endswith(".Failed")'
}

test_a_made_up_delta_is_refused() {
    begin
    local size
    size=$(wc -c <"$SCRATCH/parent")
    printf 'driftd-delta 1\nfrom %s\ncopy 0 %d\nto %s\n' "$PARENT" "$size" "$(printf '%064d' 0)" >"$SCRATCH/delta"
    refused "$SCRATCH/delta" 4 'not what it says'
    printf 'driftd-delta 1\nfrom %s\ncopy 0 %d\nto %s\n' "$PARENT" $((size + 1)) "$PARENT" >"$SCRATCH/delta"
    refused "$SCRATCH/delta" 4 'copies what is not there'
    printf 'driftd-delta 1\nfrom %s\ncopy 18446744073709551615 2\nto %s\n' "$PARENT" "$PARENT" >"$SCRATCH/delta"
    refused "$SCRATCH/delta" 4 'expected'
    printf 'driftd-delta 1\nfrom %s\ninsert 900000000\nx' "$PARENT" >"$SCRATCH/delta"
    refused "$SCRATCH/delta" 4 'cut off'
    printf 'driftd-delta 1\nfrom %s\ncopy 0 %d\nto %s\n' "$(printf '%064d' 0)" "$size" "$PARENT" >"$SCRATCH/delta"
    refused "$SCRATCH/delta" 4 'another generation was applied meanwhile'
    has_record reject '' '.detail.reason | contains("another generation")' || fail 'the refusal was not recorded'
    # What is in force, once more: a replay, whatever it came as.
    printf 'driftd-delta 1\nfrom %s\ncopy 0 %d\nto %s\n' "$PARENT" "$size" "$PARENT" >"$SCRATCH/delta"
    refused "$SCRATCH/delta" 3 'active one already'
    # A good next generation that nobody signed.
    sed "s/^generation 1$/generation 2/; s/^parent none$/parent $PARENT/" "$SCRATCH/parent" >"$SCRATCH/next"
    {
        printf 'driftd-delta 1\nfrom %s\ninsert %d\n' "$PARENT" "$(wc -c <"$SCRATCH/next")"
        cat "$SCRATCH/next"
        printf 'to %s\n' "$(sha256sum "$SCRATCH/next" | cut -d' ' -f1)"
    } >"$SCRATCH/delta"
    refused "$SCRATCH/delta" 3 ''
    expect_exit 0 driftctl verify
}

# The store keeps a small change as what differs from a generation whose text it has, and all of them can be had again.
test_a_small_change_is_kept_as_a_delta_and_every_generation_can_be_had() {
    mkdir "$TREE/etc"
    local i ids=() parts
    for i in {1..300}; do printf 'one\n' >"$TREE/etc/file$i"; done
    start_clean
    ids[1]=$(active_id)
    for i in 2 3 4; do
        put "$TREE/etc/file$i" 'two\n'
        expect_exit 0 driftctl bless "$TREE/etc/file$i" --ticket CHG-2 --key "$KEYS/alice" --yes
        ids[i]=$(active_id)
        [[ $i -ne 3 ]] || { stop_daemon && start_daemon; } # whose text is then read from the store
    done
    for i in 1 2 3 4; do
        expect_equal "$(driftctl baseline export "host@$i" | sha256sum | cut -d' ' -f1)" "${ids[i]}" "the text of generation $i"
    done
    expect_exit 1 driftctl diff --against host@2
    expect_exit 0 driftctl verify
    stop_daemon
    parts=$(sqlite3 "$STATE/driftd.db" "SELECT generation, base, (SELECT substr(bytes, 1, 14) FROM part WHERE name = 'host' AND
        part.generation = baseline.generation AND number = 0) FROM baseline ORDER BY generation")
    expect_equal "$parts" "1|0|driftd-baselin
2|1|driftd-delta 1
3|1|driftd-delta 1
4|1|driftd-delta 1" 'what is kept'
    # A damaged delta is no baseline: what is judged by is verified whole, whatever it is kept as.
    sqlite3 "$STATE/driftd.db" "UPDATE part SET bytes = CAST(replace(CAST(bytes AS TEXT), 'file4', 'file5') AS BLOB) WHERE generation = 4"
    expect_exit 3 driftctl verify
}
