# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What journald got: real entries, found by MESSAGE_ID, with all fields, explained by the catalog.

test_a_drift_has_all_its_fields() {
    boot guarded
    wait_until "$LIVE" is_clean
    in_bed chmod 0666 /etc/fstab
    wait_until "$LIVE" has_entry drift '.DRIFTD_ITEM == "file:/etc/fstab"'
    driftctl log --json --kind drift /etc/fstab >"$SCRATCH/record"
    journal_json drift DRIFTD_ITEM=file:/etc/fstab >"$OUT"
    expect_json '.MESSAGE == "changed file:/etc/fstab mode"'
    expect_json '.PRIORITY == "3" and .SYSLOG_IDENTIFIER == "driftd" and ._SYSTEMD_UNIT == "driftd.service"'
    expect_json '.DRIFTD_KIND == "drift" and .DRIFTD_CHANGE == "changed" and .DRIFTD_SEVERITY == "high"'
    expect_json '.DRIFTD_EXPECTED == "mode=0644" and .DRIFTD_ACTUAL == "mode=0666"'
    expect_json '.DRIFTD_BASELINE == "host"'
    expect_json '.DRIFTD_SEQ == ($record[0].seq | tostring)' --slurpfile record "$SCRATCH/record"
    expect_json '.DRIFTD_DETAIL | fromjson == $record[0].detail' --slurpfile record "$SCRATCH/record"
    expect_json '.DRIFTD_TRUST_ID == $id' --arg id "$(status_json | jq -r .trust_id)"
}

test_every_record_of_the_history_is_in_the_journal_under_the_id_of_its_kind() {
    boot guarded
    wait_until "$LIVE" is_clean
    put /etc/motd 'drift\n'
    wait_until "$LIVE" has_drift file:/etc/motd changed
    driftctl ack file:/etc/motd --reason 'seen' >/dev/null
    approve /etc/motd
    wait_until "$LIVE" is_clean
    echo '[trust' | in_bed tee -a /etc/driftd/trust.conf >/dev/null
    in_bed systemctl reload driftd.service
    wait_until "$LIVE" has_record reload
    in_bed systemctl restart driftd.service
    wait_until "$LIVE" has_record gap
    # By sequence number, from the first record of this boot on.
    local since
    since=$(driftctl log --json --kind gap | jq -s '.[-2].seq')
    all_told() {
        driftctl log --json | jq -c --argjson since "$since" 'select(.seq >= $since) | [.seq, .kind, .item]' >"$SCRATCH/history"
        in_bed journalctl --quiet -o json -u driftd.service -b |
            jq -c 'select(.DRIFTD_SEQ) | [(.DRIFTD_SEQ | tonumber), .DRIFTD_KIND, .DRIFTD_ITEM, .MESSAGE_ID]' |
            sort -t, -k1.2n >"$SCRATCH/journal"
        jq -c '.[0:3]' "$SCRATCH/journal" | cmp - "$SCRATCH/history"
    }
    wait_until "$LIVE" all_told
    local kind
    for kind in drift resolved ack bless stop start gap reload trust; do
        grep -q "\"$kind\"" "$SCRATCH/history" || fail "the history has no $kind: $(cat "$SCRATCH/history")"
    done
    while read -r kind id; do
        expect_equal "$id" "$(message_id "$kind")" "the id of $kind"
    done < <(jq -r '"\(.[1]) \(.[3])"' "$SCRATCH/journal")
}

test_the_catalog_explains_an_entry_with_its_values() {
    boot guarded
    wait_until "$LIVE" is_clean
    in_bed rm /etc/motd
    wait_until "$LIVE" has_entry drift '.DRIFTD_ITEM == "file:/etc/motd"'
    in_bed journalctl --quiet -x -o short MESSAGE_ID="$(message_id drift)" >"$OUT"
    expect_output '^░░ Subject: file:/etc/motd is not as it was approved \(drift\)$'
    expect_output '^░░ What was expected: type=file mode=0644 '
    expect_output '^░░ What was found: absent$'
    expect_output '^░░ Baseline: host, severity: high$'
    expect_output '^░░   driftctl show file:/etc/motd$'
    expect_output "^░░ Record $(driftctl log --json --kind drift | jq .seq)\. To look further:\$"
    expect_no_output 'DRIFTD_'
    # Every kind that the daemon can tell has its words.
    local kind id
    while read -r kind id; do
        in_bed journalctl --dump-catalog "$id" >"$OUT"
        expect_output "\($kind\)\$"
    done < <(sed -nE 's/^MESSAGE_ID\(([a-z_]+), "([0-9a-f]{32})"\)$/\1 \2/p' daemon/message_id.h)
}

test_hostile_names_reach_the_journal_escaped_and_as_one_line() {
    boot guarded
    wait_until "$LIVE" is_clean
    local -A names=(
        [$'a\nMESSAGE=forged']='file:/etc/a\x0aMESSAGE=forged'
        [$'b\e[2Jc']='file:/etc/b\x1b[2Jc'
        [$'d\x9b\xff']='file:/etc/d\x9b\xff'
        [$'e\xe2\x80\xae f']='file:/etc/e\xe2\x80\xae\x20f'
        ['%n%s\x0a']='file:/etc/%n%s\x5cx0a'
    )
    local name
    for name in "${!names[@]}"; do
        in_bed touch "/etc/$name"
        wait_until "$LIVE" has_entry drift '.DRIFTD_ITEM == $item' --arg item "${names[$name]}"
    done
    journal_json drift >"$OUT"
    expect_equal "$(wc -l <"$OUT")" 5 'the number of entries'
    # journalctl shows what is not text as a list of numbers: nothing is.
    jq -se 'all(.[]; (.MESSAGE | type) == "string" and (.DRIFTD_DETAIL | type) == "string" and
        (.MESSAGE | test("^unexpected file:[!-~]+ [ -~]+$")))' "$OUT" >/dev/null || fail "$(jq -c .MESSAGE "$OUT")"
    in_bed journalctl --quiet -o cat MESSAGE=forged >"$OUT"
    expect_equal "$(cat "$OUT")" '' 'entries that a name forged'
}
