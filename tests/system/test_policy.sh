# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Policy packs: a host is judged by one without signing anything; here a host of a few files, and a real sshd's
# configuration. Nothing of the real host is changed.

HOST=$SCRATCH/host

# make_host — a folder that stands for a host: its kernel's parameters, and the files that set them at boot
make_host() {
    mkdir -p "$HOST/proc/sys/kernel" "$HOST/proc/sys/net/ipv4/conf/"{all,default,eth0,eth1} "$HOST/etc/sysctl.d"
    put kernel/good 2
    put kernel/bad 0
    local interface
    for interface in all default eth0 eth1; do put "net/ipv4/conf/$interface/send_redirects" 0; done
    write_config "[files tree]
path = $TREE
[sysctl]
root = $HOST/proc/sys
${1:-}"
}

# put KEY VALUE
put() {
    printf '%s\n' "$2" >"$HOST/proc/sys/$1"
}

# write_pack NAME CHECKS
write_pack() {
    printf '[policy]\nname = %s\ntitle = A pack\nversion = 7\n%s\n' "$1" "$2" >"$SCRATCH/packs/$1.ini"
}

# check_text NAME ITEM OPERATOR VALUE [LINES]
check_text() {
    printf '[check %s]\nitem = %s\noperator = %s\nvalue = %s\nreason = because of %s\n%s\n' "$1" "$2" "$3" "$4" "$1" "${5:-}"
}

# result CHECK RESULT — of the document last printed
result() {
    expect_json 'any(.checks[]; .name == $name and .result == $result)' --arg name "$1" --arg result "$2"
}

test_a_host_is_judged_without_a_daemon() {
    make_host
    write_pack mine "$(check_text good sysctl:kernel/good ge 2 'control = X:1')
$(check_text redirects 'sysctl:net/ipv4/conf/*/send_redirects@effective' eq 0)
$(check_text absent sysctl:kernel/none eq 1 'quantifier = all')
$(check_text other sysctl:kernel/good eq 9 'applies_if = sysctl:kernel/bad eq 1')"
    expect_exit 0 driftctl policy check mine
    expect_output '^pass +medium +good +sysctl:kernel/good +2$'
    expect_output '^pass .* redirects .* 0 \(2 items\)$'
    expect_output '^not_applicable .* nothing matches$'
    expect_output '^not_applicable .* its condition does not hold'
    expect_output '^mine 7: 0 of 4 checks fail .* 2 pass .* 2 not applicable$'

    # One interface is enough; its line is told, and what would set it right.
    put net/ipv4/conf/eth1/send_redirects 1
    expect_exit 1 driftctl policy check mine
    expect_output '^fail .* redirects +sysctl:net/ipv4/conf/eth1/send_redirects@effective +1 → 0 +because of redirects$'
    expect_output '^    net\.ipv4\.conf\.\*\.send_redirects = 0$'
    expect_exit 1 driftctl policy check mine --json
    expect_json '.schema == "driftd.policy/1" and .verdict == "drift" and .counts.fail == 1 and .counts.pass == 1'
    expect_json '.checks[1].findings | map(.verdict) == ["met", "not_met"]'
    expect_json '.checks[1].fix == ["net.ipv4.conf.*.send_redirects = 0"] and .checks[0].controls == ["X:1"]'

    # Through `all` it comes out on each; the list is folded, and expanded when asked.
    put net/ipv4/conf/all/send_redirects 1
    mkdir "$HOST/proc/sys/net/ipv4/conf/eth2"
    put net/ipv4/conf/eth2/send_redirects 0
    expect_exit 1 driftctl policy check mine
    expect_output '^fail .* 1 → 0 \(3 items\)'
    expect_output '--expand'
    expect_exit 1 driftctl policy check --expand mine
    expect_equal "$(grep -c '^fail .*/eth[012]/send_redirects@effective' "$OUT")" 3 "the lines"
}

test_what_cannot_be_judged_is_unknown_and_never_passes() {
    make_host
    put kernel/word disabled
    write_pack mine "$(check_text word sysctl:kernel/word ge 1)
$(check_text good sysctl:kernel/good ge 2)"
    expect_exit 2 driftctl policy check mine
    expect_output '^unknown .* word .* disabled → ge 1 .*cannot be compared'
    expect_exit 2 driftctl policy check mine --json
    expect_json '.verdict == "incomplete"'
    result word unknown
    result good pass

    # A failure outweighs it.
    put kernel/good 1
    expect_exit 1 driftctl policy check mine

    # A whole domain that cannot be read.
    mv "$HOST/proc/sys" "$HOST/proc/gone"
    expect_exit 2 driftctl policy check mine --json
    expect_json '.counts.unknown == 2 and .counts.pass == 0 and (.problems | length) == 1'
    expect_json '.problems[0].domain == "sysctl" and (.problems[0].error | length) > 0'
}

test_the_next_restart_is_judged_too() {
    make_host
    write_pack mine "$(check_text good sysctl:kernel/good ge 2)"
    expect_exit 0 driftctl policy check mine
    printf '# a comment\nkernel.good = 1\n' >"$HOST/etc/sysctl.d/50-app.conf"
    expect_exit 1 driftctl policy check mine
    expect_output '^fail .* sysctl:kernel/good@after_restart +1 → ge 2'
    expect_output '50-app\.conf:2 says kernel/good = 1$'
    expect_output '^    kernel\.good = 2$'

    # A later file sets it right; what runs is wrong now, and the files are not to blame.
    printf 'kernel.good = 2\n' >"$HOST/etc/sysctl.d/99-site.conf"
    put kernel/good 0
    expect_exit 1 driftctl policy check mine
    expect_output '^fail .* sysctl:kernel/good +0 → ge 2'
    expect_output '99-site\.conf:1 says kernel/good = 2 \(not in force: sysctl --system\)$'
    expect_no_output 'To fix'
}

test_packs_are_listed_and_shown() {
    make_host
    write_pack mine "$(check_text good sysctl:kernel/good ge 2 $'severity = high\ncontrol = X:1')"
    expect_exit 0 driftctl policy list
    expect_output '^mine +7 +1 checks +A pack$'
    expect_exit 0 driftctl policy show mine
    expect_output '^high +good$'
    expect_output 'sysctl:kernel/good +ge 2 +\(also after a restart\)'
    expect_output 'because of good'
    expect_output 'X:1'
    expect_exit 0 driftctl policy show mine --json
    expect_json '.schema == "driftd.policy_pack/1" and .checks[0].operator == "ge" and .checks[0].severity == "high"'

    # A path with a slash is a path.
    cp "$SCRATCH/packs/mine.ini" "$SCRATCH/elsewhere.ini"
    expect_exit 0 driftctl policy check "$SCRATCH/elsewhere.ini"
    expect_exit 4 driftctl policy check min
    expect_error 'there is no pack "min"'
    expect_error 'there are: mine'

    # A broken one is told, with its line, beside those that hold.
    write_pack broken "$(check_text a sysctl:kernel/good ge two)"
    expect_exit 4 driftctl policy list
    expect_output '^mine '
    expect_error 'packs/broken\.ini:8: "two" does not fit ge'
    expect_exit 4 driftctl policy list --json
    expect_json '(.packs | length) == 1 and (.broken | length) == 1 and .broken[0].name == "broken"'
    expect_exit 4 driftctl policy check broken
    expect_error 'packs/broken\.ini:8: '
    expect_exit 4 driftctl policy check broken --json
    expect_json '.schema == "driftd.error/1" and (.hint | length) > 0'
}

test_the_signed_waivers_of_the_packs_baseline_count() {
    make_host
    write_pack mine "$(check_text bad sysctl:kernel/bad eq 1)"
    first_steps
    expect_exit 1 driftctl policy check mine
    cat >"$SCRATCH/mine.baseline" <<TEXT
driftd-baseline 1
name mine
host *
generation 1
parent none
created 2026-01-01T00:00:00Z
expires never
author alice
ticket none
class normal

waive mine sysctl:kernel/bad* until=2099-01-01T00:00:00Z by=alice reason=old\x20hardware
TEXT
    start_daemon
    expect_exit 0 driftctl sign "$SCRATCH/mine.baseline" --key "$KEYS/alice" --yes
    expect_exit 0 driftctl apply "$SCRATCH/mine.baseline"
    expect_exit 0 driftctl policy check mine
    expect_output '^waived .* bad +sysctl:kernel/bad +0 → 1 +waived by alice: old hardware$'
    expect_exit 0 driftctl policy check mine --json
    expect_json '.verdict == "clean" and .counts.waived == 1 and .checks[0].findings[0].waiver.by == "alice"'
}

test_every_context_of_sshd_is_judged() {
    [[ -x /usr/sbin/sshd ]] || skip "needs openssh-server"
    ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/host_key"
    cat >"$SCRATCH/sshd_config" <<TEXT
HostKey $SCRATCH/host_key
PermitRootLogin no
TEXT
    make_host "[sshd]
command = /usr/sbin/sshd
config = $SCRATCH/sshd_config"
    write_pack mine "$(check_text root 'sshd**:permitrootlogin' in 'no prohibit-password without-password')
$(check_text macs sshd:macs disjoint_from hmac-md5)"
    expect_exit 0 driftctl policy check mine
    printf 'Match Address 192.0.2.0/24\n    PermitRootLogin yes\n' >>"$SCRATCH/sshd_config"
    expect_exit 1 driftctl policy check mine
    expect_output '^fail .* root +sshd\[[^]]*\]:permitrootlogin +yes → in no prohibit-password'
    expect_exit 1 driftctl policy check mine --json
    expect_json '.checks[0].findings | map(.verdict) | sort == ["met", "not_met"]'
    result macs pass

    # What sshd refuses cannot be judged.
    echo 'PermitRootLogin perhaps' >>"$SCRATCH/sshd_config"
    expect_exit 2 driftctl policy check mine
}

# The packs that ship, on the host that runs this: whatever comes out, each check has an answer.
test_the_packs_that_ship_judge_this_host() {
    write_config
    local pack status
    for pack in baselines/*.ini; do
        status=0
        driftctl policy check --json "./$pack" >"$OUT" 2>"$ERR" || status=$?
        [[ $status -le 2 ]] || fail "$pack: exit $status: $(cat "$ERR")"
        expect_json '(.checks | length) > 4 and all(.checks[]; .result != null)'
        expect_json '([.counts[]] | add) == (.checks | length)'
        expect_json '.verdict == ["clean", "drift", "incomplete"][$status]' --argjson status "$status"
        expect_exit 0 driftctl policy show "./$pack"
    done
    cp baselines/*.ini "$SCRATCH/packs"
    expect_exit 0 driftctl policy list
    expect_output '^linux-sysctl '
}
