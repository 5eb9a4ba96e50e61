# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The example unit, as an administrator would install it, in a machine that boots.

UNIT=driftctl-diff.service

unit_property() {
    in_bed systemctl show -P "$1" "$UNIT"
}

test_after_a_boot_the_unit_says_whether_the_host_is_as_approved() {
    boot guarded
    wait_until "$LIVE" is_clean
    in_bed cp "/usr/share/doc/driftd/examples/systemd/$UNIT" /etc/systemd/system/
    in_bed systemctl -q enable "$UNIT"
    expect_exit 0 in_bed systemd-analyze verify --man=no "/etc/systemd/system/$UNIT"
    approve
    wait_until "$LIVE" is_clean
    shut_down
    start_machine
    # It waited for driftd, which was ready; it is not root, and the socket let it in.
    expect_equal "$(unit_property ActiveState)" active
    expect_equal "$(unit_property Result)" success
    in_bed journalctl -u "$UNIT" -o cat >"$OUT"
    expect_output '^no drifts in [0-9,]+ items'

    # The next boot finds another host.
    put /etc/motd 'while nobody looked\n'
    shut_down
    MACHINE_STATE=degraded start_machine
    expect_equal "$(unit_property ActiveState)" failed
    expect_equal "$(unit_property ExecMainStatus)" 1
    in_bed systemctl --failed --no-legend >"$OUT"
    expect_output "$UNIT"
    in_bed journalctl -b -u "$UNIT" -o cat >"$OUT"
    expect_output '^changed +file:/etc/motd'
}
