# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# From a machine that has never heard of driftd to one that is guarded, by the commands that README.Debian tells.

LIMIT_FIRST_RUN=120 # seconds of wall time that a first run may take

test_from_the_packages_to_a_clean_diff_within_two_minutes() {
    boot bare
    local start=$EPOCHREALTIME seconds
    install_ours
    expect_exit 2 driftctl status # it runs, expects nothing, and does not call that clean
    expect_exit 0 driftctl key generate --name alice -o /run/alice.key --no-passphrase
    expect_exit 0 driftctl init --trust /run/alice.key.pub --yes
    expect_exit 0 in_bed systemctl enable --now driftd
    expect_exit 0 driftctl bless --ticket CHG-1 --key /run/alice.key --yes -q
    expect_exit 0 driftctl diff
    expect_output '^no drifts in [0-9,]+ items · host@1 signed by alice'
    seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN{printf "%.1f", b - a}')
    ((${seconds%.*} < LIMIT_FIRST_RUN)) || fail "the first run took $seconds s"
    echo "note: first run, from the packages to a clean diff: $seconds s, $(diff_json --cached | jq .coverage.expected) items"
    expect_exit 0 driftctl scan --full
    expect_exit 0 driftctl verify
}

test_the_packages_enable_the_service_and_the_next_boot_starts_it() {
    boot installed
    expect_equal "$(in_bed systemctl is-enabled driftd.service)" enabled
    expect_equal "$(in_bed systemctl is-active driftd.service)" active
    expect_equal "$(in_bed getent group driftd | cut -d: -f1)" driftd
}

test_a_reboot_is_a_gap_and_what_was_approved_still_counts() {
    boot guarded
    wait_until "$LIVE" is_clean
    shut_down
    printf 'changed while the machine was off\n' >"$ROOT/etc/motd"
    start_machine
    wait_until "$LIVE" has_drift file:/etc/motd changed
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 1 and .[0].unobserved'
    driftctl log --json --kind gap | jq -se 'last.detail | .cause == "stopped" and .from < .to' >/dev/null ||
        fail 'the reboot is no gap'
}
