# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The service of the outputs under systemd: skipped without one, told that it is ready, in a sandbox that lets it do what it is
# for and no more.

OUTPUT_EXPOSURE_MAX=1.7 # of systemd-analyze; it is 1.6

output_is() {
    [[ $(in_bed systemctl show -P "$1" driftd-output.service) == "$2" ]]
}

add_outputs() {
    in_bed mkdir -p /etc/driftd/conf.d /var/lib/prometheus/node-exporter
    put /etc/driftd/conf.d/outputs.conf '[output siem]
type = ecs
path = /var/log/driftd/siem.json
[output prometheus]
type = openmetrics
path = /var/lib/prometheus/node-exporter/driftd.prom
[output store]
type = command
command = /usr/bin/cp /var/lib/driftd/driftd.db /var/log/driftd/stolen
kinds = start
'
}

# output_failed NAME WORDS — what the relay says of it; it does so once in a while.
output_failed() {
    driftctl output list --json |
        jq -e --arg name "$1" --arg words "$2" 'any(.outputs[]; .name == $name and (.last_error // "" | contains($words)))'
}

in_bed_has() {
    in_bed grep -q "$1" "$2"
}

test_output_service_is_skipped_without_an_output_and_delivers_with_one() {
    boot guarded
    in_bed systemctl start driftd-output.service
    output_is ActiveState inactive || fail "it runs without an output"
    output_is Result exec-condition || fail "it is not skipped but: $(in_bed systemctl show -P Result driftd-output.service)"
    # A mistake is a failure that is seen, and over once it is mended.
    put /etc/driftd/conf.d/outputs.conf '[output siem]\ntype = esc\npath = /x\n'
    expect_exit 1 in_bed systemctl start driftd-output.service
    in_bed journalctl -u driftd-output.service --no-pager >"$OUT"
    expect_output 'outputs.conf:[0-9]+: .*esc'
    add_outputs
    expect_exit 0 in_bed systemctl restart driftd-output.service
    output_is ActiveState active || fail "it does not run"
    put /etc/motd 'changed\n'
    wait_until "$LIVE" in_bed_has '"path":"/etc/motd"' /var/log/driftd/siem.json
    wait_until "$LIVE" in_bed_has '^driftd_up 1' /var/lib/prometheus/node-exporter/driftd.prom
    wait_until "$LIVE" in_bed_has '^driftd_open_drifts{domain="file",severity="high"} [1-9]' /var/lib/prometheus/node-exporter/driftd.prom
    expect_equal "$(in_bed stat -c '%a %U' /var/log/driftd/siem.json)" '640 root'
    expect_equal "$(in_bed stat -c '%a %U' /var/lib/driftd)" '700 root'
    in_bed test -s /var/lib/driftd/output/siem.cursor
    # The store is not there for it, though it is root.
    wait_until "$LIVE" output_failed store 'exit status 1'
    in_bed test ! -e /var/log/driftd/stolen
    # Where the daemon is down, that is told.
    in_bed systemctl stop driftd.service
    wait_until "$LIVE" in_bed_has '^driftd_up 0' /var/lib/prometheus/node-exporter/driftd.prom
    in_bed systemctl start driftd.service
    wait_until "$LIVE" in_bed_has '^driftd_up 1' /var/lib/prometheus/node-exporter/driftd.prom
    # A reload of the daemon is one of the relay.
    in_bed rm /etc/driftd/conf.d/outputs.conf
    put /etc/driftd/conf.d/outputs.conf '[output other]\ntype = ecs\npath = /var/log/driftd/other.json\n'
    in_bed systemctl reload driftd.service
    wait_until "$LIVE" in_bed_has '"path":"/etc/motd"' /var/log/driftd/other.json
    expect_exit 0 in_bed systemctl stop driftd-output.service
    output_is Result success || fail "it did not end well"
}

test_output_service_stays_in_its_sandbox() {
    boot guarded
    add_outputs
    in_bed systemctl restart driftd-output.service
    local pid level
    pid=$(in_bed systemctl show -P MainPID driftd-output.service)
    in_bed grep -E '^Cap(Eff|Prm|Bnd|Amb):' "/proc/$pid/status" >"$OUT"
    expect_no_output ':.*[1-9a-f]'
    level=$(exposure driftd-output.service)
    echo "note: the exposure of driftd-output.service is $level"
    expect_exposed "$level" "$OUTPUT_EXPOSURE_MAX"
    expect_exit 0 in_bed systemd-analyze verify --man=no /lib/systemd/system/driftd-output.service
}

# refused_to USER WORDS COMMAND... — an error that has the words
refused_to() {
    local user=$1 words=$2
    shift 2
    expect_exit 4 as "$user" driftctl "$@"
    expect_error "$words"
}

test_output_and_what_looks_on_say_the_next_command_to_whoever_may_not() {
    boot guarded
    in_bed useradd carol
    in_bed useradd --groups driftd dave
    add_outputs
    expect_exit 0 in_bed systemctl restart driftd-output.service
    refused_to carol 'sudo systemctl start driftd-output' output run
    refused_to dave 'sudo systemctl start driftd-output' output run
    refused_to dave 'sudo driftctl output test' output test siem
    refused_to carol 'sudo adduser YOU driftd' top
    refused_to dave 'needs a terminal' top
    expect_error 'driftctl status'
    expect_exit 0 as carol sh -c 'driftctl output list 2>&1'
    expect_output 'behind is not known: cannot connect to .*: Permission denied'
    expect_output 'sudo driftctl output list$'
    expect_exit 0 as carol driftctl doctor
    expect_output 'sudo driftctl doctor$'
    in_bed chmod 0600 /etc/driftd/driftd.conf
    refused_to carol 'run it as root .sudo.' output list
    refused_to carol 'run it as root .sudo.' top
    as carol driftctl doctor >"$OUT" || true
    expect_no_output 'driftctl config check'
    # Root, without a terminal.
    expect_exit 4 driftctl top
    expect_error 'driftctl watch follows the history'
}
