#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# valgrind.sh BUILD unit PROGRAM... — unit tests under memcheck, each in one process.
# valgrind.sh BUILD system TEST... — system tests with driftd and driftctl under memcheck: programs of these names in
#                                    build-valgrind start it, and an error or a definite leak ends them with 99.
set -uo pipefail

build=$(realpath "$1") kind=$2
shift 2
check='valgrind -q --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99'
command -v valgrind >/dev/null || { echo "valgrind.sh: valgrind is not installed; run: sudo make deps-check" >&2 && exit 1; }
export CK_FORK=no CK_TIMEOUT_MULTIPLIER=50 check

unit_one() {
    local output
    # shellcheck disable=SC2086 # words
    if output=$($check "$1" 2>&1); then
        echo "ok    ${1##*/}"
    else
        printf 'FAIL  %s\n%s\n' "${1##*/}" "$output"
        return 1
    fi
}
export -f unit_one

if [[ $kind == unit ]]; then
    # shellcheck disable=SC2016 # expanded by the inner shell
    printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" bash -c 'unit_one "$1"' unit
    exit
fi
mkdir -p build-valgrind
for program in driftd driftctl; do
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$check" "$build/$program" >"build-valgrind/$program"
    chmod +x "build-valgrind/$program"
done
TEST_SECONDS=${TEST_SECONDS:-1200} BUILD=build-valgrind tests/system/run.sh "$@"
