# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The formats for pipelines: each valid, each read by a parser that is not ours, each with the exit codes of diff.
# (The published schemas are not ours to ship: tests/data/formats has our own, which are narrower.)

FORMATS=tests/data/formats

# begin — files and settings of a host in a scratch folder, blessed
begin() {
    local name
    mkdir -p "$SCRATCH/host/proc/sys/kernel" "$SCRATCH/host/etc/sysctl.d" "$SCRATCH/host/usr/lib/systemd"
    : >"$SCRATCH/host/usr/lib/systemd/systemd-sysctl"
    printf '1\n' >"$SCRATCH/host/proc/sys/kernel/kptr_restrict"
    printf 'kernel.kptr_restrict = 1\n' >"$SCRATCH/host/etc/sysctl.d/99-hardening.conf"
    for name in changed gone kept waived known; do printf '%s\n' "$name" >"$TREE/$name"; done
    write_config "[files tree]
path = $TREE
${1:-}
[sysctl]
root = $SCRATCH/host/proc/sys"
    first_steps
}

# waive_item ITEM REASON — signed and in force
waive_item() {
    driftctl waive "$1" --until +30d --reason "$2" --ticket CHG-9 -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    driftctl apply "$SCRATCH/next.baseline" >/dev/null
}

# change_all — one of each, with words that every format has to escape
change_all() {
    waive_item "$TREE/waived" 'the <vendor>'\''s & "fix" #1 ]]> \o/'
    printf 'other\n' | tee -a "$TREE"/{changed,waived,known} >/dev/null
    rm "$TREE/gone"
    printf '0\n' >"$SCRATCH/host/proc/sys/kernel/kptr_restrict"
    expect_exit 1 driftctl diff
    expect_exit 0 driftctl ack "$TREE/known" --reason 'seen'
}

# expect_valid CODE [ARGUMENT]... — diff in all three formats: valid, and nothing else on standard output.
# They are then $SCRATCH/diff.junit, diff.sarif and diff.tap.
expect_valid() {
    local code=$1 format
    shift
    for format in junit sarif tap; do
        expect_exit "$code" driftctl diff --format "$format" "$@"
        cp "$OUT" "$SCRATCH/diff.$format"
    done
    xmllint --noout --nonet --schema "$FORMATS/junit.xsd" "$SCRATCH/diff.junit" 2>"$ERR" || fail "JUnit: $(head -c 2000 "$ERR")"
    /usr/bin/python3 - "$SCRATCH/diff.junit" <<'PYTHON' || fail "the totals of a suite are not those of its cases"
import sys
from junitparser import JUnitXml, Failure, Error, Skipped
for suite in JUnitXml.fromfile(sys.argv[1]):
    kinds = [type(case.result[0]) if case.result else None for case in suite]
    have = (len(kinds), kinds.count(Failure), kinds.count(Error), kinds.count(Skipped))
    told = (suite.tests, suite.failures, suite.errors, suite.skipped)
    assert have == told, (suite.name, have, told)
PYTHON
    expect_equal "$(jq -r -f "$FORMATS/sarif.jq" "$SCRATCH/diff.sarif")" '' "what is wrong with the SARIF"
    jq -e --argjson code "$code" '.runs[0].invocations[0].exitCode == $code' "$SCRATCH/diff.sarif" >/dev/null ||
        fail "SARIF has another exit code"
    [[ -z ${SCHEMAS:-} ]] || valid_by_published_schemas
    tap_is_well_formed || fail "TAP is not well-formed: $(head -c 3000 "$SCRATCH/diff.tap")"
}

# For who has them: SCHEMAS is a folder with sarif-*.json (OASIS) and *.xsd (windyroad/JUnit-Schema, Jenkins' xUnit plugin).
valid_by_published_schemas() {
    local schema
    for schema in "$SCHEMAS"/*.xsd; do
        xmllint --noout --nonet --schema "$schema" "$SCRATCH/diff.junit" 2>"$ERR" || fail "$schema: $(head -c 2000 "$ERR")"
    done
    /usr/bin/python3 -c 'import json, jsonschema, sys; jsonschema.validate(*(json.load(open(name)) for name in sys.argv[1:]))' \
        "$SCRATCH/diff.sarif" "$SCHEMAS"/sarif-*.json 2>"$ERR" || fail "SARIF: $(tail -c 2000 "$ERR")"
}

# By the grammar of TAP 14, written a second time.
tap_is_well_formed() {
    awk '
        NR == 1 { if ($0 != "TAP version 13") bad = 1; next }
        NR == 2 { if ($0 !~ /^1\.\.[1-9][0-9]*$/) bad = 1; plan = substr($0, 4) + 0; next }
        over { bad = 1 }
        block && $0 == "  ..." { block = 0; next }
        block { if ($0 !~ /^  /) bad = 1; next }
        $0 == "  ---" { if (point != NR - 1) bad = 1; block = 1; next }
        /^(not )?ok [0-9]+ - / {
            point = NR; n++
            number = $1 == "not" ? $3 : $2
            text = $0; gsub(/\\[\\#]/, "", text)
            if (number != n || text ~ /\\/ || (text ~ /#/ && text !~ / # (TODO|SKIP) [^#]+$/)) bad = 1
            next
        }
        /^Bail out! [^ ]/ { over = 1; next }
        { bad = 1 }
        END { exit bad || block || n != plan }' "$SCRATCH/diff.tap"
}

# case_of CLASS NAME — what JUnit has of a test case: "failure changed", "passed", or nothing
case_of() {
    /usr/bin/python3 - "$SCRATCH/diff.junit" "$1" "$2" <<'PYTHON'
import sys
from junitparser import JUnitXml
for suite in JUnitXml.fromfile(sys.argv[1]):
    for case in suite:
        if (case.classname, case.name) == tuple(sys.argv[2:]):
            print(*[f"{r._tag} {r.type}" if r._tag != "skipped" else r._tag for r in case.result] or ["passed"])
PYTHON
}

# sarif EXPRESSION [ARGUMENT]...
sarif() {
    local expression=$1
    shift
    jq -e "$@" ".runs[0] | $expression" "$SCRATCH/diff.sarif" >/dev/null ||
        fail "not so: $expression $*"$'\n'"$(jq -c '.runs[0] | [.invocations, .results]' "$SCRATCH/diff.sarif" | head -c 3000)"
}

test_formats_of_a_clean_host() {
    begin
    expect_valid 0
    expect_equal "$(case_of driftd.trust verdict)" passed
    expect_equal "$(case_of driftd.trust 'baseline host')" passed
    expect_equal "$(case_of driftd.coverage complete)" passed
    expect_equal "$(case_of driftd.host.file 'every other item')" passed
    expect_equal "$(case_of driftd.host.sysctl 'every other item')" passed
    grep -q '<property name="expected" value="6"/>' "$SCRATCH/diff.junit" || fail "JUnit has no number of items"
    sarif '.results == [] and .tool.driver.rules == [] and .invocations[0].executionSuccessful'
    sarif '.properties.verdict == "clean" and (.properties.baselines[0] | .generation == 1 and .expected.file == 6)'
    expect_exit 0 prove --exec cat "$SCRATCH/diff.tap"
    expect_output '^Result: PASS'
    expect_equal "$(sed -n 2p "$SCRATCH/diff.tap")" 1..5
}

test_formats_of_drifts_waivers_and_acknowledgements() {
    begin
    change_all
    expect_valid 1
    expect_equal "$(case_of driftd.host.file "file:$TREE/changed")" 'failure changed'
    expect_equal "$(case_of driftd.host.file "file:$TREE/gone")" 'failure missing'
    expect_equal "$(case_of driftd.host.file "file:$TREE/known")" 'failure changed'
    expect_equal "$(case_of driftd.host.file "file:$TREE/waived")" skipped
    expect_equal "$(case_of driftd.host.file "file:$TREE/kept")" ''
    expect_equal "$(case_of driftd.host.file 'every other item')" passed
    expect_equal "$(case_of driftd.host.sysctl sysctl:kernel/kptr_restrict)" 'failure changed'
    grep -qF 'the &lt;vendor&gt;&#39;s &amp; &quot;fix&quot; #1 ]]&gt; \x5co/' "$SCRATCH/diff.junit" || fail "JUnit has another reason"

    # A waiver suppresses, an acknowledgement does not; a setting is where it is configured.
    sarif '[.results[] | select(.suppressions) | .properties.item] == [$item]' --arg item "file:$TREE/waived"
    sarif '.results[] | select(.suppressions) | .suppressions[0].properties.by and
        .suppressions[0].justification == $reason' --arg reason "the <vendor>'s & \"fix\" #1 ]]> \\x5co/"
    sarif '.results[] | select(.properties.item == $item) | .properties.state == "acknowledged" and .level == "error"' \
        --arg item "file:$TREE/known"
    sarif '.results[] | select(.ruleId == "sysctl-changed-high").locations[0].physicalLocation |
        .region.startLine == 1 and .artifactLocation.uri == $uri' --arg uri "${SCRATCH#/}/host/etc/sysctl.d/99-hardening.conf"
    sarif '.invocations[0] | .executionSuccessful and .toolExecutionNotifications == []'

    # A harness counts four failures, and the waived one as known.
    expect_exit 1 prove --exec cat "$SCRATCH/diff.tap"
    expect_output 'Failed 4/10 subtests'
    grep -qE "^not ok [0-9]+ - host\.file: file:$TREE/waived # TODO changed: .* #1 " <(sed 's/\\#/#/g' "$SCRATCH/diff.tap") ||
        fail "TAP has no TODO"
    expect_no_output 'Parse errors'
}

test_formats_keep_names_from_run_to_run() {
    begin
    change_all
    expect_valid 1
    jq -S '[.runs[0].results[] | [.ruleId, .partialFingerprints, .locations]]' "$SCRATCH/diff.sarif" >"$SCRATCH/first"
    grep -o '<testcase [^>]*>' "$SCRATCH/diff.junit" >>"$SCRATCH/first"
    expect_valid 1
    jq -S '[.runs[0].results[] | [.ruleId, .partialFingerprints, .locations]]' "$SCRATCH/diff.sarif" >"$SCRATCH/second"
    grep -o '<testcase [^>]*>' "$SCRATCH/diff.junit" >>"$SCRATCH/second"
    cmp "$SCRATCH/first" "$SCRATCH/second" || fail "the same drifts have other names in the second run"
}

test_formats_of_every_byte_in_a_name() {
    local byte name n=0 uri
    begin
    for byte in {1..255}; do
        [[ $byte -ne 47 ]] || continue
        printf -v name '%b' "x\\x$(printf %02x "$byte")y"
        : >"$TREE/$name"
        n=$((n + 1))
    done
    for name in ']]>' '<failure>' '&amp;' '&#0;' '"' "'" '# TODO' '\#' 'Bail out!' $'\nok 1 - x' '%41' $'\xff\xfe' "$(printf 'n%.0s' {1..255})"; do
        : >"$TREE/$name"
        n=$((n + 1))
    done
    expect_valid 1
    sarif '.results | length == $n' --argjson n "$n"
    expect_equal "$(grep -c '<failure type="unexpected"' "$SCRATCH/diff.junit")" "$n" "JUnit's failures"
    expect_equal "$(grep -c '^not ok ' "$SCRATCH/diff.tap")" "$n" "TAP's failures"
    # Each URI leads back to its file.
    while read -r uri; do
        printf -v name '%b' "${uri//%/\\x}"
        [[ -f /$name ]] || fail "$uri leads to no file"
    done < <(jq -r '.runs[0].results[].locations[0].physicalLocation.artifactLocation.uri' "$SCRATCH/diff.sarif")
    expect_exit 1 prove --exec cat "$SCRATCH/diff.tap"
    expect_output "^  Failed tests: .*"
    expect_no_output 'Parse errors|TODO passed'
}

test_formats_of_what_could_not_be_looked_at() {
    begin
    mv "$SCRATCH/host/proc/sys" "$SCRATCH/host/away"
    printf 'other\n' >"$TREE/changed"
    expect_exit 1 driftctl diff --json
    expect_json '.coverage.complete == false'
    expect_valid 1
    expect_equal "$(case_of driftd.coverage complete)" 'error incomplete'
    expect_equal "$(case_of driftd.coverage not_probed)" 'error not_probed'
    # Nothing is called clean that was not looked at.
    expect_equal "$(case_of driftd.host.sysctl 'every other item')" skipped
    sarif '.invocations[0] | .executionSuccessful == false and
        any(.toolExecutionNotifications[]; .descriptor.id == "not_probed")'
    sarif '[.results[].properties.item] == [$item]' --arg item "file:$TREE/changed"
    printf 'changed\n' >"$TREE/changed"
    expect_valid 2
    sarif '.results == [] and .invocations[0].executionSuccessful == false'
    expect_exit 1 prove --exec cat "$SCRATCH/diff.tap"
}

test_formats_of_an_unknown_item() {
    need_root
    mkdir "$TREE/sub"
    printf 'x\n' >"$TREE/sub/file"
    begin 'mounts = none'
    mount --bind "$TREE/sub" "$TREE/sub" 2>/dev/null || cannot_run_here "may not mount"
    expect_valid 1 # the folder itself is another one now
    expect_equal "$(case_of driftd.host.file "file:$TREE/sub/file")" 'error unknown'
    sarif '[.results[].properties.item] == [$item | sub("/file$"; "")] and .invocations[0].executionSuccessful == false and
        any(.invocations[0].toolExecutionNotifications[]; .descriptor.id == "unknown" and
        (.message.text | contains("mounted over it")) and
        .locations[0].logicalLocations[0].fullyQualifiedName == $item)' --arg item "file:$TREE/sub/file"
    umount "$TREE/sub"
    expect_valid 0
}

test_formats_of_an_untrusted_host() {
    begin
    printf '\n[approver mallory]\nkey = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9vLrNJfrXTQdOmyNzZyMTNhG0oUtsBdT6MMo6mDqjV\n' >>"$TRUST"
    expect_exit 3 driftctl diff --json
    expect_json '.verdict == "untrusted"'
    expect_valid 3
    expect_equal "$(case_of driftd.trust verdict)" 'error untrusted'
    sarif '.invocations[0] | .executionSuccessful == false and any(.toolExecutionNotifications[]; .descriptor.id == "untrusted")'
    expect_equal "$(grep -c '^Bail out! untrusted' "$SCRATCH/diff.tap")" 1 "the number of bail-outs"
    expect_exit 255 prove --exec cat "$SCRATCH/diff.tap"
}

test_formats_without_a_baseline() {
    write_config
    make_key alice
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    expect_valid 2
    expect_equal "$(case_of driftd.trust verdict)" 'error no_baseline'
    sarif '.results == [] and .invocations[0].executionSuccessful == false'
    ! grep -q '^Bail' "$SCRATCH/diff.tap" || fail "no baseline is not untrusted"
}

test_formats_of_a_change() {
    begin
    start_daemon
    wait_until "$LIVE" is_clean
    printf 'driftd-expect 1\nabsent file:%s/gone\nfile %s/changed type=file mode=0644 uid=%s gid=%s size=2 content=%s\n' \
        "$TREE" "$TREE" "$(id -u)" "$(id -g)" "$(printf '2\n' | sha256sum | cut -d' ' -f1)" >"$SCRATCH/set"
    printf '2\n' >"$TREE/changed"
    printf 'x\n' >"$TREE/extra"
    expect_valid 1 --expect "$SCRATCH/set"
    expect_equal "$(case_of driftd.host.file "file:$TREE/changed")" passed
    expect_equal "$(case_of driftd.host.file "file:$TREE/gone")" 'failure absent'
    expect_equal "$(case_of driftd.host.file "file:$TREE/extra")" 'failure unexpected'
    sarif '[.results[] | .ruleId] | sort == ["file-absent-medium", "file-unexpected-high"]'
    sarif '.properties.counts | .expected == 1 and .unexpected == 1 and .absent == 1'
    rm "$TREE/extra" "$TREE/gone"
    expect_valid 0 --expect "$SCRATCH/set"
    sarif '.results == []'
    expect_exit 0 prove --exec cat "$SCRATCH/diff.tap"
}

test_formats_of_every_source() {
    begin
    driftctl baseline export host -o "$SCRATCH/host.baseline" >/dev/null
    printf 'other\n' >"$TREE/changed"
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/changed" changed
    expect_valid 1 --cached
    expect_valid 1 --full
    expect_valid 1 --against "$SCRATCH/host.baseline"
    expect_valid 1 "$TREE/changed"
    sarif '.results | length == 1'
    expect_valid 0 "$TREE/kept"
    mkdir -p "$SCRATCH/an image$SCRATCH"
    cp -a "$TREE" "$SCRATCH/an image$SCRATCH/"
    # (Settings are judged on the running host: of an image coverage is never complete.)
    expect_valid 1 --root "$SCRATCH/an image" --baseline "$SCRATCH/host.baseline" --trust "$TRUST"
    sarif '.originalUriBaseIds.ROOT.uri == $uri and .results[0].locations[0].physicalLocation.artifactLocation.uri == $path' \
        --arg uri "file://$SCRATCH/an%20image/" --arg path "${TREE#/}/changed"
}

test_formats_and_wrong_usage() {
    begin
    expect_exit 4 driftctl diff --json --format sarif
    expect_json '.error == "--json is --format json: it does not go with --format sarif"'
    expect_exit 4 driftctl diff --format xml
    expect_error 'text, json, junit, sarif|junit'
    expect_exit 0 driftctl diff --json --format json
    expect_json '.schema == "driftd.diff/1"'
    expect_exit 0 driftctl completion bash
    expect_output 'text json junit sarif tap'
    # An error is words on standard error, and nothing that a parser would take for an answer.
    expect_exit 4 driftctl diff --format junit --against nothing@1
    expect_equal "$(wc -c <"$OUT")" 0 "the size of standard output"
    local format i
    for i in {1..80}; do : >"$TREE/more than a buffer holds $i"; done
    for format in sarif junit tap; do # told once, as the kernel says it
        expect_exit 4 bash -c '"$0" -c "$1" diff --format "$2" >/dev/full' "$BUILD/driftctl" "$CONFIG" "$format"
        expect_equal "$(cat "$ERR")" 'driftctl: standard output: No space left on device' "what is said with $format"
    done
}
