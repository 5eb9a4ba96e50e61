# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The scenarios of run.sh. prepare NAME makes the folder to start from, run_NAME runs one point in it. In the tree that
# everything starts from (but what makes the first baseline) something is changed, something is missing, and something is
# unexpected, so that there is no moment at which "clean" is right.
# shellcheck disable=SC2034 # run.sh reads it
SCENARIOS='init bless rebless apply diff diff_full diff_item diff_junit diff_tap diff_sarif show status scan log verify backup ack client client_bless daemon settings settings_bless checkpoint coverage window evidence'

# ---- the programs ----

driftctl() {
    timeout --foreground --kill-after=5 30 "$BUILD/driftctl" --config "$HERE/driftd.conf" "$@"
}

# Ends as the command, with the fault of this point in its environment; to be called in a process of its own.
with_fault() {
    local error=
    [[ $KIND != *:* ]] || error=FAULT_ERROR=${KIND#*:}
    exec env FAULT_KIND="${KIND%%:*}" ${error:+"$error"} ${PLACE:+FAULT_PLACE="$PLACE"} ${GOOD:+FAULT_GOOD=1} FAULT_REPORT="$HERE/report" \
        ASAN_OPTIONS="exitcode=99:allocator_may_return_null=1:log_path=$HERE/sanitizer" \
        LSAN_OPTIONS=print_suppressions=0 UBSAN_OPTIONS="exitcode=99:print_stacktrace=1:log_path=$HERE/sanitizer" "$@"
}

# faulty COMMAND... — driftctl with the fault. Sets `code`; its words are in $HERE/stdout and stderr.
faulty() {
    local GOOD=
    [[ $MODE == once ]] || GOOD=1
    code=0
    (with_fault timeout --foreground --kill-after=5 40 "$FAULTY/driftctl" --config "$HERE/driftd.conf" "$@") \
        >"$HERE/stdout" 2>"$HERE/stderr" </dev/null || code=$?
    ended_well driftctl "$code"
}

# What an exit code says of how a program ended.
ended_well() {
    case $2 in
    124 | 137) wrong "hang: $1 did not end" ;;
    [0-4]) ;;
    99) wrong "a sanitizer's finding in $1" ;;
    *) wrong "signal or other end: $1 ended with $2" ;;
    esac
}

# never_clean WHAT — with drift in the tree, exit 0 is wrong.
never_clean() {
    [[ $code -ne 0 ]] || wrong "false clean: $1"
}

# Without a fault the answer is this one.
expect_unless_fired() {
    [[ $code -eq $1 ]] || fired || wrong "exit $code and not $1 without a fault"
}

# ---- the instance ----

put() {
    printf '%s\n' "$2" >"$HERE/put" && mv "$HERE/put" "$1"
}

# prepare SCENARIO — fills $HERE, and $HERE/pristine with what every point starts from
prepare() {
    TREE=$HERE/live/tree STATE=$HERE/state # nothing else happens beside the tree, whose parent is watched too
    mkdir -p "$TREE/sub/deep" "$HERE/keys" "$HERE/packs"
    local file
    for file in a b sub/c sub/deep/e; do echo "first" >"$TREE/$file"; done
    ln -s a "$TREE/link"
    ln "$TREE/sub/c" "$TREE/sub/other"
    cat >"$HERE/driftd.conf" <<TEXT
[daemon]
state_dir = $STATE
runtime_dir = $HERE/run
trust = $HERE/trust.conf
packs = $HERE/packs
[scan]
workers = 2
[files tree]
path = $TREE
[files logs]
path = $TREE/sub/deep
mode = growing
TEXT
    [[ $1 != settings* ]] || add_settings
    driftctl key generate --name alice -o "$HERE/keys/alice" --no-passphrase >/dev/null || return
    [[ $1 == init ]] || driftctl init --trust "$HERE/keys/alice.pub" --yes >/dev/null || return
    if [[ $1 != init && $1 != bless ]]; then
        driftctl bless --ticket CHG-1 --key "$HERE/keys/alice" --yes >/dev/null || return
        old_id=$(active_id)
        driftctl diff >/dev/null || return
        [[ $1 == daemon ]] || make_drift
    fi
    ! declare -F "prepare_$1" >/dev/null || "prepare_$1" || return
    [[ $1 == init ]] || driftctl log --json >"$HERE/log.before" || return
    # What grows is known by its inode: it stays, and is only filled anew.
    mkdir -p "$HERE/pristine/live/tree/sub" && cat "$TREE/sub/deep/e" >"$HERE/e.before"
    tar -C "$TREE" --exclude=./sub/deep -c . | tar -C "$HERE/pristine/live/tree" -x || return
    [[ $1 == init ]] || cp -a "$STATE" "$HERE/trust.conf" "$HERE/pristine" || return
}

# Settings of a small host of our own, and of the real sshd and OpenSSL by configurations of our own.
add_settings() {
    HOST=$HERE/host
    mkdir -p "$HOST/proc/sys/kernel" "$HOST/proc/sys/net/ipv4/conf/"{all,lo} "$HOST/etc/sysctl.d"
    echo 1 | tee "$HOST/proc/sys/kernel/kptr_restrict" "$HOST/proc/sys/net/ipv4/conf/"{all,lo}/rp_filter >/dev/null
    echo 'kernel.kptr_restrict = 1' >"$HOST/etc/sysctl.d/50-here.conf"
    ssh-keygen -q -t ed25519 -N '' -f "$HOST/key"
    printf 'HostKey %s\nPermitRootLogin no\nMatch User git\n  PermitTTY no\n' "$HOST/key" >"$HOST/sshd_config"
    printf 'openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = d\n[d]\nMinProtocol = TLSv1.2\n' >"$HOST/openssl.cnf"
    cat >>"$HERE/driftd.conf" <<TEXT
[sysctl]
root = $HOST/proc/sys
[sshd]
config = $HOST/sshd_config
[openssl]
config = $HOST/openssl.cnf
TEXT
}

weaken_settings() {
    echo 0 >"$HOST/proc/sys/kernel/kptr_restrict"
    sed -i 's/PermitRootLogin no/PermitRootLogin yes/' "$HOST/sshd_config"
    sed -i 's/TLSv1.2/TLSv1.9/' "$HOST/openssl.cnf"
}

make_drift() {
    put "$TREE/a" second
    rm "$TREE/b"
    put "$TREE/sub/new" unexpected
    printf 'FIRST\nand more\n' | dd of="$TREE/sub/deep/e" conv=notrunc status=none # what was known of a growing file is another
}
DRIFTS=$'a changed\nb missing\nsub/deep/e changed\nsub/new unexpected'

restore() {
    find "$TREE" -mindepth 1 -depth -not -path "*/sub" -not -path "*/sub/deep*" -delete
    rm -rf "$HERE/state" "$HERE/run" "$HERE/trust.conf" "$HERE"/copy* "$HERE"/sanitizer* "$HERE"/report "$HERE"/wrong
    cp -a "$HERE/pristine/." "$HERE"
    cat "$HERE/e.before" >"$TREE/sub/deep/e"
}

# The drifts of a document, relative to the tree.
drifts_of() {
    jq -r --arg tree "file:$TREE/" '.drifts[] | "\(.item | ltrimstr($tree)) \(.change)"' "$1" | sort
}

active_id() {
    driftctl baseline export host 2>/dev/null | sha256sum | cut -d' ' -f1
}
NONE=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 # of no bytes: there is no baseline

# ---- what must hold afterwards ----

# The store, as a run without a fault sees it.
store_holds() {
    local code=0 size
    driftctl verify >"$HERE/after" 2>&1 || code=$?
    [[ $code -eq 0 ]] || wrong "verify says $code afterwards: $(head -c 300 "$HERE/after")"
    driftctl log --json >"$HERE/log.after" || wrong "log fails afterwards"
    size=$(stat -c %s "$HERE/log.before")
    cmp -s -n "$size" "$HERE/log.before" "$HERE/log.after" || wrong "records that were there are gone"
}

# drift_is_found [DRIFTS] — and a look without a fault finds what is there
drift_is_found() {
    local code=0
    driftctl diff --json >"$HERE/after" 2>/dev/null || code=$?
    [[ $code -eq 1 ]] || wrong "diff says $code afterwards"
    [[ $(drifts_of "$HERE/after") == "${1:-$DRIFTS}" ]] || wrong "diff finds afterwards: $(drifts_of "$HERE/after" | tr '\n' ',')"
}

# The document of a faulty diff: whole, and complete only if it has everything.
document_holds() {
    [[ $code -le 2 && $code -ge 1 ]] || return 0
    jq -e .schema "$HERE/stdout" >/dev/null 2>&1 || { wrong "exit $code with no whole document" && return; }
    jq -e '.schema == "driftd.diff/1" and .coverage.complete' "$HERE/stdout" >/dev/null || return 0
    [[ $(drifts_of "$HERE/stdout") == "${1:-$DRIFTS}" ]] || wrong "false clean: complete, and only $(drifts_of "$HERE/stdout" | tr '\n' ',')"
}

# The baseline is the one before or the one after; in either case the rest of the drift is there.
baseline_holds() {
    local id
    id=$(active_id)
    if [[ $id == "$old_id" ]]; then
        [[ $code -ne 0 ]] || wrong "called done, and the old baseline is active"
        drift_is_found
        driftctl bless "$TREE/a" --ticket CHG-9 --key "$HERE/keys/alice" --yes >"$HERE/after" 2>&1 ||
            wrong "no bless afterwards: $(head -c 300 "$HERE/after")"
    fi
    [[ $(active_id) != "$NONE" ]] || wrong "no baseline is active"
    drift_is_found "$(tail -n +2 <<<"$DRIFTS")"
}

# ---- driftctl alone ----

run_init() {
    faulty init --trust "$HERE/keys/alice.pub" --yes
    expect_unless_fired 0
    [[ $code -ne 0 || -s $HERE/trust.conf ]] || wrong "called done, and there is no trust.conf"
    driftctl init --trust "$HERE/keys/alice.pub" --yes >"$HERE/after" 2>&1 || wrong "no init afterwards: $(head -c 300 "$HERE/after")"
    driftctl bless --ticket CHG-1 --key "$HERE/keys/alice" --yes >"$HERE/after" 2>&1 || wrong "no bless afterwards: $(head -c 300 "$HERE/after")"
    driftctl verify >"$HERE/after" 2>&1 || wrong "verify: $(head -c 300 "$HERE/after")"
    make_drift
    drift_is_found
}

run_bless() {
    faulty bless --ticket CHG-1 --key "$HERE/keys/alice" --yes
    expect_unless_fired 0
    store_holds
    if [[ $(active_id) == "$NONE" ]]; then
        [[ $code -ne 0 ]] || wrong "called done, and no baseline is active"
        code=0
        driftctl diff >/dev/null 2>&1 || code=$?
        [[ $code -eq 2 || $code -eq 3 ]] || wrong "false clean: no baseline, and diff says $code"
        driftctl bless --ticket CHG-1 --key "$HERE/keys/alice" --yes >"$HERE/after" 2>&1 || wrong "no bless afterwards: $(head -c 300 "$HERE/after")"
    fi
    make_drift
    drift_is_found
}

run_rebless() {
    faulty bless "$TREE/a" --ticket CHG-2 --key "$HERE/keys/alice" --yes
    expect_unless_fired 0
    store_holds
    baseline_holds
}

prepare_apply() {
    driftctl propose "$TREE/a" --ticket CHG-2 -o "$HERE/next.baseline" >/dev/null &&
        driftctl sign "$HERE/next.baseline" --key "$HERE/keys/alice" --yes >/dev/null
}

run_apply() {
    faulty apply "$HERE/next.baseline"
    expect_unless_fired 0
    store_holds
    baseline_holds
}

run_diff() {
    faulty diff --json "$@"
    never_clean diff
    expect_unless_fired 1
    document_holds
    store_holds
    drift_is_found
}

# Cut short by a fault a format for pipelines is no document, and none of them says that all is well.
run_diff_format() {
    faulty diff --format "$1"
    never_clean "diff --format $1"
    expect_unless_fired 1
    store_holds
    drift_is_found
}
run_diff_junit() { run_diff_format junit; }
run_diff_tap() { run_diff_format tap; }
run_diff_sarif() { run_diff_format sarif; }

# Three settings are weaker, and nothing else is: whatever fails, it is never clean, and complete only with all three.
prepare_settings() {
    weaken_settings
}

SETTINGS=$'openssl:config/accepted changed\nsshd:permitrootlogin changed\nsysctl:kernel/kptr_restrict changed'

settings_are_found() {
    jq -r '.drifts[] | select(.item | startswith("file:") | not) | "\(.item) \(.change)"' "$1" | sort | grep -Fx "$SETTINGS"
}

run_settings() {
    faulty diff --json
    never_clean diff
    expect_unless_fired 1
    if [[ $code -le 2 ]] && jq -e '.coverage.complete' "$HERE/stdout" >/dev/null 2>&1; then
        [[ $(settings_are_found "$HERE/stdout") == "$SETTINGS" ]] || wrong "false clean: complete, and not all of: $SETTINGS"
    fi
    store_holds
    code=0
    driftctl diff --json >"$HERE/after" 2>/dev/null || code=$?
    [[ $code -eq 1 && $(settings_are_found "$HERE/after") == "$SETTINGS" ]] || wrong "diff says $code afterwards: $(head -c 300 "$HERE/after")"
}

run_settings_bless() {
    faulty bless --ticket CHG-2 --key "$HERE/keys/alice" --yes
    expect_unless_fired 0
    store_holds
    [[ $code -ne 0 || $(active_id) != "$old_id" ]] || wrong "called done, and the old baseline is active"
    # What was signed says all that there is to say: a line that could not be made must not be left out.
    [[ $(active_id) == "$old_id" ]] || driftctl diff >"$HERE/after" 2>&1 || wrong "blessed, and not clean: $(head -c 300 "$HERE/after")"
}

run_diff_full() {
    run_diff --full
}

run_diff_item() {
    faulty diff --json "$TREE/sub/new" "$TREE/sub/**"
    never_clean 'diff ITEM'
    expect_unless_fired 1
    document_holds "$(tail -n +3 <<<"$DRIFTS")"
    store_holds
    drift_is_found
}

# What only asks: never 0 where there is drift.
run_question() {
    faulty "$@"
    never_clean "$1"
    store_holds
    drift_is_found
}

run_show() { run_question show "$TREE/a"; }
run_status() { run_question status; }
run_scan() { run_question scan; }

run_log() {
    faulty log --json
    expect_unless_fired 0
    [[ $code -ne 0 ]] || cmp -s -n "$(stat -c %s "$HERE/log.before")" "$HERE/log.before" "$HERE/stdout" || wrong "exit 0 with half a log"
    store_holds
    drift_is_found
}

run_verify() {
    faulty verify
    expect_unless_fired 0
    # Untrusted is right where trust or marks could not be read, and then that is the reason given.
    [[ $code -ne 3 ]] || grep -qE 'cannot (open|read|look)' "$HERE/stdout" || wrong "calls forged what could not be read"
    store_holds
    drift_is_found
}

run_backup() {
    faulty backup "$HERE/copy.db"
    expect_unless_fired 0
    if [[ $code -eq 0 ]]; then
        sed "s|^state_dir = .*|state_dir = $HERE/copy|" "$HERE/driftd.conf" >"$HERE/copy.conf"
        mkdir "$HERE/copy" && cp "$HERE/copy.db" "$HERE/copy/driftd.db"
        "$BUILD/driftctl" --config "$HERE/copy.conf" log --json >"$HERE/after" 2>&1
        cmp -s -n "$(stat -c %s "$HERE/log.before")" "$HERE/log.before" "$HERE/after" || wrong "called done, and the copy is not whole"
    else
        [[ ! -e $HERE/copy.db ]] || wrong "failed, and left a copy"
    fi
    store_holds
    drift_is_found
}

prepare_ack() {
    driftctl diff >/dev/null || [[ $? -eq 1 ]]
}

run_ack() {
    faulty ack "$TREE/a" --reason 'known'
    expect_unless_fired 0
    store_holds
    drift_is_found
    [[ $code -ne 0 ]] || jq -e '.drifts[0].state == "acknowledged"' "$HERE/after" >/dev/null || wrong "called done, and not acknowledged"
}

# What proves the history: what was handed out holds, and half a folder is none.
run_checkpoint() {
    faulty log checkpoint -o "$HERE/copy.note"
    expect_unless_fired 0
    if [[ $code -eq 0 ]]; then
        driftctl log verify --checkpoint "$HERE/copy.note" >"$HERE/after" 2>&1 || wrong "the checkpoint does not hold: $(head -c 300 "$HERE/after")"
    fi
    store_holds
    drift_is_found
}

run_coverage() {
    faulty coverage --json
    [[ $code -ne 0 ]] || wrong "false clean: no daemon ever ran, and coverage says 0"
    expect_unless_fired 2
    store_holds
    drift_is_found
}

run_evidence() {
    faulty evidence export -o "$HERE/copy.evidence"
    expect_unless_fired 0
    if [[ $code -eq 0 ]]; then
        driftctl evidence verify "$HERE/copy.evidence" --trust "$HERE/trust.conf" >"$HERE/after" 2>&1 ||
            wrong "the bundle does not hold: $(head -c 300 "$HERE/after")"
    else
        # Only its durability could not be had, and that was said.
        [[ ! -e $HERE/copy.evidence ]] || grep -q 'done, but perhaps not durable' "$HERE/stderr" || wrong "failed, and left a bundle"
    fi
    store_holds
    drift_is_found
}

run_window() {
    local opened
    faulty window open --ticket CHG-5 --for 1h --key "$HERE/keys/alice" --yes
    expect_unless_fired 0
    opened=$(driftctl window list --json | jq '[.windows[] | select(.ticket == "CHG-5")] | length')
    [[ $code -ne 0 || $opened == 1 ]] || wrong "called done, and no window is open"
    store_holds
    drift_is_found
}

# ---- with the daemon ----

is_listening() {
    grep -q " 00010000 .* $HERE/run/control.sock\$" /proc/net/unix
}

# within MILLISECONDS COMMAND... — asks until it is so, or the time is over
within() {
    local end=$((${EPOCHREALTIME/./} + $1 * 1000))
    shift
    until "$@"; do
        ((${EPOCHREALTIME/./} < end)) || return 1
        read -rt 0.02 -u 6
    done
    true
}

daemon_runs() {
    [[ -n $DAEMON ]] && kill -0 "$DAEMON" 2>/dev/null
}

up_or_ended() {
    is_listening || ! daemon_runs
}

# start_daemon COMMAND... — and waits until it answers, or ended
start_daemon() {
    "$@" --config "$HERE/driftd.conf" >"$HERE/driftd.log" 2>&1 </dev/null &
    DAEMON=$!
    echo "$DAEMON" >"$HERE/pid"
    within 30000 up_or_ended || wrong "hang: driftd neither answers nor ends"
}

# Asks it to end, and looks at how it does.
end_daemon() {
    [[ -n ${DAEMON:-} ]] || return 0
    local ended=0
    kill -TERM "$DAEMON" 2>/dev/null
    if ! within 20000 not daemon_runs; then
        wrong "hang: driftd does not stop"
        kill -KILL "$DAEMON"
    fi
    wait "$DAEMON" || ended=$?
    DAEMON='' && rm -f "$HERE/pid"
    daemon_code=$ended
    [[ $ended -eq 137 ]] || ended_well driftd "$ended"
}

not() {
    ! "$@"
}

# Is the ledger not clean, by itself? No answer is none of "clean".
ledger_not_clean() {
    ! ledger_clean
}

ledger_clean() {
    driftctl diff --cached >/dev/null 2>&1
}

# Clients of a daemon that is well: the fault is theirs.
run_client() {
    start_daemon "$BUILD/driftd"
    faulty diff --json
    never_clean diff
    expect_unless_fired 1
    document_holds
    if ! fired; then
        faulty show --json "$TREE/a"
        never_clean show
    fi
    if ! fired; then
        faulty status --json
        never_clean status
    fi
    if ! fired; then
        faulty log --json
        expect_unless_fired 0
        [[ $code -ne 0 ]] || cmp -s -n "$(stat -c %s "$HERE/log.before")" "$HERE/log.before" "$HERE/stdout" || wrong "exit 0 with half a log"
    fi
    daemon_runs || wrong "the daemon ended"
    end_daemon
    store_holds
    drift_is_found
}

run_client_bless() {
    start_daemon "$BUILD/driftd"
    faulty bless "$TREE/a" --ticket CHG-2 --key "$HERE/keys/alice" --yes
    expect_unless_fired 0
    daemon_runs || wrong "the daemon ended"
    end_daemon
    store_holds
    baseline_holds
}

# asks COMMAND... — a question to the faulty daemon; sets code
asks() {
    code=0
    driftctl "$@" >"$HERE/stdout" 2>"$HERE/stderr" </dev/null || code=$?
    # A daemon whose sockets fail for good has no way to answer; and no answer is none of "clean".
    [[ $code -lt 100 || $KIND/$MODE == socket/good ]] || wrong "hang: no answer to $1"
}

# The life of a daemon: start, first pass, a change that is found by itself, one that is put right, a new folder, questions,
# reload, a new baseline, another change, stop.
run_daemon() {
    local GOOD=
    [[ $MODE == once ]] || GOOD=1
    start_daemon with_fault "$FAULTY/driftd"
    if daemon_runs; then
        daemon_life
        # A moment without memory is no reason to end; a whole life without it may be one.
        daemon_runs || [[ $MODE == good ]] || wrong "the daemon ended by itself"
        end_daemon
        [[ $daemon_code -eq 0 ]] || fired || wrong "the daemon ended with $daemon_code without a fault"
    else
        end_daemon
        [[ $daemon_code -ne 0 ]] || wrong "the daemon did not start, and ended with 0"
    fi
    rm -f "$HERE/run/control.sock"
    put "$TREE/a" third
    store_holds
    code=0
    driftctl diff --json >"$HERE/after" 2>/dev/null || code=$?
    [[ $code -eq 1 && $(drifts_of "$HERE/after") == *'a changed'* ]] || wrong "diff says $code afterwards: $(drifts_of "$HERE/after" | tr '\n' ',')"
}

daemon_life() {
    within 1500 ledger_clean
    put "$TREE/a" second # one event, and nothing else tells of it
    within 10000 ledger_not_clean || wrong "false clean: the ledger never has what changed"
    put "$TREE/b" second
    put "$TREE/b" first
    mkdir "$TREE/sub/made"
    put "$TREE/sub/made/in" new
    asks diff --json
    never_clean diff
    [[ $code -ne 1 ]] || document_holds $'a changed\nsub/made unexpected\nsub/made/in unexpected'
    asks show "$TREE/a"
    never_clean show
    asks status
    never_clean status
    asks log --json
    rm -r "$TREE/sub/made"
    kill -HUP "$DAEMON" 2>/dev/null
    asks bless "$TREE/a" --ticket CHG-2 --key "$HERE/keys/alice" --yes
    [[ $code -ne 0 || $(active_id) != "$old_id" ]] || wrong "called done, and the old baseline is active"
    put "$TREE/sub/c" second
    within 10000 ledger_not_clean || wrong "false clean: the ledger never has the second change"
    asks diff --json "$TREE/sub/*"
    never_clean 'diff ITEM'
}
