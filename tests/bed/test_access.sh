# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Who may ask, and the server that everybody asks about first: sshd.

test_a_change_of_sshd_is_found_and_told() {
    boot guarded
    wait_until "$LIVE" is_clean
    expect_equal "$(in_bed systemctl is-active ssh.service)" active
    in_bed sh -c 'echo "PermitRootLogin yes" >>/etc/ssh/sshd_config && systemctl reload ssh.service'
    wait_until "$LIVE" has_entry drift '.DRIFTD_ITEM == "file:/etc/ssh/sshd_config" and .PRIORITY == "3"'
    in_bed sh -c 'mkdir -p /root/.ssh && echo "ssh-ed25519 AAAA somebody" >/root/.ssh/authorized_keys'
    wait_until "$LIVE" has_drift file:/root/.ssh/authorized_keys unexpected
    expect_exit 1 driftctl show /etc/ssh/sshd_config
    expect_output '^\+PermitRootLogin yes$' # the lines, for the file may be read by all
    expect_exit 1 driftctl show /root/.ssh/authorized_keys
    expect_no_output 'somebody'
}

test_the_socket_is_for_root_and_the_group_driftd() {
    boot guarded
    wait_until "$LIVE" is_clean
    expect_equal "$(in_bed stat -c '%a %U %G %F' /run/driftd/control.sock)" '660 root driftd socket'
    in_bed useradd --groups driftd member
    in_bed useradd other
    approve # the accounts
    wait_until "$LIVE" is_clean
    expect_exit 0 as member driftctl status
    expect_output 'verdict +clean'
    expect_exit 0 as member driftctl diff
    expect_exit 4 as other driftctl status
    expect_error 'ermission denied'
    expect_exit 4 as other driftctl log
    # What a member asks for is recorded as theirs, and the store itself is not theirs.
    put /etc/motd 'x\n'
    wait_until "$LIVE" has_drift file:/etc/motd changed
    expect_exit 0 as member driftctl ack file:/etc/motd --reason 'seen by a member'
    has_record ack file:/etc/motd '.detail | tostring | test("member")' || fail 'the record does not say who'
    ! as member cat /var/lib/driftd/driftd.db >/dev/null 2>&1 || fail 'a member can read the store'
    ! as member ls /var/lib/driftd >/dev/null 2>&1 || fail 'a member can look into the store'
}
