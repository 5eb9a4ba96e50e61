#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# lint.sh SOURCES ALL_C SHELL_FILES MANUALS — every looker that finds faults without running anything. Each argument is
# one list of words; LINT_CPPFLAGS are the preprocessor's, quoted as for the shell. All of them run; then it fails if one
# found something.
set -uo pipefail

read -ra sources <<<"$1"
read -ra all_c <<<"$2"
read -ra shell_files <<<"$3"
read -ra manuals <<<"$4"
declare -a cppflags
eval "cppflags=($LINT_CPPFLAGS)"
jobs=$(nproc)
failed=()

for tool in clang-tidy cppcheck clang-format shellcheck mandoc; do
    command -v "$tool" >/dev/null || { echo "lint: $tool is not installed; run: sudo make deps-check" >&2 && exit 1; }
done

look() {
    local name=$1
    shift
    echo "lint: $name"
    "$@" || failed+=("$name")
}

# .clang-tidy says which checks, and that each finding is an error. Its count of suppressed warnings is no finding.
tidy_one() {
    local output
    eval "set -- \"\$1\" $LINT_CPPFLAGS"
    local file=$1
    shift
    # The file that defines them is not told what they do.
    [[ $file == core/err.c ]] || set -- "$@" -include tests/lint.h
    output=$(clang-tidy --quiet "$file" -- -std=gnu17 "$@" 2>/dev/null) && return
    printf '%s\n' "$output"
    return 1
}
export -f tidy_one

tidy() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    printf '%s\0' "${sources[@]}" | xargs -0 -n 1 -P "$jobs" bash -c 'tidy_one "$1"' tidy
}

# unusedFunction and style are the compiler's and clang-tidy's business; a message below is a fault or a risk.
cpp_check() {
    cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr --force -j "$jobs" \
        --suppressions-list=tests/cppcheck.txt --error-exitcode=1 "${cppflags[@]}" "${sources[@]}"
}

look clang-format clang-format --dry-run -Werror "${all_c[@]}"
look shellcheck shellcheck -x "${shell_files[@]}"
[[ ${#manuals[@]} -eq 0 ]] || look mandoc mandoc -T lint -W warning "${manuals[@]}"
look cppcheck cpp_check
look clang-tidy tidy

[[ ${#failed[@]} -eq 0 ]] || { echo "lint: found something: ${failed[*]}" >&2 && exit 1; }
