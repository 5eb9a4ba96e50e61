# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# From nothing to a clean, signed host.

test_init_writes_what_is_missing_and_nothing_else() {
    printf 'hello\n' >"$TREE/a"
    write_config
    make_key alice
    local before
    before=$(sha256sum "$CONFIG")
    expect_exit 0 driftctl init --trust "$KEYS/alice.pub" --yes
    expect_equal "$(sha256sum "$CONFIG")" "$before" "the configuration after init"
    grep -q '^\[approver alice\]' "$TRUST" || fail "the trust file has no approver alice"
    before=$(sha256sum "$TRUST")
    make_key bob
    driftctl init --trust "$KEYS/bob.pub" --yes >/dev/null 2>&1 || true
    expect_equal "$(sha256sum "$TRUST")" "$before" "the trust file after a second init"
    expect_exit 0 driftctl config check
}

test_init_writes_a_configuration_that_holds() {
    make_key_without_config
    expect_exit 0 driftctl init --trust "$KEYS/alice.pub" --yes
    [[ -s $CONFIG ]] || fail "init wrote no configuration"
    grep -q '^full_interval' "$CONFIG" || fail "the configuration does not name its keys"
}

make_key_without_config() {
    driftctl key generate --name alice -o "$KEYS/alice" --no-passphrase >"$OUT" 2>&1 || fail "key generate: $(cat "$OUT")"
}

test_a_key_is_for_its_owner_only_and_never_written_over() {
    write_config
    make_key alice
    expect_equal "$(stat -c %a "$KEYS/alice")" 600 "the key's mode"
    ssh-keygen -l -f "$KEYS/alice.pub" >/dev/null || fail "ssh-keygen does not know the public key"
    local before
    before=$(sha256sum "$KEYS/alice")
    expect_exit 4 driftctl key generate --name alice -o "$KEYS/alice" --no-passphrase
    expect_error 'there already'
    expect_equal "$(sha256sum "$KEYS/alice")" "$before" "the key"
    expect_exit 0 driftctl key show "$KEYS/alice" --json
    expect_json '.name == "alice" and .sealed == false'
}

test_without_a_baseline_the_answer_is_incomplete() {
    write_config
    make_key alice
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    start_daemon
    expect_exit 2 driftctl status --json
    expect_json '.verdict == "incomplete" and any(.problems[]; .kind == "no_baseline")'
    expect_exit 2 driftctl diff
}

# As after the installation of a package: the daemon runs before there is anybody to trust.
test_init_beside_a_running_daemon_needs_no_restart() {
    printf 'hello\n' >"$TREE/a"
    write_config
    make_key alice
    start_daemon
    expect_exit 2 driftctl status
    expect_output '^trust +none yet'
    expect_output '^Next: driftctl init'
    expect_exit 2 driftctl diff
    expect_output '^Next: driftctl init'
    expect_exit 4 driftctl bless --ticket CHG-1 --key "$KEYS/alice" --yes
    expect_error 'driftctl init'
    expect_exit 0 driftctl init --trust "$KEYS/alice.pub" --yes
    expect_output "^Next: driftctl bless --ticket … --key $KEYS/alice\$"
    has_record trust || fail "the daemon did not take the trust file up at init"
    expect_exit 2 driftctl status
    expect_output '^Next: driftctl bless'
    expect_exit 0 driftctl bless --ticket CHG-1 --key "$KEYS/alice" --yes
    expect_exit 0 driftctl diff
}

test_init_names_the_next_command_where_the_key_is_elsewhere() {
    write_config
    make_key alice
    mv "$KEYS/alice" "$KEYS/elsewhere"
    expect_exit 0 driftctl init --trust "$KEYS/alice.pub" --yes
    expect_output '^Next: systemctl enable --now driftd · driftctl propose'
}

test_from_nothing_to_clean() {
    printf 'hello\n' >"$TREE/a"
    mkdir "$TREE/folder" && printf 'more\n' >"$TREE/folder/b"
    write_config
    make_key alice
    expect_exit 0 driftctl init --trust "$KEYS/alice.pub" --yes
    start_daemon
    expect_exit 0 driftctl bless --ticket CHG-1 --key "$KEYS/alice" --yes
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl diff
    expect_output 'host@1'
    expect_exit 0 driftctl diff --json
    expect_json '.schema == "driftd.diff/1" and .verdict == "clean" and .drifts == []'
    expect_json '.coverage | .complete and .expected == 4 and .verified == 4 and .problems != null' # the root of the scope counts
    expect_json '.baselines | length == 1 and (.[0] | .name == "host" and .generation == 1 and .signers == ["alice"] and .state == "trusted")'
    expect_json '.trust_id == $id' --arg id "$(sha256sum <"$TRUST" | cut -d' ' -f1)"
    expect_exit 0 driftctl status
    expect_exit 0 driftctl status --json
    expect_json '.schema == "driftd.status/1" and .verdict == "clean" and .daemon.running and .open == {high: 0, medium: 0, low: 0}'
    expect_exit 0 driftctl scan --full
    expect_exit 0 driftctl verify
}

test_the_trust_file_of_the_first_use_is_shown_as_such() {
    start_clean
    status_json | jq -e 'any(.problems[]; .kind == "first_use")' >/dev/null || fail "status does not tell of the first use"
    has_record trust || fail "no record of kind trust"
}

test_the_id_of_a_baseline_is_what_sha256sum_says() {
    printf 'hello\n' >"$TREE/a"
    start_clean
    driftctl baseline export host -o "$SCRATCH/host.baseline" >/dev/null
    expect_exit 0 driftctl diff --json
    expect_json '.baselines[0].id == $id' --arg id "$(sha256sum <"$SCRATCH/host.baseline" | cut -d' ' -f1)"
    grep -Eq "^file $TREE/a type=file .*content=$(sha256sum <"$TREE/a" | cut -d' ' -f1)" "$SCRATCH/host.baseline" ||
        fail "the baseline does not hold the file's SHA-256: $(grep ^file "$SCRATCH/host.baseline")"
    head -n 1 "$SCRATCH/host.baseline" | grep -qx 'driftd-baseline 1' || fail "the first line is another"
}

test_help_is_there_for_every_command() {
    expect_exit 0 driftctl help
    expect_exit 0 driftctl help --json
    local command
    while read -r command; do
        # shellcheck disable=SC2086 # two words
        expect_exit 0 driftctl help $command
        expect_output "usage: driftctl $command"
    done < <(driftctl help --json | jq -r '.commands[].name')
    expect_exit 0 driftctl version
    expect_output '[0-9]+\.[0-9]+\.[0-9]+'
}

test_completion_scripts_hold_for_their_shells() {
    expect_exit 0 driftctl completion bash
    bash -n "$OUT" || fail "bash does not read it"
    expect_exit 0 driftctl completion zsh
    expect_exit 0 driftctl completion fish
    expect_exit 4 driftctl completion tcsh
}
