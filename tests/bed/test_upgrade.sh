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

# With the packages of an older version in OLDER_PACKAGES: git archive COMMIT, and its debian/build.sh there.
test_the_store_of_an_older_version_is_taken_over() {
    [[ -n ${OLDER_PACKAGES:-} ]] || cannot_run_here 'OLDER_PACKAGES names no folder with packages of an older version'
    boot bare
    local package archives=() before
    for package in driftctl driftd; do
        cat "$OLDER_PACKAGES/${package}"_*.deb | in_bed tee "/run/older-$package.deb" >/dev/null
        archives+=("/run/older-$package.deb")
    done
    get install "${archives[@]}"
    in_bed mkdir /srv/app
    put /etc/driftd/driftd.conf '[files app]\npath = /srv/app\n'
    put /srv/app/file 'before\n'
    in_bed systemctl reload driftd.service
    expect_exit 0 driftctl key generate --name alice -o /run/alice.key --no-passphrase
    expect_exit 0 driftctl init --trust /run/alice.key.pub --yes
    expect_exit 0 driftctl bless --ticket CHG-1 --key /run/alice.key --yes -q
    put /srv/app/file 'after\n'
    in_bed touch /srv/app/new
    wait_until "$LIVE" has_drift file:/srv/app/file changed
    wait_until "$LIVE" has_drift file:/srv/app/new unexpected
    expect_exit 0 driftctl ack file:/srv/app/new --reason 'seen before'
    before=$(last_seq)
    driftctl log --json | jq -c 'del(.detail)' >"$SCRATCH/before"
    diff_json --cached | jq -c '[.drifts[] | [.item, .change, .first_seen]]' >"$SCRATCH/drifts"
    later_archives 9.0.0
    get install /run/driftctl.deb /run/driftd.deb
    unit_is active || fail 'the unit is not active'
    driftctl log --json | jq -c 'del(.detail)' | head -n "$(wc -l <"$SCRATCH/before")" | diff "$SCRATCH/before" - >"$ERR" ||
        fail "the history is another one: $(cat "$ERR")"
    stop_and_gap_follow "$before" || fail 'stop and gap are not told'
    diff_json --cached | jq -c '[.drifts[] | [.item, .change, .first_seen]]' | diff "$SCRATCH/drifts" - >"$ERR" ||
        fail "the drifts are others: $(cat "$ERR")"
    put /srv/app/new2 'new\n'
    wait_until "$LIVE" has_drift file:/srv/app/new2 unexpected
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
