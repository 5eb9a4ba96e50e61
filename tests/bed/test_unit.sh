# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The unit's sandbox: it ties the daemon's hands, and shows it the host as it is. Each test looks at what the kernel says of
# the running daemon, or at what the daemon finds; only the first looks at what is written in the unit.

EXPOSURE_MAX=2.7 # of systemd-analyze; without what must not be set it is 2.5 to 2.6

# What THREATS asks for, and the value that says so: NAME VALUE a line.
DIRECTIVES='
ProtectSystem strict
ProtectHome read-only
PrivateDevices yes
ProtectKernelTunables yes
ProtectKernelLogs yes
ProtectClock yes
ProtectControlGroups yes
RestrictAddressFamilies AF_UNIX
RestrictNamespaces yes
RestrictRealtime yes
RestrictSUIDSGID yes
MemoryDenyWriteExecute yes
LockPersonality yes
UMask 0077
NoNewPrivileges yes
WatchdogUSec 1min
CapabilityBoundingSet cap_dac_read_search cap_fowner cap_sys_ptrace
ReadOnlyPaths /run
User root
PrivateNetwork no
PrivateIPC no
PrivateUsers no
PrivateTmp no
ProcSubset all
ProtectProc default
ProtectKernelModules no
ProtectHostname no
DynamicUser no
'

test_each_directive_is_set_or_left_out_as_it_must_be() {
    boot installed
    local name value
    while read -r name value; do
        [[ -z $name ]] || expect_equal "$(property "$name")" "$value" "$name"
    done <<<"$DIRECTIVES"
    # These have no value at all; each is "an empty line" if it is not set.
    for name in RootDirectory RootImage TemporaryFileSystem InaccessiblePaths ExecPaths NoExecPaths; do
        expect_equal "$(property "$name")" '' "$name"
    done
    property SystemCallFilter | tr ' ' '\n' >"$OUT"
    local call
    for call in fanotify_init open_by_handle_at mount pivot_root init_module ptrace bpf reboot swapon settimeofday; do
        expect_no_output "^$call\$"
    done
    # What the unit leaves out, it says why.
    for name in PrivateNetwork PrivateIPC PrivateUsers PrivateTmp ProcSubset ProtectProc ProtectHome=yes ProtectKernelModules \
        ProtectHostname RootDirectory; do
        grep -Eq "^# .*$name=? *.*[a-z]{3}" systemd/driftd.service || fail "the unit does not say why $name is left out"
    done
}

# What the sandbox hides is named, is as little as it can be, and nothing that a scope looks at.
test_the_daemon_names_what_its_sandbox_hides() {
    boot guarded
    status_json >"$OUT"
    echo "note: own_view: $(jq -r '.problems[] | select(.kind == "own_view") | .where' "$OUT")"
    expect_json 'any(.problems[]; .kind == "own_view" and (.where | test("^/dev(, /run/credentials)?: not the host")))'
    expect_json 'all(.problems[]; .kind != "hidden")'
}

test_the_exposure_stays_where_it_is() {
    boot installed
    local live offline level
    live=$(exposure driftd.service)
    offline=$(exposure --offline=true /lib/systemd/system/driftd.service)
    echo "note: exposure of driftd.service: $live running, $offline by its file"
    for level in "$live" "$offline"; do
        expect_exposed "$level" "$EXPOSURE_MAX"
    done
    expect_exit 0 in_bed systemd-analyze verify --man=no /lib/systemd/system/driftd.service
}

test_the_daemon_has_three_capabilities_and_cannot_get_more() {
    boot guarded
    local three set
    three=$(printf '%016x' $((1 << 2 | 1 << 3 | 1 << 19))) # CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_SYS_PTRACE
    for set in CapPrm CapEff CapBnd; do
        expect_equal "$(status_line $set)" "$three" "$set"
    done
    for set in CapInh CapAmb; do
        expect_equal "$(status_line $set)" 0000000000000000 "$set"
    done
    expect_equal "$(status_line NoNewPrivs)" 1 NoNewPrivs
    expect_equal "$(status_line Seccomp)" 2 Seccomp
    expect_equal "$(status_line Umask)" 0077 Umask
    expect_equal "$(status_line Uid | cut -f1)" 0 'the user'
}

# in_daemon COMMAND [ARGUMENT]... — with the daemon's own view of files, network, IPC and host name
in_daemon() {
    in_bed nsenter -t "$(daemon_pid)" -m -n -i -u -p "$@"
}

test_the_daemon_can_write_to_its_own_two_folders_and_nowhere_else() {
    boot guarded
    # What is mounted read-only is so for every capability: a full root who steps into the daemon's mounts is asked.
    in_daemon sh -c 'cut -d" " -f5 /proc/self/mountinfo; find / -xdev -maxdepth 2 -type d' | sort -u >"$SCRATCH/places"
    in_daemon sh -c 'while read -r place; do [ ! -w "$place" ] || echo "$place"; done' <"$SCRATCH/places" >"$OUT"
    expect_output '^/var/lib/driftd$'
    expect_output '^/run/driftd$'
    # Beside its own: a private /dev with the shared memory of all, and processes.
    grep -vE '^(/var/lib/driftd|/run/driftd|/dev|/dev/.*|/proc|/proc/[0-9]+)$' "$OUT" >"$ERR" || true
    expect_equal "$(cat "$ERR")" '' 'what else it may write to'
    attempt <<'SH'
for folder in / /etc /etc/driftd /usr /usr/bin /boot /root /home /tmp /var/tmp /var/lib /var/log /run /srv /opt \
    /sys/fs/cgroup /proc/sys/net/ipv4; do
    (: >"$folder/attempt") 2>/dev/null && echo "wrote to $folder"
done
(echo 1 >/proc/sys/net/ipv4/ip_forward) 2>/dev/null && echo "wrote a sysctl"
chmod 0666 /etc/shadow 2>/dev/null && echo "changed /etc/shadow"
mount -t tmpfs none /mnt 2>/dev/null && echo "mounted"
unshare -n true 2>/dev/null && echo "made a namespace"
mknod /run/driftd/device b 8 0 2>/dev/null && echo "made a device"
chmod 4755 /run/driftd 2>/dev/null && echo "set a setuid bit"
kill -CONT "$(pidof dbus-daemon)" 2>/dev/null && echo "signalled another user's process"
(: >/run/driftd/attempt) && (: >/var/lib/driftd/attempt) && rm /run/driftd/attempt /var/lib/driftd/attempt &&
    echo "wrote to its own"
cat /etc/shadow >/dev/null && echo "read what only root may"
SH
    expect_equal "$(cat "$OUT")" $'wrote to its own\nread what only root may' 'what a process in the sandbox can do'
}

# scopes PATH... — a configuration that watches these alone, approved.
watch_only() {
    local path n=0
    {
        for path in "$@"; do
            printf '[files s%d]\npath = %s\n' $((++n)) "$path"
        done
    } | in_bed tee /etc/driftd/driftd.conf >/dev/null
    in_bed systemctl reload driftd.service
    wait_until "${LIVE:?}" has_record reload '' '.detail.ok'
    approve
    wait_until "$LIVE" is_clean
}

test_changes_made_outside_of_the_sandbox_are_seen_inside() {
    boot guarded
    # In folders of their own, where nobody else writes; /home and /root as they are.
    local places=(/etc /home /root /boot /tmp/place /var/tmp/place /dev/shm/place /usr/lib/modules /srv /opt /var/spool) place
    in_bed mkdir -p /tmp/place /var/tmp/place /dev/shm/place /usr/lib/modules/6.1.0 /home/alice
    for place in "${places[@]}"; do
        put "$place/kept" 'before\n'
    done
    in_bed systemctl restart driftd.service # the sandbox hides what is there when it is made
    watch_only "${places[@]}"
    for place in "${places[@]}"; do
        in_bed sh -c 'echo after >"$0/kept"; echo new >"$0/new"' "$place"
    done
    for place in "${places[@]}"; do
        wait_until "$LIVE" has_drift "file:$place/kept" changed
        wait_until "$LIVE" has_drift "file:$place/new" unexpected
    done
    # The same when it was changed while nobody looked, and from a mount that came later.
    in_bed systemctl stop driftd.service
    for place in "${places[@]}"; do
        in_bed rm "$place/new"
    done
    in_bed systemctl start driftd.service
    for place in "${places[@]}"; do
        wait_until "$LIVE" no_drift "file:$place/new"
    done
    in_bed mount -t tmpfs -o mode=0755 none /opt
    wait_until "$LIVE" has_drift file:/opt/kept missing
    in_bed touch /opt/on-the-mount
    wait_until "$LIVE" has_drift file:/opt/on-the-mount unexpected
    in_bed umount /opt
    wait_until "$LIVE" has_drift file:/opt/kept changed
}

test_files_that_only_their_owner_may_read_are_read() {
    boot guarded
    in_bed sh -c 'useradd -m carol; umask 077; mkdir /srv/private; echo one >/srv/private/file; chmod 0 /srv/private/file
        chown -R carol: /srv/private; chmod 0700 /srv/private'
    watch_only /srv /home
    in_bed sh -c 'echo two >/srv/private/file'
    wait_until "$LIVE" has_drift file:/srv/private/file changed
    expect_exit 1 driftctl diff --json --full
    expect_json '.coverage.complete and (.drifts | length == 1) and any(.drifts[0].attributes[]; .name == "content")'
}

# set_outside NAME VALUE — a sysctl of the machine's namespaces, by way of our own /proc/sys; refused if one is the host's.
set_outside() {
    local namespace
    for namespace in net ipc uts; do
        [[ $(readlink "/proc/$LEADER/ns/$namespace") != "$(readlink "/proc/self/ns/$namespace")" ]] ||
            fail "the namespace $namespace is the host's"
    done
    nsenter -t "$LEADER" -n -i -u sh -c 'echo "$1" >"/proc/sys/$0"' "$1" "$2"
}

test_settings_are_those_of_the_host() {
    boot guarded
    local pid namespace name
    pid=$(daemon_pid)
    for namespace in net ipc uts pid user cgroup; do
        expect_equal "$(in_bed readlink "/proc/$pid/ns/$namespace")" "$(in_bed readlink "/proc/1/ns/$namespace")" \
            "the namespace $namespace"
    done
    local -A settings=(
        [net/ipv4/ip_forward]=1 [net/ipv4/conf/lo/rp_filter]=2 [net/core/somaxconn]=1234 [net/ipv6/conf/all/forwarding]=1
        [kernel/shmmax]=123456789 [kernel/msgmax]=16384 [fs/mqueue/msg_max]=20
        [kernel/hostname]=changed.invalid [kernel/domainname]=domain.invalid
    )
    for name in "${!settings[@]}"; do
        set_outside "$name" "${settings[$name]}"
    done
    for name in "${!settings[@]}"; do
        expect_equal "$(in_bed cat "/proc/sys/$name")" "${settings[$name]}" "$name in the machine"
        expect_equal "$(in_daemon cat "/proc/sys/$name")" "${settings[$name]}" "$name as the daemon sees it"
    done
    # All of them: no name more, no name less, and the same values but for those that count by themselves.
    in_bed find /proc/sys -type f | sort >"$SCRATCH/host"
    in_daemon find /proc/sys -type f | sort | cmp "$SCRATCH/host" - || fail 'the daemon sees other names in /proc/sys'
    values() {
        { "$1" grep -rs . /proc/sys/kernel /proc/sys/net /proc/sys/fs /proc/sys/vm || true; } | # some cannot be read
            grep -vE '^/proc/sys/(fs/(dentry|inode|file|aio)-|kernel/(random/|ns_last_pid:|pty/nr:))' | sort
    }
    same_values() { # at some moment: others use this kernel, too
        values in_bed >"$SCRATCH/host" && values in_daemon | diff "$SCRATCH/host" - >"$SCRATCH/differ"
    }
    wait_until "$LIVE" same_values
    [[ $(wc -l <"$SCRATCH/host") -gt 300 ]] || fail 'there are too few settings to compare'
}

test_the_daemon_may_look_at_what_is_for_root_alone() {
    boot guarded
    attempt <<'SH'
readlink /proc/1/ns/net && head -n 1 /proc/1/maps >/dev/null && ls /proc/1/root/ >/dev/null && echo "looked at process 1"
pid=$(pidof dbus-daemon) && head -n 1 "/proc/$pid/maps" >/dev/null && readlink "/proc/$pid/exe" &&
    echo "looked at another user's"
# (An IPv6 stable_secret that was never set cannot be read by anybody.)
closed=$(find /proc/sys -perm 0600 -type f ! -name stable_secret)
[ "$(echo "$closed" | wc -l)" -gt 5 ] && cat $closed >/dev/null && echo "read the settings that procfs opens to root alone"
SH
    expect_output '^looked at process 1$'
    expect_output "^looked at another user's\$"
    expect_output '^read the settings that procfs opens to root alone$'
}

# Neither reads what it is about.
atimes() {
    in_bed xargs stat -c '%X %n' <"$SCRATCH/list"
}

test_a_full_scan_leaves_access_times_alone() {
    boot guarded
    # One mounted before the daemon started, one after; files of root and of others. strictatime: any reading would show.
    in_bed sh -c 'useradd dave; mkdir /srv/before /srv/after && mount -t tmpfs -o strictatime,mode=0755 none /srv/before'
    in_bed systemctl restart driftd.service
    in_bed mount -t tmpfs -o strictatime,mode=0755 none /srv/after
    local place
    for place in /srv/before /srv/after; do
        in_bed sh -c 'cd "$0" && mkdir -p a/b theirs && echo 1 >a/b/file && echo 2 >theirs/file &&
            chown -R dave: theirs' "$place"
    done
    watch_only /srv/before /srv/after
    in_bed find /srv/before /srv/after >"$SCRATCH/list"
    in_bed xargs touch -a -d '2001-01-01 00:00:00 UTC' <"$SCRATCH/list"
    atimes >"$SCRATCH/before"
    expect_exit 0 driftctl scan --full
    expect_exit 0 driftctl diff --full
    atimes | diff "$SCRATCH/before" - >"$OUT" || fail "access times changed: $(cat "$OUT")"
    # (They would show it: one reading by somebody else does.)
    in_bed cat /srv/before/a/b/file /srv/after/theirs/file >/dev/null
    expect_equal "$(atimes | diff "$SCRATCH/before" - | grep -c '^>')" 2 'how many access times show a reading'
}
