# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# From a machine that has never heard of driftd to one that is guarded, by the very lines of README.md, section "First run".

LIMIT_FIRST_RUN=120 # seconds of wall time that a first run may take

# The lines of README.md's consoles, between its marks.
readme_lines() {
    sed -n '/^<!-- first run: begin -->$/,/^<!-- first run: end -->$/p' README.md |
        awk '/^```console$/ {inside = 1; next} /^```$/ {inside = 0} inside'
}

# What is another one each time becomes a letter: keys, digests, times, numbers; and blanks that align them become one.
stable() {
    sed -E -e 's/\r$//' -e 's/AAAA[A-Za-z0-9+\/]{20,}=*/K/g' -e 's/SHA256:[A-Za-z0-9+\/]{20,}/F/g' -e 's/\b[0-9a-f]{64}\b/H/g' \
        -e 's/content verified .*/content verified T/' -e 's/ since [0-9:]+( \([^)]*\))?/ since T/' \
        -e 's/[0-9][0-9,.:]*/N/g' -e 's/ +/ /g' -e 's/ $//'
}

# in_folder COMMAND — as README has it, as root, in the folder where the packages are. Whoever is asked for a passphrase there
# reads it from a file here.
in_folder() {
    in_bed env DRIFTD_PASSPHRASE_FILE=/run/passphrase sh -c "cd /home/alice && ${1//sudo /}" </dev/null
}

# says WANTED — the output has its lines, in order and none in between but where `...` stands. Nothing wanted: anything is right.
says() {
    [[ -n $1 ]] || return 0
    stable <<<"$1" >"$SCRATCH/wanted"
    stable <"$OUT" >"$SCRATCH/got"
    awk 'NR == FNR {got[++n] = $0; next}
        $0 == "..." {skip = 1; next}
        {if (skip) while (at < n && got[at + 1] != $0) at++; skip = 0; if (got[++at] != $0) {wrong = $0; exit}}
        END {if (wrong != "" || (!skip && at != n)) {print "«" (wrong != "" ? wrong : got[at + 1]) "»"; exit 1}}' \
        "$SCRATCH/got" "$SCRATCH/wanted"
}

# run_shown COMMAND WANTED CODE
run_shown() {
    local code=0 line
    in_folder "$1" >"$OUT" 2>&1 || code=$?
    [[ $code -eq $3 ]] || fail "README: exit $code and not $3: $1"$'\n'"$(tail -n 30 "$OUT")"
    line=$(says "$2") || fail "README: $1 does not say what is shown: $line"$'\n'"$(head -c 4000 "$OUT")"
}

run_readme() {
    local line command='' wanted='' code=0 commands=0
    while IFS= read -r line; do
        case $line in
        '$ '*)
            [[ -z $command ]] || run_shown "$command" "$wanted" "$code"
            command=${line#'$ '} wanted='' code=0 commands=$((commands + 1))
            ;;
        '[exit '*) code=${line//[^0-9]/} ;;
        *) wanted+=${wanted:+$'\n'}$line ;;
        esac
    done < <(readme_lines)
    run_shown "$command" "$wanted" "$code"
    ((commands >= 10)) || fail "README has $commands commands between its marks"
}

test_the_first_run_of_readme_goes_as_it_is_written_within_two_minutes() {
    boot bare
    in_bed mkdir /home/alice
    in_bed sh -c 'cp /srv/deb/driftctl_*.deb /srv/deb/driftd_*.deb /home/alice && echo "a passphrase" >/run/passphrase'
    local start=$EPOCHREALTIME seconds
    run_readme
    seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN{printf "%.1f", b - a}')
    ((${seconds%.*} < LIMIT_FIRST_RUN)) || fail "the first run took $seconds s"
    echo "note: the first run of README, from the packages on: $seconds s, $(diff_json --cached | jq .coverage.expected) items"
    expect_exit 0 driftctl scan --full
    expect_exit 0 driftctl verify
}

# Each wrong turn of a first run, with what its error must say to do: the next command.
wrong_turn() {
    in_folder "$1" >"$OUT" 2>&1 && fail "no error: $1"
    grep -Eq -e "$2" "$OUT" || fail "$1 does not say /$2/:"$'\n'"$(head -c 2000 "$OUT")"
}

test_each_wrong_turn_of_a_first_run_says_the_next_command() {
    boot installed
    in_bed sh -c 'mkdir /home/alice && echo "a passphrase" >/run/passphrase && echo wrong >/run/wrong && useradd carol'
    wrong_turn 'driftctl diff' '^Next: driftctl init'
    wrong_turn 'driftctl status' '^Next: driftctl init'
    wrong_turn 'driftctl bless --ticket CHG-1 --key alice.key --yes' 'driftctl init --trust .*driftctl key generate'
    wrong_turn 'driftctl init --trust alice.key.pub --yes' 'driftctl key generate --name'
    in_folder 'driftctl key generate --name alice -o alice.key' >/dev/null
    in_folder 'driftctl key generate --name eve -o eve.key' >/dev/null
    wrong_turn 'driftctl key generate --name alice -o alice.key' 'choose another file'
    wrong_turn 'driftctl init --trust alice.key --yes' 'driftctl init --trust alice.key.pub'
    wrong_turn 'runuser -u carol -- driftctl init --trust alice.key.pub --yes' 'sudo driftctl init'
    wrong_turn 'driftctl init --trust alice.key.pub' '--yes'
    in_folder 'driftctl init --trust alice.key.pub --yes' >/dev/null
    in_folder 'driftctl init --trust alice.key.pub --yes' >"$OUT" # twice
    expect_output '^kept +/etc/driftd/trust.conf'
    expect_output '^Next: driftctl bless'
    in_folder 'driftctl init --trust eve.key.pub --yes' >"$OUT" 2>&1
    expect_output 'the key of eve is not trusted.*driftctl sign trust.conf'
    wrong_turn 'driftctl bless --key alice.key --yes' '--ticket CHG-1'
    wrong_turn 'driftctl bless --ticket CHG-1 --yes' '--key YOU.key; driftctl key generate'
    wrong_turn 'driftctl bless --ticket CHG-1 --key alice.key' '--yes takes every change'
    wrong_turn 'driftctl bless --ticket CHG-1 --key nothere.key --yes' 'driftctl key generate .*--key YOU.key'
    wrong_turn 'driftctl bless --ticket CHG-1 --key alice.key.pub --yes' 'not its .pub'
    wrong_turn 'driftctl bless --ticket CHG-1 --key eve.key --yes' 'use a key that it lists'
    wrong_turn 'DRIFTD_PASSPHRASE_FILE=/run/wrong driftctl bless --ticket CHG-1 --key alice.key --yes' 'try again'
    wrong_turn 'runuser -u carol -- driftctl diff' 'sudo adduser YOU driftd'
    wrong_turn 'runuser -u carol -- driftctl bless --ticket CHG-1 --key alice.key --yes' 'sudo adduser YOU driftd'
    wrong_turn 'driftctl sign host.baseline --key alice.key' 'driftctl propose -o'
    wrong_turn 'driftctl apply host.baseline' 'driftctl propose -o'
    in_bed systemctl stop driftd
    wrong_turn 'runuser -u carol -- driftctl diff' 'systemctl start driftd'
    wrong_turn 'driftctl watch' 'systemctl start driftd'
    wrong_turn 'driftctl top' 'systemctl start driftd'
    wrong_turn 'driftctl status' '^Next: systemctl enable --now driftd'
    in_bed systemctl start driftd
    in_folder 'driftctl bless --ticket CHG-1 --key alice.key --yes -q' >/dev/null 2>&1
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl diff
}

test_the_packages_enable_the_service_and_the_next_boot_starts_it() {
    boot installed
    expect_equal "$(in_bed systemctl is-enabled driftd.service)" enabled
    expect_equal "$(in_bed systemctl is-active driftd.service)" active
    expect_equal "$(in_bed getent group driftd | cut -d: -f1)" driftd
}

test_a_reboot_is_a_gap_and_what_was_approved_still_counts() {
    boot guarded
    wait_until "$LIVE" is_clean
    shut_down
    printf 'changed while the machine was off\n' >"$ROOT/etc/motd"
    start_machine
    wait_until "$LIVE" has_drift file:/etc/motd changed
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 1 and .[0].unobserved'
    driftctl log --json --kind gap | jq -se 'last.detail | .cause == "stopped" and .from < .to' >/dev/null ||
        fail 'the reboot is no gap'
}
