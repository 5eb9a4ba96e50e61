# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The bed itself: what the other tests rely on.

test_a_machine_is_itself_and_not_the_host() {
    boot bare
    local namespace
    for namespace in mnt net ipc uts pid; do
        [[ $(readlink "/proc/$LEADER/ns/$namespace") != "$(readlink "/proc/self/ns/$namespace")" ]] ||
            fail "the namespace $namespace is the host's"
    done
    # What the kernel has once for all cannot be set from within.
    in_bed test ! -w /proc/sys/kernel/pid_max || fail 'the settings of the kernel can be written'
    expect_equal "$(in_bed wc -l /proc/net/route)" '1 /proc/net/route' 'its routes (and the heading)'
    expect_exit 0 in_bed systemctl is-active ssh.service dbus.service systemd-journald.service
    expect_equal "$(xargs <"$OUT")" 'active active active'
    [[ $(in_bed cat /etc/machine-id) != "$(cat /etc/machine-id 2>/dev/null)" ]] || fail 'it has the id of the host'
}

test_what_a_machine_writes_is_gone_with_it() {
    boot bare
    in_bed sh -c 'echo x >/etc/written && rm /etc/motd'
    [[ ! -e $BED_CACHE_FOLDER/tree/etc/written && -e $BED_CACHE_FOLDER/tree/etc/motd ]] || fail 'the cache was written to'
    pull_the_plug
    umount "$ROOT"
    rm -rf "$SCRATCH/upper" "$SCRATCH/work"
    boot bare
    in_bed test ! -e /etc/written || fail 'another machine has it'
}

test_real_packages_are_installed_and_upgraded_without_a_network() {
    boot bare
    offer old
    get install cron logrotate sudo less
    expect_equal "$(in_bed systemctl is-active cron.service)" active
    local before
    before=$(in_bed dpkg-query -W -f '${Version}' cron)
    offer old new
    get upgrade
    expect_equal "$(in_bed dpkg-query -W -f '${Version}' cron)" "$before+bed1" 'the version of cron'
    expect_equal "$(in_bed cat /usr/share/doc/sudo/NEWS.bed)" 'new in this version'
    in_bed grep -q '^# one more line$' /etc/crontab || in_bed grep -rq '^# one more line$' /etc/default/cron ||
        fail 'no conffile came with the upgrade'
}
