# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Killed without a word, at any moment: what was told is there, a baseline is the old or the new one, the silence is recorded,
# and in the end nothing is missed. CRASH_ROUNDS (of each test) makes it longer.
ROUNDS=${CRASH_ROUNDS:-15}

# pause_up_to MILLISECONDS — some of them, by chance
pause_up_to() {
    local ms=$((RANDOM % ($1 + 1)))
    read -rt "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))" <> <(:) || true
}

now() {
    date -u +%Y-%m-%dT%H:%M:%S.%3NZ
}

generation() {
    driftctl baseline list --json | jq -r '.baselines[] | select(.name == "host" and .active) | .generation'
}

# What is in force now is what was before, or follows from it and is approved: sets `id` and `number` anew.
baseline_is_old_or_new() {
    local now number_now
    now=$(active_id)
    if [[ $now != "$id" ]]; then
        driftctl baseline export host -o "$SCRATCH/now.baseline" >/dev/null
        number_now=$(generation)
        expect_equal "$number_now" $((number + 1)) "the generation"
        grep -qx "parent $id" "$SCRATCH/now.baseline" || fail "the new baseline does not follow from the old one"
        expect_exit 0 driftctl baseline verify "$SCRATCH/now.baseline" --trust "$TRUST"
        id=$now number=$number_now
        return 0
    fi
    [[ ${blessed:-1} -ne 0 ]] || grep -q '^Nothing to bless' "$SCRATCH/bless" || fail "bless ended with 0, and the old baseline is in force"
}

# What a follower was told stands in the history, word for word.
nothing_told_is_lost() {
    driftctl log --json | sort >"$SCRATCH/history"
    grep '^{"seq":' "$SCRATCH/followed" | sort >"$SCRATCH/told" || true # the last line says that the daemon is gone
    [[ -z $(comm -23 "$SCRATCH/told" "$SCRATCH/history") ]] || fail "told, and not in the history: $(comm -23 "$SCRATCH/told" "$SCRATCH/history" | head -n 3)"
}

# gap_covers FROM TO — the newest gap has its bounds around the moment of the kill, which lies between these
gap_covers() {
    driftctl log --json --kind gap | jq -se --arg from "$1" --arg to "$2" \
        'last | .detail.cause == "killed or crashed" and .detail.from <= $to and .detail.to >= $from and .detail.from < .detail.to' >/dev/null ||
        fail "no gap around $1: $(driftctl log --json --kind gap | tail -n 1)"
}

# Changes things until there is a file $SCRATCH/enough.
keep_changing() {
    until [[ -e $SCRATCH/enough ]]; do random_operation; done
}

in_background() {
    "$@" &
    remember_process $!
}

test_killed_under_load_and_during_bless() {
    need_root
    mkdir -p "$TREE"/a/{b,c}/d
    printf 'x\n' | tee "$TREE"/a/{b,c}/d/file >/dev/null
    start_clean
    local id number=1 blessed round killed changing following blessing
    id=$(active_id)
    local seed=${CRASH_SEED:-$$}
    RANDOM=$seed
    echo "CRASH_SEED=$seed" >&9
    for ((round = 1; round <= ROUNDS; round++)); do
        rm -f "$SCRATCH/enough"
        in_background keep_changing && changing=$!
        in_background "$BUILD/driftctl" --config "$CONFIG" watch --json >>"$SCRATCH/followed" 2>/dev/null && following=$!
        in_background "$BUILD/driftctl" --config "$CONFIG" bless --ticket "CHG-$round" --key "$KEYS/alice" --yes >"$SCRATCH/bless" 2>&1 && blessing=$!
        pause_up_to 300
        killed=$(now)
        crash_daemon
        touch "$SCRATCH/enough"
        wait "$changing"
        wait "$following" || true
        blessed=0
        wait "$blessing" || blessed=$?
        [[ $blessed -le 4 ]] || fail "bless ended with $blessed: $(<"$SCRATCH/bless")"
        expect_exit 0 driftctl verify
        baseline_is_old_or_new
        start_daemon
        gap_covers "$killed" "$(now)"
        nothing_told_is_lost
    done
    [[ -s $SCRATCH/told ]] || fail "nobody was told anything: the test shows nothing"
    wait_until "$LIVE" ledger_equals_audit
    expect_exit 0 driftctl verify
}

# Milliseconds of one bless.
bless_ms() {
    local before=${EPOCHREALTIME/./}
    bless_all
    echo $(((${EPOCHREALTIME/./} - before) / 1000))
}

test_killed_while_a_bless_is_under_way() {
    need_root
    printf 'one\n' >"$TREE/a"
    start_clean
    put "$TREE/a" 'two\n'
    local id number=2 blessed round blessing ms new=0
    ms=$(bless_ms)
    id=$(active_id)
    for ((round = 1; round <= ROUNDS; round++)); do
        put "$TREE/a" "round $round\n"
        in_background "$BUILD/driftctl" --config "$CONFIG" bless --ticket "CHG-$round" --key "$KEYS/alice" --yes >"$SCRATCH/bless" 2>&1 && blessing=$!
        pause_up_to $((ms + ms / 3))
        crash_daemon
        blessed=0
        wait "$blessing" || blessed=$?
        local before=$id
        baseline_is_old_or_new
        start_daemon
        [[ $id == "$before" ]] || new=$((new + 1))
        # Nothing between: with the old one it is drift, with the new one it is none.
        expect_exit "$([[ $id == "$before" ]] && echo 1 || echo 0)" driftctl diff
        expect_exit 0 driftctl verify
    done
    echo "$new of $ROUNDS were applied" >&9
}

# kill_blessing — a bless of driftctl, killed at a random moment; sets `blessed`
kill_blessing() {
    in_background "$BUILD/driftctl" --config "$CONFIG" bless --ticket "CHG-$round" --key "$KEYS/alice" --yes >"$SCRATCH/bless" 2>&1
    local blessing=$!
    pause_up_to $((ms + ms / 3))
    kill -KILL "$blessing" 2>/dev/null || true
    blessed=0
    wait "$blessing" 2>/dev/null || blessed=$?
}

test_what_a_killed_apply_left_on_the_shelf_goes_at_the_next_start() {
    local shelf=$STATE/baselines kept
    printf 'one\n' >"$TREE/a"
    start_clean
    expect_equal "$(find "$shelf" -name '*@1.baseline*' | wc -l)" 2 'what is on the shelf'
    crash_daemon
    kept=$(find "$shelf" | sort)
    printf 'driftd-baseline 1\n' >"$shelf/.driftd-0123456789abcdef.tmp" # as one that never got its name
    : >"$shelf/.driftd-notes.tmp"
    start_daemon
    expect_equal "$(find "$shelf" ! -name .driftd-notes.tmp | sort)" "$kept" 'what is on the shelf after the start'
    [[ -e $shelf/.driftd-notes.tmp ]] || fail 'a file that is not ours was removed'
    expect_exit 0 driftctl diff
}

test_driftctl_is_killed_while_it_blesses() {
    need_root
    printf 'one\n' >"$TREE/a"
    first_steps
    local id number=1 blessed round ms before
    put "$TREE/a" 'two\n'
    ms=$(bless_ms)
    id=$(active_id) number=2
    # Alone, on the store itself; then with a daemon, which goes on.
    for how in alone served; do
        [[ $how == alone ]] || start_daemon
        for ((round = 1; round <= ROUNDS; round++)); do
            put "$TREE/a" "$how $round\n"
            before=$id
            kill_blessing
            [[ $how == alone ]] || wait_until "$LIVE" daemon_is_up
            baseline_is_old_or_new
            expect_exit "$([[ $id == "$before" ]] && echo 1 || echo 0)" driftctl diff
            expect_exit 0 driftctl verify
        done
    done
}
