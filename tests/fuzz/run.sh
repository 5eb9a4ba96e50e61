#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh SECONDS HARNESS... — runs each fuzz harness for so long on what it found before and on its seeds
# (tests/fuzz/corpus/NAME). What makes one fail is left beside the harness as crash-…
set -uo pipefail

seconds=$1
shift
[[ $# -gt 0 ]] || { echo "fuzz: there are no harnesses" >&2 && exit 1; }

run_one() {
    local seconds=$1 harness=$2 name seeds=() output
    name=${harness##*/fuzz_}
    mkdir -p "$harness.corpus"
    [[ ! -d tests/fuzz/corpus/$name ]] || seeds=("tests/fuzz/corpus/$name")
    if output=$("$harness" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$harness.crash-" "$harness.corpus" "${seeds[@]}" 2>&1); then
        printf 'ok    %-20s %9s runs\n' "$name" "$(awk '/stat::number_of_executed_units/{print $2}' <<<"$output")"
    else
        printf 'FAIL  %s\n%s\n' "$name" "$(tail -n 60 <<<"$output")"
        return 1
    fi
}
export -f run_one
# shellcheck disable=SC2016 # expanded by the inner shell
printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" bash -c 'run_one "$0" "$1"' "$seconds"
