# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The service under systemd: start, reload, hang, crash, stop.

last_gap() {
    driftctl log --json --kind gap | jq -se "last | $1" >/dev/null
}

restarts() {
    [[ $(property NRestarts) -ge $1 ]] && unit_is active && status_json | jq -e .daemon.running
}

test_start_returns_when_all_folders_are_watched() {
    boot guarded
    in_bed systemctl stop driftd.service
    expect_exit 0 in_bed systemctl start driftd.service
    put /etc/motd 'changed at once\n'
    expect_equal "$(in_bed systemctl is-active driftd.service)" active
    expect_equal "$(property Type)" notify
    property StatusText >"$OUT"
    expect_output '^(incomplete|clean|drift) · [1-9][0-9]* folders watched'
    wait_until "$LIVE" has_drift file:/etc/motd changed
    expect_exit 1 driftctl diff --json /etc/motd
    expect_json '.drifts[0].unobserved == false'
    in_bed systemctl reload driftd.service
    status_is_told() { [[ $(property StatusText) == 'drift · '*' · 1 open drift'* ]]; }
    wait_until "$LIVE" status_is_told
}

test_stop_is_in_order_and_recorded() {
    boot guarded
    in_bed systemctl stop driftd.service
    expect_equal "$(property Result)" success
    expect_equal "$(property ExecMainStatus)" 0
    driftctl log --json | jq -se 'last | .kind == "stop" and .detail.reason == "SIGTERM"' >/dev/null ||
        fail 'the last record is no stop'
    expect_exit 0 driftctl verify # root, on the store itself
    in_bed systemctl start driftd.service
    last_gap '.detail.cause == "stopped"' || fail 'the gap is not told'
}

test_killed_it_is_started_again_and_the_gap_has_its_cause() {
    boot guarded
    wait_until "$LIVE" is_clean
    in_bed kill -KILL "$(daemon_pid)"
    put /etc/motd 'while nobody looked\n'
    wait_until "$LIVE" restarts 1
    expect_equal "$(property Result)" success
    last_gap '.detail.cause == "killed or crashed" and .detail.from < .detail.to' || fail 'the gap is not told'
    wait_until "$LIVE" has_drift file:/etc/motd changed
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 1 and .[0].unobserved'
    expect_exit 0 driftctl verify
}

test_hung_the_watchdog_starts_it_again_and_the_gap_is_told() {
    boot guarded
    drop_in '[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\n'
    in_bed systemctl restart driftd.service
    wait_until "$LIVE" is_clean
    local before
    before=$(daemon_pid)
    # It answers in time for long enough: the watchdog ends only what hangs.
    local until=$((SECONDS + 5))
    held() { ((SECONDS > until)); }
    wait_until 10 held
    expect_equal "$(daemon_pid)" "$before" 'the process after twice the interval of the watchdog'
    in_bed kill -STOP "$before"
    wait_until "$LIVE" restarts 1
    [[ $(daemon_pid) != "$before" ]] || fail 'it is still the one that hung'
    in_bed journalctl --quiet -o cat -u driftd.service >"$OUT"
    expect_output 'Watchdog timeout'
    last_gap '.detail.cause == "killed or crashed" and .detail.from < .detail.to' || fail 'the gap is not told'
    expect_exit 0 driftctl verify
}

test_reload_takes_a_good_configuration() {
    boot guarded
    local before
    before=$(daemon_pid)
    in_bed mkdir /srv/app
    put /etc/driftd/conf.d/app.conf '[files app]\npath = /srv/app\n'
    expect_exit 0 in_bed systemctl reload driftd.service
    wait_until "$LIVE" has_record reload '' '.detail.ok'
    expect_equal "$(daemon_pid)" "$before"
    approve
    in_bed touch /srv/app/new
    wait_until "$LIVE" has_drift file:/srv/app/new unexpected
}

test_reload_refuses_a_bad_configuration_and_goes_on() {
    boot guarded
    wait_until "$LIVE" is_clean
    local before
    before=$(daemon_pid)
    put /etc/driftd/conf.d/app.conf '[files app]\npaht = /srv/app\n'
    in_bed systemctl reload driftd.service
    # (driftctl reads the same file, and would not get by it.)
    in_bed sh -c 'echo "[daemon]" >/run/good.conf'
    driftctl_before() { driftctl --config /run/good.conf "$@"; }
    refused() {
        driftctl_before log --json --kind reload |
            jq -se 'last.detail | .ok == false and (.error | test("/etc/driftd/conf.d/app.conf:2: "))'
    }
    wait_until "$LIVE" refused
    unit_is active || fail 'the unit is not active'
    expect_equal "$(daemon_pid)" "$before"
    in_bed journalctl --quiet -o cat -u driftd.service -p err >"$OUT"
    expect_output 'the old configuration stays: /etc/driftd/conf.d/app.conf:2: '
    put /etc/motd 'still watched\n'
    still_watched() { driftctl_before log --json --kind drift /etc/motd | grep -q .; }
    wait_until "$LIVE" still_watched
    # The same at a start is refused with an exit status, and said.
    in_bed systemctl stop driftd.service
    drop_in '[Service]\nRestart=no\n'
    ! in_bed systemctl start driftd.service 2>/dev/null || fail 'it starts with a wrong configuration'
    expect_equal "$(property ExecMainStatus)" 4
    in_bed journalctl --quiet -o cat -u driftd.service -p err >"$OUT"
    expect_output '^/etc/driftd/conf.d/app.conf:2: '
}
