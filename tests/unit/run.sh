#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh BUILD PROGRAM... — runs the unit tests, one line each; shows the output of those that fail.
set -uo pipefail

build=$1
shift
passed=0 failed=0
export CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER:-10}
for program in "$@"; do
    output=$("$program" 2>&1)
    status=$?
    checks=0 bad=0
    # Check's summary: "97%: Checks: 31, Failures: 1, Errors: 0"
    if [[ $output =~ Checks:\ ([0-9]+),\ Failures:\ ([0-9]+),\ Errors:\ ([0-9]+) ]]; then
        checks=${BASH_REMATCH[1]} bad=$((BASH_REMATCH[2] + BASH_REMATCH[3]))
    fi
    # A program that died, or ran nothing, is a failure of its own.
    if [[ $status -ne 0 && $bad -eq 0 ]] || [[ $checks -eq 0 ]]; then
        bad=$((bad + 1)) checks=$((checks + 1))
    fi
    passed=$((passed + checks - bad)) failed=$((failed + bad))
    if [[ $bad -eq 0 ]]; then
        printf 'ok    %-24s %3d\n' "${program##*/}" "$checks"
    else
        printf 'FAIL  %-24s %3d of %d (status %d)\n%s\n' "${program##*/}" "$bad" "$checks" "$status" "$output"
    fi
done
echo "$passed $failed 0" >"$build/unit.total"
[[ $failed -eq 0 ]]
