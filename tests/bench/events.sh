# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # the parts use each other's variables
# What happens between passes: start, one change, many changes, an archive unpacked. Owns the instance `events`, whose tree is
# made: BENCH_FILES (160,000) small files.

events_instance() {
    made=$SCRATCH/made
    if [[ -d $SCRATCH/events ]]; then
        use events
    else
        mkdir -p "$made/untar" "$made/storm"
        "$TOOLS/tree" "$made/tree" "$FILES"
        "$TOOLS/storm" "$made/storm" 3000 make
        instance events "$made"
        bless
    fi
}

section_events() {
    local i file p50 p99 max
    events_instance
    for ((i = 0; i < ROUNDS; i++)); do
        stop_daemon
        file=$EPOCHREALTIME
        start_daemon
        calc "$EPOCHREALTIME - $file" >>"$SCRATCH/ready"
    done
    figure events "start to READY with $FILES files" "$(median <"$SCRATCH/ready")" s target 2 "$(spread <"$SCRATCH/ready") s"
    wait_for 600 full_pass_over || die "the first full pass did not end"
    figure events "resident with $FILES small files" "$(resident VmRSS)" MiB gate "$(memory_budget)" "at most $(resident VmHWM)"
    find "$made/tree" -name '*.conf' | sort | awk 'NR % 157 == 1' >"$SCRATCH/paths"
    for ((i = 1; i <= ROUNDS; i++)); do
        file=$(sed -n "${i}p" "$SCRATCH/paths")
        echo changed >>"$file"
        timed "$SCRATCH/diff" driftctl diff --json
        jq -e --arg item "file:$file" 'any(.drifts[]; .item == $item)' "$SCRATCH/out" >/dev/null || die "diff did not tell of $file"
    done
    seconds_figure events "diff after one change in $FILES files" "$SCRATCH/diff" target 1
    sed -n "$((ROUNDS + 1)),$((ROUNDS + ${BENCH_CHANGES:-300}))p" "$SCRATCH/paths" >"$SCRATCH/chosen"
    "$TOOLS/latency" socket "$SOCKET" 20 <"$SCRATCH/chosen" >"$SCRATCH/latency" || die "changes were not told"
    read -r p50 p99 max <"$SCRATCH/latency"
    figure events 'change to durable record, told to a client: p50' "$p50" ms target 20 "$(wc -l <"$SCRATCH/chosen") changes; from close()"
    figure events 'change to durable record, told to a client: p99' "$p99" ms target 100 "max $max ms"
    read -r p50 p99 max < <(tail -n 1 "$SCRATCH/latency")
    figure events "change to the record's own time: p50" "$p50" ms report - "p99 $p99, max $max ms"
}

# 48 MiB at 160,000 files, and 256 at a million, as they are; less is not asked for.
memory_budget() {
    [[ $FILES -gt 160000 ]] && echo 256 || echo 48
}

is_back_down() {
    awk -v now="$(resident VmRSS)" -v budget="$(memory_budget)" 'BEGIN {exit !(now <= budget)}'
}

storm_is_told() {
    driftctl diff --cached --json 2>/dev/null | jq -r '.drifts[] | select(.item | contains("/state-")) | "\(.change) \(.item)"' |
        sort >"$SCRATCH/told" || true
    cmp -s "$SCRATCH/told" "$SCRATCH/expected"
}

# storm RATE EVENTS — runs it while the socket is asked; sets events and took
storm() {
    local answer
    "$TOOLS/answer" "$SOCKET" >"$SCRATCH/answer" &
    answer=$!
    OTHERS=("$answer")
    read -r events took < <("$TOOLS/storm" "$made/storm" 3000 run "$1" "$2")
    end_process "$answer"
    OTHERS=()
}

section_storm() {
    local events took n p50 p99 max start before at_once count=${BENCH_STORM_SECONDS:-10}
    events_instance
    [[ -n $DAEMON ]] || start_settled
    before=$(resident VmRSS)
    "$TOOLS/storm" "$made/storm" 3000 expect | sort >"$SCRATCH/expected"
    storm 50000 $((count * 50000))
    start=$EPOCHREALTIME
    read -r n p50 p99 max <"$SCRATCH/answer"
    figure storm 'events a second made' "$(calc "$events / $took" 0)" 1/s report - "$events events in $took s"
    POLL=0.2 wait_for 120 storm_is_told && took=$(calc "$EPOCHREALTIME - $start") || took=120
    figure storm 'final states missed (by the ledger, no scan asked)' "$(comm -3 "$SCRATCH/told" "$SCRATCH/expected" | wc -l)" files gate 0 \
        "of $(wc -l <"$SCRATCH/expected"); all right $took s after the last event"
    figure storm 'socket answers during the storm: max' "$max" ms target 100 "$n answers; p50 $p50, p99 $p99 ms"
    "$TOOLS/storm" "$made/storm" 3000 mend
    section_untar
    at_once=$(resident VmRSS) start=$EPOCHREALTIME
    wait_for 15 is_back_down || true
    figure storm 'resident after storm and archive' "$(resident VmRSS)" MiB gate "$(memory_budget)" \
        "before $before; at most $(resident VmHWM); when the last removal was recorded $at_once, this $(calc "$EPOCHREALTIME - $start" 1) s later"
}

# So many lines of the log tell of what came: to ask the daemon for its open drifts has it count them all.
told_is() {
    [[ $(grep -c '^driftd: unexpected ' "$LOG") -ge $1 ]]
}

# follow_archive NAME — $SCRATCH/NAME.tar is unpacked alone and within the watched tree, twice; what it takes is in NAME.*
follow_archive() {
    local name=$1 i start entries base told
    for ((i = 0; i < 2; i++)); do
        mkdir -p "$SCRATCH/alone/$name.$i" "$made/untar/$name.$i"
        sync
        DAEMON='' timed "$SCRATCH/$name.alone" tar -xf "$SCRATCH/$name.tar" -C "$SCRATCH/alone/$name.$i"
        entries=$(find "$SCRATCH/alone/$name.$i" -mindepth 1 | wc -l)
        sync
        wait_for 60 open_settled || true
        base=$(open_drifts)
        told=$(grep -c '^driftd: unexpected ' "$LOG" || true)
        start=$EPOCHREALTIME
        DAEMON='' timed "$SCRATCH/$name.with" tar -xf "$SCRATCH/$name.tar" -C "$made/untar/$name.$i"
        POLL=0.1 wait_for 300 told_is $((told + entries)) || true
        POLL=0.2 wait_for 60 open_is $((base + entries)) || die "$(open_drifts) drifts, and not $((base + entries)), after $name.tar"
        calc "$EPOCHREALTIME - $start" >>"$SCRATCH/$name.followed"
        calc "$EPOCHREALTIME - $start - $(tail -n 1 "$SCRATCH/$name.with" | cut -d' ' -f1)" >>"$SCRATCH/$name.behind"
    done
}

# (Nothing is removed before all is measured: ext4 without a journal leaves inodes alone that were freed in the last minutes,
# and looks at each of them for every new file; tar then takes ten times as long, with driftd and without.)
section_untar() {
    local alone with first name what count=${BENCH_UNTAR_FILES:-80000}
    local real=$((count * 3 / 8)) # with the others, not more than drifts are kept
    "$TOOLS/tree" "$SCRATCH/packed" "$count"
    tar -cf "$SCRATCH/made.tar" -C "$SCRATCH" packed
    small_files_of_tree "$real" | tar -cf "$SCRATCH/real.tar" -C "$TREE" --null --no-recursion -T - 2>/dev/null || true
    wait_for 60 open_settled || true
    first=$(open_drifts)
    for name in made real; do
        follow_archive "$name"
        what="$count files"
        [[ $name == made ]] || what="$real small files of $TREE"
        alone=$(column 1 <"$SCRATCH/$name.alone" | median)
        with=$(column 1 <"$SCRATCH/$name.with" | median)
        figure storm "untar of $what until all are recorded" "$(calc "$(median <"$SCRATCH/$name.followed") / $alone" 2)" x target 1.2 \
            "tar alone $alone s, with driftd $with s, all recorded after $(median <"$SCRATCH/$name.followed") s"
        figure storm 'the last file is recorded after the end of such a tar' "$(median <"$SCRATCH/$name.behind")" s report - "$(spread <"$SCRATCH/$name.behind") s"
    done
    rm -r "$SCRATCH/packed" "$SCRATCH"/*.tar "$SCRATCH/alone" "$made"/untar/*
    POLL=0.5 wait_for 300 open_is "$first" || die "$(open_drifts) drifts, and not $first, after it was removed"
}

# small_files_of_tree COUNT — the first so many that are smaller than 32 KiB, below $TREE, in the order of find; with NULs
small_files_of_tree() {
    find "$TREE" -xdev -type f -size -32k -printf '%P\0' 2>/dev/null | head -z -n "$1"
}

# The number of open drifts holds still for a second.
open_settled() {
    local first
    first=$(open_drifts)
    pause 1
    open_is "$first"
}

# Memory must not grow with the number of events: what it is after each quarter of BENCH_EVENTS.
section_memory() {
    local i events took each=$((${BENCH_EVENTS:-2000000} / 4)) first='' list='' now
    events_instance
    [[ -n $DAEMON ]] || start_settled
    for ((i = 0; i < 4; i++)); do
        storm 0 "$each"
        "$TOOLS/storm" "$made/storm" 3000 mend
        wait_for 120 open_settled || true
        now=$(resident VmRSS)
        list+="$now "
        [[ -n $first ]] || first=$now
    done
    figure memory "resident after $((4 * each)) events, beside a quarter of them" "$(calc "$now / $first" 2)" x target 1.05 "MiB after each quarter: $list"
}
