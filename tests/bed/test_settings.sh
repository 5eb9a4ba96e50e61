# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Settings on a whole host: the real sysctls, sshd and OpenSSL of a booted Debian, judged by the daemon in its unit with the
# configuration as it is packaged. What can be wrong here and nowhere else is the sandbox.

all_is_probed() {
    status_json | jq -e 'all(.problems[]; .kind != "not_probed")' >/dev/null
}

# The drifts that there are, as one line of JSON: [item, change, actual]
drifts() {
    diff_json "$@" | jq -c '[.drifts[] | [.item, .change, .attributes[0].actual]]'
}

# has_value ITEM EXPRESSION — the ledger, unasked, has ITEM with an actual value of which jq says so
has_value() {
    diff_json --cached | jq -e --arg item "$1" "any(.drifts[]; .item == \$item and (.attributes[0].actual | $2))"
}

# settle — what the test did to the host is approved, and the daemon has taken it in
settle() {
    approve
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl diff
}

test_the_packaged_configuration_judges_the_settings_of_this_host() {
    boot installed
    expect_exit 0 driftctl key generate --name alice -o /run/alice.key --no-passphrase
    expect_exit 0 driftctl init --trust /run/alice.key.pub --yes
    expect_exit 0 in_bed systemctl reload driftd.service
    expect_exit 0 driftctl bless --ticket CHG-1 --key /run/alice.key --yes -q
    expect_exit 0 driftctl diff --json
    expect_json '.verdict == "clean" and .coverage.complete and .drifts == []'
    expect_exit 0 driftctl status
    all_is_probed || fail "$(status_json | jq -c .problems)"
    driftctl baseline export host >"$OUT"
    local domain
    for domain in sysctl sshd openssl; do
        echo "note: $(grep -c "^set ${domain}[:[]" "$OUT") settings of $domain"
    done
    expect_output '^set sysctl:config/readable eq yes$' # and so with the links among what configures them
    [[ $(grep -c '^set sysctl:' "$OUT") -gt 300 ]] || fail 'there are too few sysctls'
    expect_output '^set sshd:permitrootlogin eq without-password$'
    expect_output '^set sshd:config/loaded regex '
    expect_output '^set sshd:hostkey/etc/ssh/ssh_host_ed25519_key/mode eq 0600$'
    expect_output '^set openssl:floor eq TLSv1.2$'
    expect_output '^set openssl:config/accepted eq absent$' # the library of the bed comes without one
    # A packaged policy is blessed in one step, too.
    expect_exit 0 driftctl bless --policy linux-sysctl --ticket CHG-2 --key /run/alice.key --yes -q
    driftctl diff --json >"$OUT" || [[ $? -eq 1 ]] || fail "$(head -c 2000 "$OUT")"
    expect_json '([.baselines[].name] | sort) == ["host", "linux-sysctl"] and .coverage.complete'
}

test_a_hundred_looks_find_nothing() {
    boot guarded
    wait_until "$LIVE" is_clean
    local i before start=$EPOCHREALTIME
    before=$(driftctl log --json --kind drift | wc -l)
    for i in {1..100}; do
        driftctl diff >"$OUT" 2>&1 || fail "look $i: $(head -c 2000 "$OUT")"
    done
    expect_equal "$(driftctl log --json --kind drift | wc -l)" "$before" 'the drifts in the history'
    echo "note: a look at all settings: $(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN{printf "%.0f", (b - a) * 10}') ms"
}

# approve_policy PACK — a packaged one becomes a signed baseline. The key never is in the machine.
approve_policy() {
    local name=$SCRATCH/policy.baseline
    driftctl propose --policy "$1" -q --author alice --ticket CHG-2 >"$name" 2>"$ERR" || fail "propose: $(cat "$ERR")"
    "$BUILD/driftctl" sign --key "$BED/keys/alice" --trust "$BED/keys/trust.conf" --yes "$name" >/dev/null 2>"$ERR" ||
        fail "sign: $(cat "$ERR")"
    in_bed tee /run/policy.baseline <"$name" >/dev/null
    in_bed tee /run/policy.baseline.approval <"$name.approval" >/dev/null
    expect_exit 0 driftctl apply /run/policy.baseline
}

# ---- sysctl ----

# Blanks are one blank, and \x00 is how an empty value is written: how others are is tested elsewhere.
as_root_reads_them() {
    in_bed sh -c 'cd /proc/sys && while read -r name; do echo "$name $(tr -s "\t\n " "   " <"$name")"; done' <"$SCRATCH/names" |
        sed 's/ *$//' | sort
}

test_the_daemon_reads_the_sysctls_as_root_does_outside() {
    boot guarded
    wait_until "$LIVE" is_clean
    # What was approved is what root reads; that the daemon finds no drift from it says that it reads the same.
    driftctl baseline export host >"$SCRATCH/host"
    sed -nE 's/^set sysctl:([^ @]+) eq .*/\1/p' "$SCRATCH/host" | grep -vE '\\|^config/' | sort >"$SCRATCH/names"
    sed -nE 's/^set sysctl:([^ @]+) eq (.*)/\1 \2/p' "$SCRATCH/host" | grep -vE '^[^ ]*\\|^config/' |
        sed -E 's/\\x(00|09|0a|20)/ /g; s/ +/ /g; s/ *$//' | sort >"$SCRATCH/approved"
    [[ $(wc -l <"$SCRATCH/names") -gt 300 ]] || fail 'there are too few settings to compare'
    as_root_reads_them | diff "$SCRATCH/approved" - >"$OUT" || fail "they differ: $(head -n 20 "$OUT")"
    expect_exit 0 driftctl diff
    # Those that procfs opens to uid 0 alone are among them. (Of keys only a digest is kept; to read
    # stat_refresh is to do something, so nobody does.)
    in_bed sh -c 'cd /proc/sys && find . -type f -perm 0600 | cut -c3-' |
        grep -vE '/(stable_secret|tcp_fastopen_key|stat_refresh)$' | sort >"$SCRATCH/closed"
    [[ $(wc -l <"$SCRATCH/closed") -ge 3 ]] || fail 'there are too few that only root may read'
    comm -23 "$SCRATCH/closed" "$SCRATCH/names" >"$OUT"
    expect_equal "$(cat "$OUT")" '' 'what only root may read and was not read'
}

test_a_sysctl_that_changes_is_found_and_told() {
    boot guarded
    wait_until "$LIVE" is_clean
    in_bed sh -c 'echo 1 >/proc/sys/net/ipv4/conf/lo/accept_local'
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].item] == ["sysctl:net/ipv4/conf/lo/accept_local"] and .coverage.complete'
    journal_json drift DRIFTD_ITEM=sysctl:net/ipv4/conf/lo/accept_local >"$OUT"
    expect_json '.DRIFTD_EXPECTED == "value=0" and .DRIFTD_ACTUAL == "value=1" and .DRIFTD_CHANGE == "changed"'
    expect_json '.DRIFTD_BASELINE == "host" and .PRIORITY == "3" and ._SYSTEMD_UNIT == "driftd.service"'
    in_bed sh -c 'echo 0 >/proc/sys/net/ipv4/conf/lo/accept_local'
    expect_exit 0 driftctl diff
    # One that moves others with it: they come and go together.
    in_bed sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
    expect_exit 1 driftctl diff --json
    expect_json 'any(.drifts[]; .item == "sysctl:net/ipv4/ip_forward") and
        any(.drifts[]; .item == "sysctl:net/ipv4/conf/lo/forwarding") and all(.drifts[]; .item | startswith("sysctl:net/ipv4/"))'
    in_bed sh -c 'echo 0 >/proc/sys/net/ipv4/ip_forward'
    expect_exit 0 driftctl diff
    all_is_probed || fail "$(status_json | jq -c .problems)"
}

test_what_the_next_boot_would_set_is_found_unasked() {
    boot guarded
    wait_until "$LIVE" is_clean
    put /etc/sysctl.d/99-later.conf 'net.ipv4.ip_forward = 1\n'
    wait_until "$LIVE" has_drift sysctl:net/ipv4/ip_forward@after_restart unexpected
    expect_exit 1 driftctl show sysctl:net/ipv4/ip_forward@after_restart
    expect_output '99-later.conf:1'
    in_bed rm /etc/sysctl.d/99-later.conf
    wait_until "$LIVE" is_clean
}

# ---- sshd ----

DROP_IN=/etc/ssh/sshd_config.d/50-bed.conf

test_root_login_inside_a_match_block_is_found_unasked() {
    boot guarded
    wait_until "$LIVE" is_clean
    put "$DROP_IN" 'Match Address 10.0.0.0/8\n    PermitRootLogin yes\n'
    wait_until "$LIVE" has_drift 'sshd[address=10.0.0.0/8]:permitrootlogin' unexpected
    wait_until "$LIVE" has_value sshd:config/loaded 'startswith("no: edited since it was loaded: ")'
    no_drift sshd:permitrootlogin || fail 'what holds for all others did not change'
    journal_json drift 'DRIFTD_ITEM=sshd[address=10.0.0.0/8]:permitrootlogin' >"$OUT"
    expect_json '.DRIFTD_ACTUAL == "value=yes" and .DRIFTD_CHANGE == "unexpected"'
    expect_exit 1 driftctl show 'sshd[address=10.0.0.0/8]:permitrootlogin'
    expect_output "$DROP_IN:2"
    in_bed systemctl reload ssh.service
    wait_until "$LIVE" no_drift sshd:config/loaded
    has_drift 'sshd[address=10.0.0.0/8]:permitrootlogin' unexpected >/dev/null || fail 'a reload is no approval'
    in_bed rm "$DROP_IN"
    in_bed systemctl reload ssh.service
    wait_until "$LIVE" is_clean
}

test_a_configuration_that_sshd_rejects_is_loud() {
    boot guarded
    wait_until "$LIVE" is_clean
    put "$DROP_IN" 'PermitRotLogin no\n'
    wait_until "$LIVE" has_value sshd:config/accepted 'startswith("no: ") and contains("Bad configuration option: PermitRotLogin")'
    journal_json drift DRIFTD_ITEM=sshd:config/accepted >"$OUT"
    expect_json '.PRIORITY == "3" and .DRIFTD_EXPECTED == "value=yes" and (.DRIFTD_ACTUAL | contains("PermitRotLogin"))'
    expect_exit 1 driftctl diff --json
    expect_json '.coverage.complete | not' # of the rest nothing is known
    ! in_bed systemctl reload ssh.service 2>/dev/null || fail 'sshd takes it'
    in_bed rm "$DROP_IN"
    in_bed systemctl reload ssh.service
    wait_until "$LIVE" is_clean
}

# Before 9.3 sshd says nothing to root without /run/sshd, which is there only while the service runs.
test_sshd_is_judged_while_the_service_is_stopped() {
    boot guarded
    wait_until "$LIVE" is_clean
    in_bed systemctl stop ssh.service
    in_bed test ! -e /run/sshd || fail 'the folder is still there: this test shows nothing'
    ! in_bed /usr/sbin/sshd -T >"$OUT" 2>&1 || fail 'this sshd needs no folder: this test shows nothing'
    expect_exit 0 driftctl diff --json
    expect_json '.coverage.complete'
    all_is_probed || fail "$(status_json | jq -c .problems)"
    put "$DROP_IN" 'PermitEmptyPasswords yes\nMatch User root\n    X11Forwarding no\n'
    wait_until "$LIVE" has_value sshd:permitemptypasswords '. == "yes"'
    wait_until "$LIVE" has_drift 'sshd[user=root]:x11forwarding' unexpected
    put "$DROP_IN" 'PermitRotLogin no\n'
    wait_until "$LIVE" has_value sshd:config/accepted 'contains("Bad configuration option: PermitRotLogin")'
    in_bed rm "$DROP_IN"
    wait_until "$LIVE" is_clean
    # The same when it is the daemon that starts without it.
    in_bed systemctl restart driftd.service
    wait_until "$LIVE" is_clean
    all_is_probed || fail "$(status_json | jq -c .problems)"
    in_bed test ! -e /run/sshd || fail 'somebody made the folder'
    in_bed systemctl start ssh.service
    expect_exit 0 driftctl diff
}

# Nothing of what sshd is asked or told is left for others: a service that starts and stops is no drift at any moment.
test_restarts_of_sshd_are_no_drift() {
    boot guarded
    wait_until "$LIVE" is_clean
    local i before
    before=$(driftctl log --json --kind drift | wc -l)
    for i in {1..10}; do
        in_bed systemctl restart --no-block ssh.service
        in_bed systemctl reset-failed ssh.service # ten in a row is no fault
        driftctl diff >"$OUT" 2>&1 || fail "restart $i: $(head -c 2000 "$OUT")"
    done
    expect_equal "$(driftctl log --json --kind drift | wc -l)" "$before" 'the drifts in the history'
}

test_keys_are_judged_where_only_their_owners_may_look() {
    boot guarded
    wait_until "$LIVE" is_clean
    in_bed sh -c 'useradd -m -s /bin/bash carol && chmod 0700 /home/carol && ssh-keygen -q -t ed25519 -N "" -f /run/key -C bed
        for home in /root /home/carol; do
            mkdir -p -m 0700 $home/.ssh && cp /run/key.pub $home/.ssh/authorized_keys && chmod 0600 $home/.ssh/authorized_keys
        done
        chown -R carol: /home/carol/.ssh; chmod 0640 /etc/ssh/ssh_host_rsa_key'
    local print
    print=$(in_bed ssh-keygen -l -f /run/key.pub | cut -d' ' -f2)
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[] | select(.item == "sshd:hostkey/etc/ssh/ssh_host_rsa_key/mode") | .attributes[0]] ==
        [{name: "value", expected: "0600", actual: "0640"}]'
    local user
    for user in root carol; do
        expect_json 'any(.drifts[]; (.item | startswith("sshd:authorized_keys/" + $user + "/" + $print)) and .change == "unexpected"
            and (.attributes[0].actual | startswith("ssh-ed25519")))' --arg user "$user" --arg print "$print"
    done
    all_is_probed || fail "$(status_json | jq -c .problems)"
    in_bed chmod 0600 /etc/ssh/ssh_host_rsa_key
    settle
    # One more key, in a home that nobody else may enter, is found unasked.
    in_bed sh -c 'ssh-keygen -q -t ed25519 -N "" -f /run/other && cat /run/other.pub >>/home/carol/.ssh/authorized_keys'
    print=$(in_bed ssh-keygen -l -f /run/other.pub | cut -d' ' -f2)
    wait_until "$LIVE" has_drift "sshd:authorized_keys/carol/$print" unexpected
}

# ---- OpenSSL ----

# Where Debian's package openssl has it; the library of the bed comes without one.
openssl_config() {
    in_bed mkdir -p /etc/ssl /usr/lib/ssl
    put /etc/ssl/openssl.cnf "openssl_conf = init\n[init]\nssl_conf = ssl\n[ssl]\nsystem_default = policy\n[policy]\n$1"
    in_bed ln -sf /etc/ssl/openssl.cnf /usr/lib/ssl/openssl.cnf
}

test_a_misspelt_minimum_is_found_with_where_and_what_is_in_force() {
    boot guarded
    openssl_config 'MinProtocol = TLSv1.3\n'
    settle
    driftctl baseline export host >"$OUT"
    expect_output '^set openssl:system_default/MinProtocol eq TLSv1.3$'
    expect_output '^set openssl:floor eq TLSv1.3$'
    openssl_config 'MinProtocol = TLSv1.33\n'
    wait_until "$LIVE" has_value openssl:config/accepted 'startswith("no: ") and contains("MinProtocol")'
    # OpenSSL says nothing of it, and goes by what it was built with.
    wait_until "$LIVE" has_value openssl:floor '. == "TLSv1.2"'
    expect_exit 1 driftctl show openssl:config/accepted
    expect_output 'running +no: system_default: MinProtocol = TLSv1.33$'
    expect_exit 1 driftctl show openssl:system_default/MinProtocol
    expect_output 'running +None$'
    expect_output 'configured +TLSv1.33 +\(.*openssl.cnf:7\)'
    journal_json drift DRIFTD_ITEM=openssl:floor >"$OUT"
    expect_json '.DRIFTD_EXPECTED == "value=TLSv1.3" and .DRIFTD_ACTUAL == "value=TLSv1.2"'
    openssl_config 'MinProtocol = TLSv1.3\n'
    wait_until "$LIVE" is_clean
    all_is_probed || fail "$(status_json | jq -c .problems)"
}

# (What a host approves of itself is how it is set up; which programs run old code is for a policy.)
test_a_program_on_an_old_library_is_found() {
    boot guarded
    wait_until "$LIVE" is_clean
    approve_policy openssl-system
    no_drift openssl:stale_library >/dev/null || fail 'a program is on an old library before anything was replaced'
    local library
    library=$(in_bed sh -c 'ls /usr/lib/*/libcrypto.so.3')
    in_bed sh -c 'cp -p "$0" "$0.new" && mv "$0.new" "$0"' "$library" # as dpkg does it; sshd has the old one
    expect_exit 1 driftctl diff --json
    expect_json 'any(.drifts[]; (.item | startswith("openssl:stale_library")) and (.attributes[0].actual | contains("/usr/sbin/sshd")))'
    # Who was started again is off the list; process 1 is not.
    in_bed systemctl restart ssh.service
    driftctl diff --json >"$OUT" || [[ $? -eq 1 ]] || fail "$(head -c 2000 "$OUT")"
    expect_json 'any(.drifts[]; .item == "openssl:stale_library" and (.attributes[0].actual | contains("/usr/sbin/sshd") | not))'
}

# ---- policies ----

test_a_packaged_policy_is_listed_checked_and_blessed() {
    boot guarded
    wait_until "$LIVE" is_clean
    driftctl policy list >"$SCRATCH/packs.list"
    local pack
    for pack in linux-sysctl openssh-server openssl-system; do
        grep -q "^$pack " "$SCRATCH/packs.list" || fail "$pack is not listed: $(cat "$SCRATCH/packs.list")"
        driftctl policy check "$pack" --json >"$OUT" || [[ $? -le 1 ]] || fail "$pack: $(head -c 2000 "$OUT")"
        expect_json '.schema == "driftd.policy/1" and .counts.pass > 0 and .counts.unknown == 0 and .problems == []'
        echo "note: $pack: $(jq -c .counts "$OUT"), fails: $(jq -c '[.checks[] | select(.result == "fail").name]' "$OUT")"
    done
    approve_policy linux-sysctl
    # What fails of it on this host is drift of its baseline; the keys that it names are polled, so more is found unasked.
    driftctl diff --json >"$OUT" || [[ $? -eq 1 ]] || fail "$(head -c 2000 "$OUT")"
    expect_json '([.baselines[].name] | sort) == ["host", "linux-sysctl"] and .coverage.complete'
    expect_json 'all(.drifts[]; .baseline == "linux-sysctl")'
    no_drift sysctl:net/ipv4/tcp_syncookies || fail 'this host does not pass what it should'
    in_bed sh -c 'echo 0 >/proc/sys/net/ipv4/tcp_syncookies'
    wait_until 15 has_drift sysctl:net/ipv4/tcp_syncookies changed
    in_bed sh -c 'echo 1 >/proc/sys/net/ipv4/tcp_syncookies'
    wait_until 15 no_drift sysctl:net/ipv4/tcp_syncookies
}
