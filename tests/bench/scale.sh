# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # the parts use each other's variables
# A million files, and a history of a million records. Owns the instances `million` and `history`, one after the other: each
# is taken away when it is measured.

section_scale() {
    scale_million
    scale_history
}

scale_million() {
    local count=${BENCH_MILLION:-1000000} million=$SCRATCH/million.tree file start i
    stop_daemon
    "$TOOLS/tree" "$million" "$count"
    instance million "$million"
    timed "$SCRATCH/first" bless
    seconds_figure scale "first bless of $count files, without the daemon" "$SCRATCH/first" report -
    start=$EPOCHREALTIME
    start_daemon
    figure scale "start to READY with $count files" "$(calc "$EPOCHREALTIME - $start")" s report -
    wait_for 1800 full_pass_over || die "the first full pass did not end"
    figure scale "resident with $count files" "$(resident VmRSS)" MiB gate 256 "at most $(resident VmHWM); the baseline's text is $(du -m --apparent-size "$SCRATCH/million/state/baselines/"*.baseline | head -n 1 | cut -f1)"
    file=$(find "$million" -name '*.conf' -print -quit)
    for ((i = 0; i < (ROUNDS + 1) / 2; i++)); do
        echo changed >>"$file"
        timed "$SCRATCH/million.diff" driftctl diff
        timed "$SCRATCH/million.bless" bless "$file"
    done
    seconds_figure scale "diff after one change in $count files" "$SCRATCH/million.diff" report -
    seconds_figure scale "bless of one file in $count" "$SCRATCH/million.bless" target 5
    figure scale "resident at most, over such a bless" "$(resident VmHWM)" MiB gate 256 "after it $(resident VmRSS)"
    stop_daemon
    "$TOOLS/tree" "$million" "$count" rm
    rm -r "$SCRATCH/million"
}

scale_history() {
    local records=${BENCH_RECORDS:-1000000} i start answer
    stop_daemon
    mkdir -p "$SCRATCH/little"
    instance history "$SCRATCH/little"
    bless
    start=$EPOCHREALTIME
    "$TOOLS/history" "$SCRATCH/history/state/driftd.db" "$records"
    figure scale "a history of $records records was made" "$(calc "$EPOCHREALTIME - $start")" s report - \
        "$(du -m "$SCRATCH/history/state/driftd.db" | cut -f1) MiB"
    for ((i = 0; i < (ROUNDS + 1) / 2; i++)); do
        timed "$SCRATCH/verify.store" driftctl verify
    done
    start_settled
    "$TOOLS/answer" "$SOCKET" >"$SCRATCH/answer" &
    answer=$!
    OTHERS=("$answer")
    for ((i = 0; i < (ROUNDS + 1) / 2; i++)); do
        timed "$SCRATCH/verify.daemon" driftctl verify
    done
    end_process "$answer"
    OTHERS=()
    seconds_figure scale "verify of $records records, by the daemon" "$SCRATCH/verify.daemon" target 5
    read -r _ _ _ start <"$SCRATCH/answer"
    figure scale 'socket answers meanwhile: max' "$start" ms report -
    seconds_figure scale "verify of $records records, without the daemon" "$SCRATCH/verify.store" target 5
    timed "$SCRATCH/log" driftctl log --since -1h --json
    seconds_figure scale 'log of the last hour of them' "$SCRATCH/log" report -
    stop_daemon
    rm -r "$SCRATCH/history"
}
