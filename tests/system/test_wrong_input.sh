# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Wrong input: exit 4, words that say what would be right, and the same as JSON.

# wrong WORDS ARGUMENT...
wrong() {
    local words=$1
    shift
    expect_exit 4 driftctl "$@"
    [[ ! -s $OUT ]] || fail "something on standard output: $(head -c 500 "$OUT")"
    expect_error "$words"
    expect_exit 4 driftctl --json "$@"
    [[ ! -s $ERR ]] || fail "with --json, something on standard error: $(head -c 500 "$ERR")"
    expect_json '.schema == "driftd.error/1" and (.error | length > 0) and has("hint")'
    expect_json '[.error, .hint] | map(. // "") | join(" ") | test($words)' --arg words "$words"
}

test_misspelt() {
    write_config
    wrong 'did you mean driftctl status' statsu
    wrong 'did you mean driftctl bless' bles
    wrong 'did you mean driftctl key generate' key genrate
    wrong 'one more word|generate' key
    wrong 'did you mean --full' scan --ful
    wrong 'did you mean --ticket' bless --tiket X
    wrong 'did you mean' diff --format jsn
    expect_exit 4 driftctl
    expect_error 'driftctl help'
}

test_options_that_do_not_fit() {
    write_config
    wrong 'needs a value' bless --ticket
    wrong 'takes no value' diff --cached=yes
    wrong 'twice' bless --ticket A --ticket B
    wrong '.' baseline show
    wrong '.' apply
    wrong '.' apply one two
    wrong '.' ack "$TREE/a"
    wrong '.' diff --cached --full
    wrong '.' diff --root "$TREE"
}

test_bad_items_and_times() {
    start_clean
    wrong 'absolute' diff not/absolute
    wrong '.' diff file:relative
    wrong '.' diff "$TREE/../x"
    wrong '.' diff unheard:of
    wrong '.' diff 'file:/a\x4'
    wrong '.' log --since tomorow
    wrong '.' log --since 2026-13-01
    wrong '.' log --kind drfit
    wrong '.' waive "$TREE/a" --until -2h --reason x
    wrong '.' bless --ticket CHG --key "$KEYS/alice" --yes --expires yesterday
}

test_files_that_are_not_there() {
    start_clean
    wrong "$SCRATCH/none" apply "$SCRATCH/none"
    wrong "$SCRATCH/none" sign "$SCRATCH/none" --key "$KEYS/alice" --yes
    wrong "$SCRATCH/none" bless --ticket T --key "$SCRATCH/none" --yes
    wrong "$SCRATCH/none" review "$SCRATCH/none"
    wrong "$SCRATCH/none" key show "$SCRATCH/none"
    wrong 'nobody|no such|none' baseline show nobody
    wrong '.' baseline export host@99
    CONFIG=$SCRATCH/absent.conf
    wrong 'absent.conf' status
}

test_a_generation_that_is_not_there_names_the_newest() {
    start_clean
    put "$TREE/a" 'two\n'
    expect_exit 0 driftctl bless "$TREE/a" --ticket CHG-2 --key "$KEYS/alice" --yes
    wrong 'the newest is 2: driftctl baseline list' diff --against host@99
    wrong 'none of that name: driftctl baseline list' diff --against web@1
    stop_daemon
    wrong 'the newest is 2: driftctl baseline list' diff --against host@99
}

# refused_at LINE WORDS CONFIGURATION
refused_at() {
    printf '%s\n' "$3" >"$CONFIG"
    expect_exit 4 driftctl config check
    expect_error "$CONFIG:$1: "
    expect_error "$2"
    local status=0
    timeout 20 "$BUILD/driftd" --config "$CONFIG" >"$OUT" 2>"$ERR" || status=$?
    [[ $status -ne 0 && $status -ne 124 ]] || fail "driftd takes it: status $status"
    expect_error "$CONFIG:$1: "
}

test_a_configuration_that_does_not_hold_names_file_and_line() {
    refused_at 1 'did you mean|deamon' '[deamon]'
    refused_at 2 'state_dir' '[daemon]
statedir = /x'
    refused_at 2 '.' '[scan]
full_interval = 6 parsecs'
    refused_at 3 '.' '[scan]
workers = 2
workers = -1'
    refused_at 3 '.' '[scan]
workers = 2
[scan]'
    refused_at 2 'absolute' '[files x]
path = relative'
    refused_at 3 '.' '[files x]
path = /tmp
attributes = mode sizze'
    refused_at 3 '.' '[files x]
path = /tmp
mode = growwing'
    refused_at 2 '.' "[files x]
path = /$(printf 'a%.0s' {1..9000})"
    refused_at 3 '.' '[files x]
path = /tmp
  exclude = /tmp/indented'
    refused_at 1 '.' "[files $(printf 'a%.0s' {1..80})]"
}

test_a_trust_file_that_does_not_hold_names_file_and_line() {
    write_config
    make_key alice
    local key
    key=$(cut -d' ' -f1,2 "$KEYS/alice.pub")
    # refused LINE TEXT
    refused() {
        printf '%s\n' "$2" >"$TRUST"
        expect_exit 4 driftctl config check
        expect_error "$TRUST:$1: "
    }
    refused 5 "[trust]
generation = 1
parent = none
[approver alice]
key = ssh-rsa AAAA"
    refused 4 "[trust]
generation = 1
parent = none
[baseline host]
approvers = nobody" # no threshold, nobody of that name
    refused 7 "[trust]
generation = 1
parent = none
[approver alice]
key = $key
[approver bob]
key = $key
[baseline *]
approvers = alice bob
threshold = 2" # one key under two names
}

test_words_from_outside_move_no_cursor() {
    write_config
    expect_exit 4 driftctl $'stat\e[2Jus'
    ! LC_ALL=C grep -q $'\e' "$ERR" || fail "an escape sequence came through"
    expect_exit 4 driftctl diff $'--\e]0;x\a'
    ! LC_ALL=C grep -q $'\e' "$ERR" || fail "an escape sequence came through"
}

test_driftd_says_what_it_does_not_know() {
    write_config
    local status=0
    "$BUILD/driftd" --confg "$CONFIG" >"$OUT" 2>"$ERR" || status=$?
    [[ $status -ne 0 ]] || fail "driftd takes --confg"
    grep -q . "$ERR" || fail "driftd said nothing"
    "$BUILD/driftd" --help >"$OUT"
    expect_output '--config'
    "$BUILD/driftd" --version >"$OUT"
    expect_output '[0-9]+\.[0-9]+\.[0-9]+'
}

test_a_full_disk_is_not_called_done() {
    start_clean
    expect_exit 4 sh -c '"$0" -c "$1" baseline export host >/dev/full' "$BUILD/driftctl" "$CONFIG"
}
