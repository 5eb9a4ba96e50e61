#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# total.sh BUILD — sums up what the test runners left in BUILD/*.total ("passed failed skipped"); fails if a test
# failed or a runner left nothing.
set -euo pipefail

build=$1 passed=0 failed=0 skipped=0 missing=()
for kind in unit system; do
    if read -r p f s <"$build/$kind.total" 2>/dev/null; then
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    else
        missing+=("$kind")
    fi
done
[[ $skipped -eq 0 ]] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
if [[ ${#missing[@]} -gt 0 ]]; then
    echo "these tests did not run to their end: ${missing[*]}" >&2
    exit 1
fi
[[ $failed -eq 0 && $passed -gt 0 ]]
