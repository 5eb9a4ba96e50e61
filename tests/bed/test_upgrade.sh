# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Our packages over their life: upgraded in place, removed, installed again, purged.

# later_archives VERSION — our packages as a later version, put into the machine; README.Debian has a line more.
later_archives() {
    local version=$1 archive package work=$SCRATCH/later
    for archive in "$BUILD"/deb/driftctl_*.deb "$BUILD"/deb/driftd_*.deb; do
        package=$(dpkg-deb -f "$archive" Package)
        rm -rf "$work"
        dpkg-deb -R "$archive" "$work"
        sed -i -E "s/^Version: .*/Version: $version/; s/driftctl \(= [^)]*\)/driftctl (= $version)/" "$work/DEBIAN/control"
        [[ $package != driftd ]] || echo 'later' >>"$work/usr/share/doc/driftd/README.Debian"
        rm -f "$work/DEBIAN/md5sums"
        dpkg-deb --root-owner-group -Zgzip -z1 -b "$work" "$SCRATCH/$package.deb" >/dev/null
        in_bed tee "/run/$package.deb" <"$SCRATCH/$package.deb" >/dev/null
    done
}

last_seq() {
    driftctl log --json | jq -s 'last.seq'
}

# stop_and_gap_follow SEQ
stop_and_gap_follow() {
    driftctl log --json |
        jq -se --argjson seq "$1" 'map(select(.seq > $seq).kind) | index("stop") < index("gap")' >/dev/null
}

test_an_upgrade_restarts_it_and_keeps_history_and_configuration() {
    boot guarded
    wait_until "$LIVE" is_clean
    in_bed sh -c 'echo "# edited by the owner" >>/etc/driftd/driftd.conf'
    wait_until "$LIVE" has_drift file:/etc/driftd/driftd.conf changed
    local before seq baseline
    before=$(daemon_pid) seq=$(last_seq) baseline=$(active_id)
    later_archives 9.0.0
    get install /run/driftctl.deb /run/driftd.deb
    unit_is active || fail 'the unit is not active'
    [[ $(daemon_pid) != "$before" ]] || fail 'the old daemon still runs'
    wait_until "$LIVE" has_drift file:/usr/share/doc/driftd/README.Debian changed
    expect_exit 0 in_bed grep -q 'edited by the owner' /etc/driftd/driftd.conf
    driftctl log --json | jq -se --argjson seq "$seq" 'map(.seq) | . == [range(1; length + 1)] and last > $seq' >/dev/null ||
        fail 'the history does not go on where it was'
    stop_and_gap_follow "$seq" ||
        fail 'stop and gap are not told'
    expect_equal "$(active_id)" "$baseline" 'the active baseline'
    expect_exit 0 driftctl verify
}

test_removed_the_service_is_gone_and_all_that_is_known_stays() {
    boot guarded
    wait_until "$LIVE" is_clean
    local pid seq
    pid=$(daemon_pid) seq=$(last_seq)
    get remove driftd driftctl
    ! in_bed kill -0 "$pid" 2>/dev/null || fail 'the daemon still runs'
    ! in_bed systemctl cat driftd.service >/dev/null 2>&1 || fail 'systemd still knows the unit'
    in_bed test ! -e /usr/sbin/driftd -a ! -e /usr/bin/driftctl || fail 'a program is still there'
    in_bed sh -c 'cd /etc/driftd && ls driftd.conf trust.conf && cd /var/lib/driftd && ls driftd.db high-water' >/dev/null
    install_ours
    unit_is active || fail 'installed again, the unit is not active'
    wait_until "$LIVE" is_clean
    stop_and_gap_follow "$seq" ||
        fail 'the history does not go on with stop and gap'
    expect_exit 0 driftctl verify
}

test_purged_nothing_of_it_is_left_but_what_is_not_its_own() {
    boot guarded
    in_bed touch /etc/driftd/a-key-of-alice
    get purge driftd driftctl
    in_bed sh -c 'find / -xdev -path /proc -prune -o -path /sys -prune -o -path /srv -prune -o -path "/var/lib/dpkg" -prune -o \
        -path /var/log -prune -o \( -name "*driftd*" -o -name "*driftctl*" \) -print | sort' >"$OUT"
    expect_equal "$(cat "$OUT")" "$(printf '/etc/driftd')" 'what is left'
    expect_equal "$(in_bed ls -A /etc/driftd)" a-key-of-alice
    in_bed test ! -e /run/driftd || fail '/run/driftd is left'
    expect_equal "$(in_bed systemctl is-system-running)" running
}
