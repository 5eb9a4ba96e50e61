# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# From a proposal to what is in force: by several people, on several machines, for many hosts, through git.

begin() {
    printf 'one\n' >"$TREE/a"
    printf 'one\n' >"$TREE/b"
    printf 'one\n' >"$TREE/c"
    start_clean
    printf 'two\n' >"$TREE/a"
    printf 'new\n' >"$TREE/new"
    rm "$TREE/c"
}

# propose [ITEM]... — and alice signs it
propose() {
    driftctl propose --ticket CHG-2 --author alice -o "$SCRATCH/next.baseline" "$@" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
}

# refused WORDS — apply is refused, and nothing of it is in force
refused() {
    local before
    before=$(active_id)
    expect_exit 4 driftctl apply "$SCRATCH/next.baseline"
    expect_error "$1"
    expect_equal "$(active_id)" "$before" 'the active baseline'
    driftctl log --json --kind reject | tail -n 1 >"$OUT"
    expect_json '.detail.reason | test($words)' --arg words "$1"
}

# ---- what is live moved meanwhile ----

test_what_moved_between_the_proposal_and_its_applying_is_refused_by_name() {
    begin
    propose
    put "$TREE/a" 'three\n'
    refused "not live as it says: file:$TREE/a \(changed\)\$"
    rm "$TREE/new"
    refused "file:$TREE/a \(changed\), file:$TREE/new \(missing\)\$"
    put "$TREE/c" 'one\n' # the proposal says that it is gone
    refused "file:$TREE/c \(unexpected\)"
    put "$TREE/a" 'two\n'
    put "$TREE/new" 'new\n'
    rm "$TREE/c"
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    wait_until "$LIVE" is_clean
}

test_what_the_proposal_does_not_change_may_move() {
    begin
    propose "$TREE/a"
    put "$TREE/b" 'two\n'
    rm "$TREE/new"
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[].item] == $items' --argjson items "[\"file:$TREE/b\", \"file:$TREE/c\"]"
}

test_a_baseline_that_comes_before_the_deploy() {
    begin
    propose
    put "$TREE/a" 'one\n'
    put "$TREE/c" 'one\n'
    rm "$TREE/new"
    refused 'not live as it says'
    expect_error '--ahead'
    expect_exit 0 driftctl apply --ahead "$SCRATCH/next.baseline"
    expect_exit 1 driftctl diff --json # it is not deployed yet, and that is drift
    expect_json '.drifts | length == 3'
    put "$TREE/a" 'two\n'
    put "$TREE/new" 'new\n'
    rm "$TREE/c"
    expect_exit 0 driftctl diff
}

test_a_first_generation_and_one_without_a_daemon_are_held_to_it_too() {
    local i
    for ((i = 0; i < 20; i++)); do printf 'one\n' >"$TREE/f$i"; done
    write_config
    make_key alice
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null
    propose
    for ((i = 0; i < 20; i++)); do printf 'two\n' >"$TREE/f$i"; done
    expect_exit 4 driftctl apply "$SCRATCH/next.baseline"
    expect_error 'and 12 more$'
    for ((i = 0; i < 20; i++)); do printf 'one\n' >"$TREE/f$i"; done
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    expect_exit 0 driftctl diff
}

test_a_great_change_is_looked_at_as_a_whole() {
    begin
    local i
    mkdir "$TREE/many"
    for ((i = 0; i < 4200; i++)); do echo "$i" >"$TREE/many/$i"; done
    propose
    put "$TREE/many/4000" 'other\n'
    refused "not live as it says: file:$TREE/many/4000 \(changed\)\$"
    put "$TREE/many/4000" '4000\n'
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
}

test_what_is_waived_may_differ() {
    begin
    propose
    driftctl apply "$SCRATCH/next.baseline" >/dev/null
    put "$TREE/a" 'three\n'
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    driftctl waive "$TREE/a" --until +14d --reason 'vendor patch' --ticket CHG-3 -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
}

# ---- several people ----

# An ordinary user of another machine: no daemon, no configuration, no root, nothing of the host's but what was sent.
elsewhere() {
    (cd "$SCRATCH/laptop" && exec setpriv --reuid=65534 --regid=65534 --clear-groups env -i HOME=/nonexistent \
        timeout 60 ./driftctl --config /nonexistent/driftd.conf "$@")
}

test_reviewed_and_signed_by_an_ordinary_user_who_has_nothing_of_the_host() {
    need_root
    begin
    driftctl baseline export host -o "$SCRATCH/old.baseline" >/dev/null
    driftctl propose --ticket CHG-2 --author bob -o "$SCRATCH/next.baseline" >/dev/null
    mkdir "$SCRATCH/laptop"
    cp "$BUILD/driftctl" "$SCRATCH/old.baseline" "$SCRATCH/next.baseline" "$TRUST" "$KEYS/alice" "$SCRATCH/laptop/"
    chown -R 65534:65534 "$SCRATCH/laptop"
    chmod 0700 "$STATE" "$KEYS"
    expect_exit 0 elsewhere review next.baseline --parent old.baseline --trust trust.conf
    expect_output '^ *host@2|^host@2'
    expect_output "~ +.*file:$TREE/a|~.*$TREE/a"
    expect_output "\+.*$TREE/new"
    expect_output "-.*$TREE/c"
    expect_exit 0 elsewhere review next.baseline --parent old.baseline --trust trust.conf --json
    expect_json '.parent_fits and (.enough | not) and ([.changes[] | select(.kind == "file")] | length >= 3)'
    expect_exit 3 elsewhere review next.baseline --parent next.baseline --trust trust.conf # another parent
    expect_exit 0 elsewhere sign next.baseline --key alice --trust trust.conf --yes
    expect_exit 0 elsewhere review next.baseline --parent old.baseline --trust trust.conf --json
    expect_json '.enough and .signers == ["alice"]'
    cp "$SCRATCH/laptop/next.baseline.approval" "$SCRATCH/"
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    wait_until "$LIVE" is_clean
}

test_the_author_can_not_be_another_by_a_name_of_their_choice() {
    printf 'one\n' >"$TREE/a"
    write_config
    make_key alice
    make_key bob
    EXTRA='author_counts = no' write_trust 1 alice bob
    start_daemon
    # Whoever edits the proposal makes another text: what bob approved is not what alice hands over.
    driftctl propose --ticket CHG-1 --author alice -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    expect_error 'author'
    sed -i 's/^author alice$/author mallory/' "$SCRATCH/next.baseline"
    expect_exit 3 driftctl apply "$SCRATCH/next.baseline"
    expect_error 'something else'
}

# ---- many hosts ----

test_one_signature_for_a_thousand_hosts() {
    begin
    driftctl propose --ticket CHG-2 --author alice -o "$SCRATCH/next.baseline" >/dev/null
    mkdir "$SCRATCH/fleet"
    local i start
    for ((i = 0; i < 999; i++)); do
        sed "s/^host .*/host $(printf '%032x' $((i + 1)))/" "$SCRATCH/next.baseline" >"$SCRATCH/fleet/h$i.baseline"
    done
    cp "$SCRATCH/next.baseline" "$SCRATCH/fleet/here.baseline"
    start=$EPOCHREALTIME
    driftctl sign "$SCRATCH"/fleet/*.baseline --key "$KEYS/alice" --yes >"$OUT" 2>"$ERR" || fail "sign: $(tail -n 3 "$ERR")"
    echo "note: 1,000 baselines signed in $(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN{printf "%.2f", b - a}') s"
    expect_equal "$(find "$SCRATCH/fleet" -name '*.approval' | wc -l)" 1000 'the number of approvals'
    expect_equal "$(sha256sum "$SCRATCH"/fleet/*.approval | cut -d' ' -f1 | sort -u | wc -l)" 1 'the number of different approvals'
    expect_equal "$(grep -c '^-----BEGIN' "$SCRATCH/fleet/h7.baseline.approval")" 1 'the number of signatures'
    expect_equal "$(grep -c '^baseline ' "$SCRATCH/fleet/h7.baseline.approval")" 1000 'the number of baselines it names'
    start=$EPOCHREALTIME
    for ((i = 0; i < 999; i += 111)); do
        expect_exit 0 driftctl baseline verify "$SCRATCH/fleet/h$i.baseline" --trust "$TRUST"
    done
    echo "note: verified one of them in $(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN{printf "%.3f", (b - a) / 9}') s"
    expect_exit 3 driftctl apply "$SCRATCH/fleet/h5.baseline"
    expect_error 'another host'
    expect_exit 0 driftctl apply "$SCRATCH/fleet/here.baseline"
    wait_until "$LIVE" is_clean
}

# ---- git ----

test_approval_by_pull_request() {
    command -v git >/dev/null || skip 'needs git'
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
    export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@example.org GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@example.org
    begin
    git init -q --bare -b main "$SCRATCH/origin.git"

    # On the host: what is in force is the first commit.
    git clone -q "$SCRATCH/origin.git" "$SCRATCH/host" 2>/dev/null
    cd "$SCRATCH/host" || fail "cd"
    git switch -q -c main
    driftctl baseline export host -o host.baseline >/dev/null
    cp "$TRUST" trust.conf
    git add . && git commit -qm 'web1: what is in force' && git push -q origin main

    # A change: a branch with the proposal alone.
    git switch -q -c CHG-2
    driftctl propose --ticket CHG-2 --author bob -o host.baseline >/dev/null
    git rm -q --cached host.baseline.approval && rm host.baseline.approval
    git commit -qam 'web1: CHG-2' && git push -q origin CHG-2

    # On the reviewer's machine.
    git clone -q "$SCRATCH/origin.git" "$SCRATCH/reviewer"
    cd "$SCRATCH/reviewer" || fail "cd"
    git switch -q CHG-2
    git diff origin/main -- host.baseline | grep '^[-+][a-z]' >"$OUT"
    # One line for each changed thing, and of the header only what must change (and when, unless it was the same second).
    sed -i '/^[-+]created /d' "$OUT"
    expect_equal "$(sed -nE 's/^([-+])(generation|parent|author|ticket) .*/\1\2/p' "$OUT" | sort -u | xargs)" \
        '+author +generation +parent +ticket -author -generation -parent -ticket' 'the header lines of the diff'
    sed -nE "s|^([-+])file (${TREE}[^ ]*) .*|\1\2|p" "$OUT" | sort >"$SCRATCH/files"
    expect_equal "$(xargs <"$SCRATCH/files")" "$(printf '%s\n' "+$TREE/a" "+$TREE/new" "-$TREE/a" "-$TREE/c" | sort | xargs)" \
        'the file lines of the diff'
    expect_equal "$(wc -l <"$OUT")" 12 'the lines of the diff'
    git show origin/main:host.baseline >"$SCRATCH/parent"
    expect_exit 0 driftctl review host.baseline --parent "$SCRATCH/parent" --trust trust.conf --json
    expect_json '.parent_fits and .author == "bob"'
    driftctl sign host.baseline --key "$KEYS/alice" --trust trust.conf --yes >/dev/null 2>&1
    git add . && git commit -qm 'web1: CHG-2 approved' && git push -q origin CHG-2
    git switch -q main && git merge -q --no-ff -m 'merge CHG-2' CHG-2 && git push -q origin main

    # On the host again.
    cd "$SCRATCH/host" || fail "cd"
    git switch -q main && git pull -q origin main
    expect_exit 0 driftctl apply host.baseline
    wait_until "$LIVE" is_clean
    expect_equal "$(active_id)" "$(git show main:host.baseline | sha256sum | cut -d' ' -f1)" 'what is in force'
    expect_exit 0 driftctl diff --against ./host.baseline
}
