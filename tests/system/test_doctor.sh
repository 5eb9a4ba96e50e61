# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# driftctl doctor: each weakness is made, found, mended by the very line that it gives where a test can type that, and then
# found no longer. What it cannot see is unknown.

# finding NAME — of the check of that name
finding() {
    driftctl doctor --json | jq -r --arg name "$1" '.checks[] | select(.name == $name) | .finding'
}

mend() {
    driftctl doctor --json | jq -r --arg name "$1" '.checks[] | select(.name == $name) | .mend'
}

words() {
    driftctl doctor --json | jq -r --arg name "$1" '.checks[] | select(.name == $name) | .words'
}

expect_finding() {
    local got
    got=$(finding "$1")
    [[ $got == "$2" ]] || fail "$1 is $got and not $2: $(words "$1")"
}

# type_mend NAME — types it, without its sudo and its "then"
type_mend() {
    local line
    line=$(mend "$1")
    line=${line%%, then *}
    bash -c "${line//sudo /}" >/dev/null
}

test_doctor_tells_all_checks_and_exits_0_whatever_it_finds() {
    start_clean
    expect_exit 0 driftctl doctor --json
    expect_json '.schema == "driftd.doctor/1" and .daemon and (.checks | length) >= 20'
    expect_json '.checks | all(.name and .what and (.words | length) > 0 and (.finding | IN("ok", "weak", "missing", "unknown")))'
    expect_json '.checks | all(.finding == "unknown" or (.finding == "ok") == (.mend == null))'
    expect_json '(.counts | add) == (.checks | length)'
    expect_json '[.checks[].name] | length == (unique | length)'
    expect_exit 0 driftctl doctor
    expect_output '^ok       daemon         running since'
    expect_output '^weak     approvers      alice alone may approve'
    expect_output '^           driftctl key generate --name bob'
    expect_output '^[0-9]+ ok · [0-9]+ weak · [0-9]+ missing · [0-9]+ unknown$'
}

test_doctor_works_before_anything_is_set_up() {
    rm -f "$CONFIG"
    expect_exit 0 driftctl doctor
    expect_output '^missing  configuration'
    expect_output '^           sudo driftctl init$'
    expect_no_output '^ok       (daemon|baseline|keys|scope|approvers|store)'
    write_config
    expect_finding configuration ok
    expect_finding approvers missing
    expect_finding daemon missing
    expect_equal "$(mend daemon)" 'sudo systemctl enable --now driftd'
    printf 'nonsense\n' >>"$CONFIG"
    expect_finding configuration missing
    expect_equal "$(mend configuration)" 'driftctl config check'
}

test_doctor_works_with_the_daemon_down_and_says_what_only_it_knows() {
    printf 'one\n' >"$TREE/a"
    first_steps
    expect_finding daemon missing
    expect_finding baseline ok
    expect_finding approvers weak
    expect_finding view unknown
    expect_finding watches unknown
    expect_finding scope weak
}

test_doctor_knows_no_more_than_its_caller_may() {
    need_root
    printf 'one\n' >"$TREE/a"
    start_clean
    cp "$BUILD/driftctl" "$SCRATCH/driftctl"
    expect_exit 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$SCRATCH/driftctl" -c "$CONFIG" doctor --json
    expect_json '[.checks[] | select(.name | IN("daemon", "baseline", "scope", "exclusions", "checkpoint", "content_age", "view",
        "expiry", "problems", "queue", "key_used", "version", "first_use")) | .finding] | all(. == "unknown")'
    expect_json '.checks[] | select(.name == "daemon").mend == "sudo driftctl doctor"'
    expect_exit 0 setpriv --reuid 65534 --regid 65534 --clear-groups "$SCRATCH/driftctl" -c "$CONFIG" doctor
    expect_output '^Next: sudo driftctl doctor'
}

test_doctor_finds_a_baseline_that_is_missing_stale_or_soon_over() {
    write_config
    make_key alice
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    start_daemon
    expect_finding baseline missing
    expect_finding scope unknown
    bless_all --expires +10d
    expect_finding baseline ok
    expect_finding expiry weak
    printf 'more\n' >"$TREE/b"
    bless_all --expires +90d
    expect_finding expiry ok
    printf 'more still\n' >"$TREE/b"
    bless_all --expires +4s # longer than an approval takes
    wait_until "$LIVE" doctor_finds expiry missing
}

doctor_finds() {
    [[ $(finding "$1") == "$2" ]]
}

test_doctor_judges_how_many_must_agree() {
    write_config
    make_key alice
    make_key bob
    write_trust 1 alice bob
    start_daemon
    expect_finding approvers ok
    expect_finding threshold weak
    [[ $(mend threshold) == 'threshold = 2 '* ]] || fail "the mend is $(mend threshold)"
    expect_finding first_use weak
    [[ $(mend first_use) == *"$(sha256sum <"$TRUST" | cut -d' ' -f1)"* ]] || fail 'the mend does not name the trust id'
    stop_daemon
    rm -rf "$STATE"
    write_trust 2 alice bob
    start_daemon
    expect_finding threshold ok
}

test_doctor_finds_a_checkpoint_that_was_never_handed_out() {
    printf 'one\n' >"$TREE/a"
    start_clean
    expect_finding checkpoint missing
    [[ $(mend checkpoint) == 'driftctl log checkpoint -o '* ]] || fail "the mend is $(mend checkpoint)"
    driftctl log checkpoint -o "$SCRATCH/kept" >/dev/null
    expect_finding checkpoint ok
}

test_doctor_sees_that_a_key_was_used_here() {
    printf 'one\n' >"$TREE/a"
    first_steps # key-on-host yes: the key is read where it approves
    expect_finding key_used weak
}

test_doctor_finds_what_no_scope_reaches_and_its_line_mends_that() {
    write_config "[files etc]
path = $TREE"
    start_clean
    expect_finding scope weak
    words scope | grep -q '/etc.*/usr/bin' || fail "it names $(words scope)"
    type_mend scope
    expect_exit 0 driftctl config check
    # /usr is large: what is configured, and not yet blessed, has another mend
    [[ $(mend scope) == 'the configuration has them: sudo driftctl bless '* ]] || fail "the mend is $(mend scope)"
}

test_doctor_is_content_with_scopes_that_reach_all() {
    local paths=() path
    for path in /etc /usr/bin /usr/sbin /usr/lib /usr/local /boot /root/.ssh /var/spool/cron /home; do
        [[ ! -e $path ]] || paths+=("path = $path")
    done
    # Only that they exist is looked at here: the content of a whole system would take a minute.
    write_config "[files all]
$(printf '%s\n' "${paths[@]}")
exclude = /usr/**/*
exclude = /home/*/**
[sysctl]
exclude = **
[sshd]
[openssl]"
    first_steps
    [[ $(words scope) != *'/etc'* ]] || fail "it names $(words scope)"
    expect_finding exclusions weak # but the exclusions hide every program
    words exclusions | grep -Eq '/usr/(bin|sbin|lib)/[a-z/.@-]+ \(by /usr/\*\*/\*\)' || fail "it names $(words exclusions)"
}

test_doctor_finds_an_exclusion_that_hides_what_runs() {
    [[ -e /etc/cron.d && -e /etc/pam.d/login ]] || cannot_run_here 'there is no /etc/cron.d, or no /etc/pam.d/login'
    write_config '[files etc]
path = /etc
exclude = /etc/pam.d/log*'
    first_steps
    expect_finding exclusions weak
    words exclusions | grep -Fq '/etc/pam.d/login (by /etc/pam.d/log*)' || fail "it names $(words exclusions)"
    [[ $(mend exclusions) == 'take exclude = /etc/pam.d/log* out of '* ]] || fail "the mend is $(mend exclusions)"
    write_config '[files etc]
path = /etc'
    bless_all
    expect_finding exclusions ok
}

test_doctor_finds_what_is_switched_off() {
    write_config "[store]
keep_bodies = 1
[packages]
enabled = no
[files tree]
path = $TREE"
    first_steps
    expect_finding bodies weak
    [[ $(mend bodies) == *'keep_bodies = 10' ]] || fail "the mend is $(mend bodies)"
    [[ ! -e /usr/bin/dpkg ]] || expect_finding packages weak
    write_config
    expect_finding bodies ok
    expect_finding packages ok
}

test_doctor_finds_that_the_store_is_on_a_file_system_that_forgets() {
    need_root
    mkdir "$STATE"
    mount -t tmpfs tmpfs "$STATE" || cannot_run_here 'tmpfs cannot be mounted'
    first_steps
    expect_finding store weak
    words store | grep -q tmpfs || fail "it says $(words store)"
    umount "$STATE"
}

test_doctor_finds_content_that_was_not_checked() {
    printf 'one\n' >"$TREE/a"
    SCAN_KEYS='full_interval = 1s' write_config
    first_steps # the baseline takes two seconds as the oldest content check that is good
    wait_until "$LIVE" doctor_finds content_age weak
    expect_equal "$(mend content_age)" 'driftctl scan --full'
}

test_doctor_knows_a_daemon_whose_program_was_replaced() {
    need_root
    printf 'one\n' >"$TREE/a"
    first_steps
    cp "$BUILD"/driftd "$SCRATCH/driftd"
    "$SCRATCH/driftd" --config "$CONFIG" >>"$SCRATCH/driftd.log" 2>&1 9>&- &
    DAEMON=$!
    remember_process "$DAEMON"
    wait_until 60 daemon_is_up
    expect_finding version ok
    mv "$SCRATCH/driftd" "$SCRATCH/driftd.old"
    rm "$SCRATCH/driftd.old"
    expect_finding version weak
    expect_equal "$(mend version)" 'sudo systemctl restart driftd'
}
