# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# SIGHUP reads the configuration again. What is judged is the signed scope, whatever the configuration says.

test_a_good_configuration_is_taken() {
    start_clean
    SCAN_KEYS='quick_interval = 10m' write_config
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_record reload
    has_record reload '' '.detail.ok != false and (.detail.error | not)' || fail "the record tells of an error"
    expect_exit 0 driftctl diff
}

test_a_bad_configuration_is_refused_and_the_old_one_stays() {
    printf 'one\n' >"$TREE/a"
    start_clean
    cp "$CONFIG" "$SCRATCH/good.conf"
    SCAN_KEYS='quick_intervall = 10m' write_config
    kill -HUP "$DAEMON"
    local wrong=$CONFIG
    CONFIG=$SCRATCH/good.conf # for driftctl: the daemon's own is wrong now
    wait_until "$LIVE" has_record reload '' '.detail | tostring | test("quick_intervall")'
    has_record reload '' ".detail | tostring | test(\"$wrong:9\")" || fail "the record does not tell file and line"
    kill -0 "$DAEMON" || fail "the daemon ended"
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
}

test_an_exclusion_in_the_configuration_hides_nothing() {
    mkdir "$TREE/cron.d" && printf 'one\n' >"$TREE/cron.d/job"
    start_clean
    write_config "[files tree]
path = $TREE
exclude = $TREE/cron.d"
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_record reload
    printf 'two\n' >"$TREE/cron.d/job"
    wait_until "$LIVE" has_drift "file:$TREE/cron.d/job" changed
    printf 'x\n' >"$TREE/cron.d/backdoor"
    wait_until "$LIVE" has_drift "file:$TREE/cron.d/backdoor" unexpected
    status_json >"$OUT"
    expect_json 'any(.problems[]; .kind == "scope_differs")'
    # The same after a restart.
    stop_daemon
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/cron.d/backdoor" unexpected
    status_json >"$OUT"
    expect_json 'any(.problems[]; .kind == "scope_differs")'
}

test_a_signed_exclusion_counts() {
    mkdir "$TREE/cache"
    start_clean
    write_config "[files tree]
path = $TREE
exclude = $TREE/cache/**"
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_record reload
    bless_all
    printf 'x\n' >"$TREE/cache/file"
    printf 'x\n' >"$TREE/seen"
    wait_until "$LIVE" has_drift "file:$TREE/seen" unexpected
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 1'
    status_json >"$OUT"
    expect_json 'all(.problems[]; .kind != "scope_differs")'
}

test_a_path_that_does_not_exist_is_a_problem_and_no_error() {
    write_config "[files tree]
path = $TREE
[files absent]
path = $SCRATCH/absent"
    first_steps
    start_daemon
    expect_exit 0 driftctl config check
    status_json >"$OUT"
    expect_json '.daemon.running'
}
