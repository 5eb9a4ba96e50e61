# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The drop-in that lets driftd use fanotify (systemd/driftd-fanotify.conf), put in force as driftd(8) says: what it gives where
# the machine may, what is said where it may not, and what it costs.

FANOTIFY_EXPOSURE_MAX=2.9 # of systemd-analyze; it is 2.7 to 2.9, and 0.2 to 0.3 less without the drop-in

# The lines of driftd(8).
put_in_force() {
    sed -n '/^install -D -m 0644 .*driftd-fanotify.conf/,/^\.Ed/p' man/driftd.8 | sed -e '/^\.Ed/d' -e 's/\\e$/\\/' >"$SCRATCH/lines"
    [[ $(wc -l <"$SCRATCH/lines") -ge 3 ]] || fail 'driftd(8) does not show how'
    expect_exit 0 in_bed sh -ec "$(cat "$SCRATCH/lines")"
    unit_is active || fail 'the unit is not active'
}

watched_by() {
    status_json | jq -r .daemon.watch
}

test_fanotify_drop_in_names_who_made_a_drift() {
    # An overlay takes marks only where a handle leads back to its file.
    MOUNT_OPTIONS=index=on,nfs_export=on MACHINE_CALLS='fanotify_init fanotify_mark' boot guarded
    "$BUILD/tests/tools/can_fanotify" "$ROOT" 2>"$ERR" || cannot_run_here "$(cat "$ERR")"
    wait_until "$LIVE" is_clean
    expect_equal "$(watched_by)" inotify 'without the drop-in, watched by'
    put_in_force
    expect_equal "$(watched_by)" fanotify 'watched by'
    status_json >"$OUT"
    expect_json 'all(.problems[]; .kind != "no_fanotify") and .daemon.folders.fanotify > 0'
    # The time without it is looked through, and the maker stays what it is: then it is exact.
    expect_exit 1 driftctl scan # the drop-in is drift
    expect_exit 0 in_bed systemd-run -q --unit=maker sh -c 'echo changed >>/etc/motd; sleep 300; :'
    made_by() {
        diff_json --cached | jq -e 'any(.drifts[]; .item == "file:/etc/motd" and
            (.who | .unit == "maker.service" and .uid == 0 and .confidence == "exact" and .own_mounts == false))'
    }
    wait_until "$LIVE" made_by
    expect_exit 1 driftctl diff
    expect_output 'file:/etc/motd .* by [a-z]+\[[0-9]+\] \(root\)$'
    # Started again after a crash it watches in the same way.
    in_bed kill -KILL "$(daemon_pid)"
    started_again() { [[ $(property NRestarts) -ge 1 ]] && unit_is active && status_json | jq -e .daemon.running; }
    wait_until "$LIVE" started_again
    expect_equal "$(watched_by)" fanotify 'after a crash, watched by'
}

test_fanotify_not_granted_inotify_watches_and_that_is_said() {
    boot guarded # nspawn keeps the calls from it
    put_in_force
    expect_equal "$(watched_by)" inotify 'watched by'
    # auto takes what there is, and that is no problem.
    status_json >"$OUT"
    expect_json 'all(.problems[]; .kind != "no_fanotify")'
    in_bed mkdir -p /etc/driftd/conf.d
    put /etc/driftd/conf.d/watch.conf '[daemon]\nwatch = fanotify\n'
    expect_exit 0 in_bed systemctl restart driftd.service
    expect_equal "$(watched_by)" inotify 'asked for by name, watched by'
    status_json >"$OUT"
    expect_json 'any(.problems[]; .kind == "no_fanotify" and (.where | test("CAP_SYS_ADMIN")) and (.hint | test("driftd\\(8\\)")))'
    driftctl status >"$OUT" || true
    expect_output 'watches by inotify'
    expect_output 'fanotify: '
    put /etc/motd 'changed\n'
    wait_until "$LIVE" has_drift file:/etc/motd changed
}

# As in a container on an overlay: a file system that takes no mark.
test_fanotify_granted_and_no_mark_taken_is_said() {
    MACHINE_CALLS='fanotify_init fanotify_mark' boot guarded
    ! "$BUILD/tests/tools/can_fanotify" "$ROOT" 2>"$ERR" || cannot_run_here 'an overlay takes marks here'
    put_in_force
    expect_equal "$(watched_by)" fanotify 'watched by'
    driftctl status >"$OUT" || true
    expect_output 'watches by fanotify, [0-9,]+ folders by inotify$'
    put /etc/motd 'changed\n'
    wait_until "$LIVE" has_drift file:/etc/motd changed
    diff_json --cached | jq -e 'any(.drifts[]; .item == "file:/etc/motd" and .who == null)' >/dev/null || fail 'somebody is named'
    # Asked for by name, it is a problem.
    in_bed mkdir -p /etc/driftd/conf.d
    put /etc/driftd/conf.d/watch.conf '[daemon]\nwatch = fanotify\n'
    expect_exit 0 in_bed systemctl restart driftd.service
    status_json >"$OUT"
    expect_json 'any(.problems[]; .kind == "no_fanotify" and .count > 1 and (.hint | test("Operation not supported")))'
}

test_fanotify_drop_in_costs_what_is_told_of_it() {
    MACHINE_CALLS='fanotify_init fanotify_mark' boot guarded
    put_in_force
    expect_equal "$(property CapabilityBoundingSet)" 'cap_dac_read_search cap_fowner cap_sys_ptrace cap_sys_admin'
    expect_equal "$(status_line NoNewPrivs)" 1 NoNewPrivs
    expect_equal "$(status_line Seccomp)" 2 Seccomp
    property SystemCallFilter | tr ' ' '\n' >"$OUT"
    expect_output '^fanotify_init$'
    local call level
    for call in open_by_handle_at mount umount2 move_mount open_tree fsmount pivot_root init_module ptrace bpf \
        reboot swapon settimeofday; do
        expect_no_output "^$call\$"
    done
    for level in "$(exposure driftd.service)" "$(exposure --offline=true driftd.service)"; do
        echo "note: the exposure of driftd.service with the drop-in: $level"
        expect_exposed "$level" "$FANOTIFY_EXPOSURE_MAX"
    done
    in_bed cp -r /etc/systemd/system/driftd.service.d /run/systemd/system/attempt.service.d
    attempt <<'SH'
mount -t tmpfs none /mnt 2>/dev/null && echo "mounted"
mount -o remount,rw /usr 2>/dev/null && echo "mounted anew"
umount /proc/sys 2>/dev/null && echo "unmounted"
unshare -n true 2>/dev/null && echo "made a namespace"
nsenter -t 1 -m true 2>/dev/null && echo "entered a namespace"
mknod /run/driftd/device b 8 0 2>/dev/null && echo "made a device"
(: >/etc/attempt) 2>/dev/null && echo "wrote to /etc"
(echo 1 >/proc/sys/net/ipv4/ip_forward) 2>/dev/null && echo "wrote a sysctl"
hostname attempt 2>/dev/null && echo "named the host"
[ "$(sed -nE "s|^CapEff:\s*||p" /proc/self/status)" = 000000000028000c ] && echo "had CAP_SYS_ADMIN"
SH
    expect_equal "$(cat "$OUT")" 'had CAP_SYS_ADMIN' 'what a process in the sandbox can do'
}
