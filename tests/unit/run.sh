#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh BUILD PROGRAM... — runs the unit tests, JOBS (the number of processors) at a time; one line each, and the output of
# those that fail.
set -uo pipefail

build=$1
shift
results=$(mktemp -d "${TMPDIR:-/var/tmp}/driftd-unit.XXXXXX")
trap 'rm -rf "$results"' EXIT
export results CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-10}

run_one() {
    local program=$1 output status checks=0 bad=0
    output=$("$program" 2>&1 </dev/null)
    status=$?
    # Check's summary: "97%: Checks: 31, Failures: 1, Errors: 0"
    if [[ $output =~ Checks:\ ([0-9]+),\ Failures:\ ([0-9]+),\ Errors:\ ([0-9]+) ]]; then
        checks=${BASH_REMATCH[1]} bad=$((BASH_REMATCH[2] + BASH_REMATCH[3]))
    fi
    # A program that died, or ran nothing, is a failure of its own.
    if [[ $status -ne 0 && $bad -eq 0 ]] || [[ $checks -eq 0 ]]; then
        bad=$((bad + 1)) checks=$((checks + 1))
    fi
    echo "$((checks - bad)) $bad" >"$results/${program##*/}"
    if [[ $bad -eq 0 ]]; then
        printf 'ok    %-24s %3d\n' "${program##*/}" "$checks"
    else
        printf 'FAIL  %-24s %3d of %d (status %d)\n%s\n' "${program##*/}" "$bad" "$checks" "$status" "$output"
    fi
}
export -f run_one

printf '%s\0' "$@" | xargs -0 -n 1 -P "${JOBS:-$(nproc)}" bash -c 'run_one "$1"' run
# One that left no result at all counts as failed.
read -r passed failed told < <(cat "$results"/* | awk '{p += $1; f += $2} END {print p + 0, f + 0, NR}')
failed=$((failed + $# - told))
echo "$passed $failed 0" >"$build/unit.total"
[[ $failed -eq 0 ]]
