# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Settings through the whole product: probed, signed, judged, told. The sysctls of most tests are those of a host in a
# scratch folder (HOST); sshd and OpenSSL are the real ones, with configurations of our own.

HOST=$SCRATCH/host
SYS=$HOST/proc/sys

# make_host — a tree as the kernel and systemd-sysctl have it, small
make_host() {
    local interface
    mkdir -p "$SYS"/{kernel,net/ipv4/conf,vm} "$HOST"/etc/sysctl.d "$HOST"/usr/lib/{sysctl.d,systemd}
    : >"$HOST/usr/lib/systemd/systemd-sysctl"
    printf '1\n' >"$SYS/kernel/kptr_restrict"
    printf '4096\t87380\t6291456\n' >"$SYS/vm/three"
    printf '0\n' >"$SYS/net/ipv4/ip_forward"
    for interface in all default lo eth0; do
        mkdir "$SYS/net/ipv4/conf/$interface"
        printf '0\n' | tee "$SYS/net/ipv4/conf/$interface"/{accept_redirects,forwarding} >/dev/null
    done
    printf '# hardening\nkernel.kptr_restrict = 1\n' >"$HOST/etc/sysctl.d/99-hardening.conf"
}

sysctl_config() {
    write_config "[files tree]
path = $TREE
[sysctl]
root = $SYS
${1:-}"
}

# begin — a host, its sysctls and a file blessed, the daemon up and clean
begin() {
    make_host
    printf 'one\n' >"$TREE/a"
    sysctl_config "$@"
    start_clean
}

# write_pack NAME CHECKS — a policy pack
write_pack() {
    printf '[policy]\nname = %s\ntitle = a test\nversion = 1\n%s\n' "$1" "$2" >"$SCRATCH/packs/$1.ini"
}

not_probed() {
    status_json | jq -e --arg why "$1" 'any(.problems[]; .kind == "not_probed" and (.where | test($why)))'
}

test_a_changed_setting_that_cannot_be_looked_at_is_not_taken_for_live() {
    begin
    printf '0\n' >"$SYS/kernel/kptr_restrict"
    driftctl propose --ticket CHG-2 --author alice -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    mv "$SYS" "$SYS.away"
    expect_exit 4 driftctl apply "$SCRATCH/next.baseline"
    expect_error 'the settings of sysctl \(could not be looked at: .+\)'
    expect_error '--ahead'
    mv "$SYS.away" "$SYS"
    printf '1\n' >"$SYS/kernel/kptr_restrict"
    expect_exit 4 driftctl apply "$SCRATCH/next.baseline"
    expect_error 'sysctl:kernel/kptr_restrict \(changed\)'
    mv "$SYS" "$SYS.away"
    expect_exit 0 driftctl apply --ahead "$SCRATCH/next.baseline"
    mv "$SYS.away" "$SYS"
}

test_a_setting_that_changes_is_in_the_next_diff_with_its_views() {
    begin
    printf '0\n' >"$SYS/kernel/kptr_restrict"
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 1'
    expect_json '.drifts[0] | .item == "sysctl:kernel/kptr_restrict" and .change == "changed" and .severity == "high"
        and .attributes == [{name: "value", expected: "1", actual: "0"}]'
    expect_json '.drifts[0].views == {running: "0", after_restart: "1", configured: {value: "1", source: $source}}' \
        --arg source "$HOST/etc/sysctl.d/99-hardening.conf:2"
    expect_exit 1 driftctl diff
    expect_output 'changed +sysctl:kernel/kptr_restrict +1 → 0 +reverts at reboot \(99-hardening.conf:2 says 1\)'
    expect_exit 1 driftctl show sysctl:kernel/kptr_restrict
    expect_output 'running +0'
    expect_output 'configured +1 +\(.*99-hardening.conf:2\)'
    expect_output 'after restart +1'
    expect_output 'set sysctl:kernel/kptr_restrict eq 1'
    expect_exit 1 driftctl status
    driftctl log --json --kind drift | tail -n 1 >"$OUT"
    expect_json '.item == "sysctl:kernel/kptr_restrict" and .detail.attributes[0].actual == "0" and .detail.views.after_restart == "1"'
    driftctl log --kind drift | grep -q '1 → 0' || fail "the history does not show both values"
    grep -q 'changed sysctl:kernel/kptr_restrict 1 → 0' "$SCRATCH/driftd.log" || fail "the daemon did not tell the values"
    printf '1\n' >"$SYS/kernel/kptr_restrict"
    expect_exit 0 driftctl diff
    has_record resolved sysctl:kernel/kptr_restrict '.detail.as == "reverted"' || fail "it came back without a record"
}

test_a_line_that_another_one_overrides_is_named() {
    begin
    printf 'kernel.kptr_restrict = 0\n' >"$HOST/etc/sysctl.d/99-local.conf"
    expect_exit 1 driftctl diff
    expect_output 'changed +sysctl:kernel/kptr_restrict@after_restart +1 → 0 +from the next reboot on \(99-local.conf:1\); 99-local.conf:1 overrides 99-hardening.conf:2 \(1\)'
    expect_exit 1 driftctl diff --json
    expect_json '.drifts[0].views.configured == {value: "0", source: ($etc + "99-local.conf:1"), overrides: {value: "1", source: ($etc + "99-hardening.conf:2")}}' \
        --arg etc "$HOST/etc/sysctl.d/"
    expect_exit 0 driftctl show sysctl:kernel/kptr_restrict # what runs is as ever
    expect_output 'overridden +1 +\(.*99-hardening.conf:2\)'
}

# An edit of what is read at boot is seen at once, though nothing runs differently.
test_what_will_break_at_the_next_boot_is_a_drift_of_its_own() {
    begin
    printf 'kernel.kptr_restrict = 0\n' >"$HOST/etc/sysctl.d/99-later.conf"
    wait_until "$LIVE" has_drift sysctl:kernel/kptr_restrict@after_restart changed
    expect_exit 1 driftctl diff
    expect_output 'sysctl:kernel/kptr_restrict@after_restart +1 → 0 +from the next reboot on \(99-later.conf:1\)'
    expect_no_output 'kptr_restrict +1'
    rm "$HOST/etc/sysctl.d/99-later.conf"
    wait_until "$LIVE" is_clean
}

test_a_setting_that_comes_or_goes() {
    begin
    printf '7\n' >"$SYS/vm/new"
    rm "$SYS/vm/three"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[] | [.item, .change, .attributes[0].expected, .attributes[0].actual]] ==
        [["sysctl:vm/new", "unexpected", null, "7"], ["sysctl:vm/three", "missing", "4096 87380 6291456", null]]'
    expect_exit 0 driftctl bless sysctl:vm/new --ticket CHG-2 --key "$KEYS/alice" --yes
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].item] == ["sysctl:vm/three"]'
    expect_exit 0 driftctl bless 'sysctl:vm/**' --ticket CHG-3 --key "$KEYS/alice" --yes
    expect_exit 0 driftctl diff
    driftctl baseline export host >"$OUT"
    expect_output '^set sysctl:vm/new eq 7$'
    expect_output '^set sysctl:net/ipv4/ip_forward eq 0$'
    expect_no_output 'vm/three'
}

test_without_a_daemon_it_is_the_same() {
    make_host
    printf 'one\n' >"$TREE/a"
    sysctl_config
    first_steps
    expect_exit 0 driftctl diff
    printf '1\n' >"$SYS/net/ipv4/ip_forward"
    expect_exit 1 driftctl diff
    expect_output 'sysctl:net/ipv4/ip_forward +0 → 1'
    expect_exit 1 driftctl show sysctl:net/ipv4/ip_forward
    expect_exit 0 driftctl show sysctl:vm/three
    expect_output 'as expected'
}

# A key that a policy names is in the ledger within 5 s, though nobody asks and no event tells.
test_a_policy_is_blessed_and_its_keys_are_polled() {
    begin
    write_pack kernel '[check kptr]
item = sysctl:kernel/kptr_restrict
operator = ge
value = 1
after_restart = no
severity = low
reason = addresses help who attacks
[check redirects]
item = sysctl:net/ipv4/conf/*/accept_redirects@effective
operator = eq
value = 0
quantifier = all
reason = a neighbour may send us elsewhere'
    expect_exit 0 driftctl bless --policy kernel --ticket CHG-2 --key "$KEYS/alice" --yes
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl diff --json
    expect_json '[.baselines[].name] | sort == ["host", "kernel"]'
    driftctl baseline export kernel >"$OUT"
    expect_output '^host \*$'
    expect_output '^scope sysctl sysctl path=.* severity=medium closed=no$'
    local start=$SECONDS
    # `all` passes on this host, and so do all interfaces but one.
    printf '1\n' >"$SYS/net/ipv4/conf/lo/accept_redirects"
    wait_until 12 has_drift sysctl:net/ipv4/conf/lo/accept_redirects@effective changed
    ((SECONDS - start <= 8)) || fail "that took $((SECONDS - start)) s"
    no_drift sysctl:net/ipv4/conf/eth0/accept_redirects@effective || fail "an interface that accepts none is called drift"
    # What is expected of one baseline is waived in a signed line; the verdict follows.
    printf '0\n' >"$SYS/net/ipv4/conf/lo/accept_redirects"
    printf '0\n' >"$SYS/kernel/kptr_restrict"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[] | [.baseline, .severity, .attributes[0].expected]] | sort == [["host", "high", "1"], ["kernel", "low", "ge 1"]]'
    expect_exit 0 driftctl bless sysctl:kernel/kptr_restrict --ticket CHG-3 --key "$KEYS/alice" --yes
    driftctl waive sysctl:kernel/kptr_restrict --baseline kernel --until +7d --reason debugging --ticket CHG-4 -o "$SCRATCH/w.baseline" >/dev/null
    driftctl sign "$SCRATCH/w.baseline" --key "$KEYS/alice" --yes >/dev/null 2>&1
    expect_exit 0 driftctl apply "$SCRATCH/w.baseline"
    expect_exit 0 driftctl diff --json
    expect_json '[.drifts[] | [.baseline, .state]] == [["kernel", "waived"]]'
}

test_a_policy_that_is_blessed_again_changes_only_what_the_pack_changed() {
    begin
    write_pack kernel '[check kptr]
item = sysctl:kernel/kptr_restrict
operator = ge
value = 1
after_restart = no
reason = r'
    expect_exit 0 driftctl bless --policy kernel --ticket CHG-2 --key "$KEYS/alice" --yes
    expect_exit 0 driftctl bless --policy kernel --ticket CHG-3 --key "$KEYS/alice" --yes
    expect_output 'Nothing to bless'
    sed -i 's/^value = 1/value = 2/' "$SCRATCH/packs/kernel.ini"
    expect_exit 0 driftctl propose --policy kernel -o "$SCRATCH/p.baseline" --ticket CHG-4
    expect_exit 0 driftctl review "$SCRATCH/p.baseline"
    driftctl sign "$SCRATCH/p.baseline" --key "$KEYS/alice" --yes >/dev/null 2>&1
    expect_exit 0 driftctl apply "$SCRATCH/p.baseline"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[] | [.item, .baseline, .attributes[0].expected]] == [["sysctl:kernel/kptr_restrict", "kernel", "ge 2"]]'
    expect_exit 4 driftctl bless --policy none-such --ticket T --key "$KEYS/alice" --yes
    expect_error 'there are: kernel'
    expect_exit 4 driftctl bless sysctl:kernel/kptr_restrict --policy kernel --ticket T --key "$KEYS/alice" --yes
}

test_sysctls_that_are_not_there_are_unknown_and_all_else_is_judged() {
    begin
    mv "$SYS" "$SYS.away"
    expect_exit 2 driftctl diff --json
    expect_json '.verdict == "incomplete" and (.drifts | length) == 0'
    expect_json 'any(.coverage.problems[]; .kind == "not_probed" and (.where | test("sysctl")))'
    printf 'two\n' >"$TREE/a"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].item] == [$item]' --arg item "file:$TREE/a"
    expect_exit 2 driftctl show sysctl:kernel/kptr_restrict
    expect_output 'unreadable'
    printf 'one\n' >"$TREE/a"
    mv "$SYS.away" "$SYS"
    expect_exit 0 driftctl diff
}

test_a_proposal_of_what_cannot_be_read_is_refused() {
    make_host
    sysctl_config
    printf 'one\n' >"$TREE/a"
    make_key alice
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    mv "$SYS" "$SYS.away"
    expect_exit 4 driftctl bless --ticket CHG-1 --key "$KEYS/alice" --yes
    expect_error 'sysctl'
}

# ---- the real host ----

test_an_untouched_host_stays_clean_through_a_hundred_looks() {
    local i before
    printf 'one\n' >"$TREE/a"
    write_config "[files tree]
path = $TREE
[sysctl]
enabled = yes
[sshd]
enabled = yes
[openssl]
enabled = yes"
    start_clean
    before=$(driftctl log --json --kind drift | wc -l)
    for i in {1..100}; do driftctl diff >"$OUT" || fail "look $i: $(head -c 2000 "$OUT")"; done
    expect_equal "$(driftctl log --json --kind drift | wc -l)" "$before" "the number of drifts in the history"
}

# ---- sshd ----

SSHD=/usr/sbin/sshd

begin_sshd() {
    [[ -x $SSHD ]] || skip "needs openssh-server"
    need_root
    mkdir -p "$HOST/ssh"
    ssh-keygen -q -t ed25519 -N '' -f "$HOST/ssh/key"
    printf 'HostKey %s\nPermitRootLogin no\nAuthorizedKeysFile none\n' "$HOST/ssh/key" >"$HOST/ssh/sshd_config"
    cp "$HOST/ssh/sshd_config" "$HOST/ssh/before"
    printf 'one\n' >"$TREE/a"
    write_config "[files tree]
path = $TREE
[sshd]
command = ${1:-$SSHD}
config = $HOST/ssh/sshd_config"
    start_clean
}

test_root_login_inside_a_match_is_found() {
    begin_sshd
    write_pack ssh '[check root]
item = sshd**:permitrootlogin
operator = eq
value = no
quantifier = all
reason = root has no name'
    expect_exit 0 driftctl bless --policy ssh --ticket CHG-2 --key "$KEYS/alice" --yes
    wait_until "$LIVE" is_clean
    printf 'Match Address 10.0.0.0/8\n    PermitRootLogin yes\n' >>"$HOST/ssh/sshd_config"
    wait_until "$LIVE" has_drift 'sshd[address=10.0.0.0/8]:permitrootlogin' changed # by the policy; to the host it is unexpected
    expect_exit 1 driftctl diff
    expect_output 'sshd\[address=10.0.0.0/8\]:permitrootlogin +no → yes'
    expect_exit 1 driftctl show 'sshd[address=10.0.0.0/8]:permitrootlogin'
    expect_output 'sshd_config:5'
    no_drift sshd:permitrootlogin || fail "the global value is as it was"
    cp "$HOST/ssh/before" "$HOST/ssh/sshd_config"
    wait_until "$LIVE" no_drift 'sshd[address=10.0.0.0/8]:permitrootlogin'
}

test_a_configuration_that_sshd_rejects_is_a_loud_drift() {
    begin_sshd
    printf 'PermitRotLogin no\n' >>"$HOST/ssh/sshd_config"
    wait_until "$LIVE" has_drift sshd:config/accepted changed
    expect_exit 1 driftctl diff
    expect_output 'changed +sshd:config/accepted +yes → no: '
    driftctl diff --json >"$OUT" || true
    expect_json '[.drifts[] | [.item, (.attributes[0].actual | test("PermitRotLogin"))]] == [["sshd:config/accepted", true]]'
    expect_json '.coverage.complete | not' # nothing is known of the rest
    cp "$HOST/ssh/before" "$HOST/ssh/sshd_config"
    wait_until "$LIVE" is_clean
}

test_an_sshd_that_is_gone_fails_or_hangs_is_unknown() {
    mkdir -p "$HOST"
    printf '#!/bin/sh\nexec %s "$@"\n' "$SSHD" >"$HOST/sshd" && chmod 0755 "$HOST/sshd"
    begin_sshd "$HOST/sshd"
    mv "$HOST/sshd" "$HOST/away"
    expect_exit 2 driftctl diff --json
    expect_json 'any(.coverage.problems[]; .kind == "not_probed" and (.where | test("^sshd: "))) and .drifts == []'
    printf '#!/bin/sh\necho broken >&2; exit 1\n' >"$HOST/sshd" && chmod 0755 "$HOST/sshd"
    driftctl diff --json >"$OUT" && fail "a diff is clean while sshd fails"
    expect_json '.coverage.complete | not'
    printf '#!/bin/sh\nsleep 300\n' >"$HOST/sshd" && chmod 0755 "$HOST/sshd"
    expect_exit 2 driftctl diff --json
    expect_json 'any(.coverage.problems[]; .kind == "not_probed" and (.where | test("in time|did not end")))'
    printf 'two\n' >"$TREE/a"
    expect_exit 1 driftctl diff --json
    mv "$HOST/away" "$HOST/sshd"
    printf 'one\n' >"$TREE/a"
    expect_exit 0 driftctl diff
}

# What a proposal for this host changes must still be so when it is applied; a policy says what should be, and binds nothing live.
test_a_setting_that_moved_after_the_proposal_is_refused_by_name() {
    begin
    printf '2\n' >"$SYS/kernel/kptr_restrict"
    driftctl propose --ticket CHG-2 --author alice -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    printf '0\n' >"$SYS/kernel/kptr_restrict"
    printf '1\n' >"$SYS/net/ipv4/ip_forward" # which the proposal does not change
    expect_exit 4 driftctl apply "$SCRATCH/next.baseline"
    expect_error 'not live as it says: sysctl:kernel/kptr_restrict \(changed\)$'
    printf '2\n' >"$SYS/kernel/kptr_restrict"
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    write_pack hard $'[check forward]\nitem = sysctl:net/ipv4/ip_forward\noperator = eq\nvalue = 0\nseverity = high\nreason = no router'
    driftctl propose --policy hard --ticket CHG-3 --author alice -o "$SCRATCH/pack.baseline" >/dev/null 2>&1
    driftctl sign "$SCRATCH/pack.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 0 driftctl apply "$SCRATCH/pack.baseline"
    expect_exit 1 driftctl diff
}
