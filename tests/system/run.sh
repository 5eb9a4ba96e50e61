#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [NAME]... — runs the system tests of build/ (or BUILD): each function test_… of each test_*.sh in a process and a
# scratch folder of its own. NAME chooses: a file (names), or a function. One line each, then the totals. (SUITE=bed: the
# same for tests/bed, whose run.sh calls this one.)
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
SUITE=${SUITE:-system}
export BUILD SUITE
LIMIT=${TEST_SECONDS:-300} # of one test
results=$(mktemp -d "${TMPDIR:-/var/tmp}/driftd-results.XXXXXX")
export results LIMIT
trap 'rm -rf "$results"' EXIT

for program in driftd driftctl; do
    [[ -x $BUILD/$program ]] || { echo "run.sh: there is no $BUILD/$program; run: make" >&2 && exit 1; }
done

# A sanitizer's finding must not look like an exit code of ours, and counts wherever it was written.
export ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=1 UBSAN_OPTIONS=exitcode=99:print_stacktrace=1

# What a test left running or made undeletable. Only what the test wrote down as its own is ended.
clean_up() {
    local scratch=$1 pid started
    while read -r pid started; do
        [[ $(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null) == "$started" ]] && kill -KILL "$pid"
    done < <(cat "$scratch/pids" 2>/dev/null)
    findmnt -rno TARGET | grep -F "$scratch/" | sort -r | xargs -r -n 1 umount -l
    chattr -R -f -ia "$scratch" 2>/dev/null
    rm -rf --one-file-system "$scratch"
}

run_one() {
    local file=$1 name=$2 scratch status start=$EPOCHREALTIME word
    scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/driftd.XXXXXX")
    trap 'clean_up "$scratch"; exit 130' INT TERM
    chmod 0755 "$scratch" # lines of a file are kept where everybody may read it
    # shellcheck disable=SC2016 # expanded by the inner shell
    SCRATCH=$scratch ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$scratch/sanitizer \
        UBSAN_OPTIONS=$UBSAN_OPTIONS:log_path=$scratch/sanitizer \
        timeout --foreground --kill-after=10 "$LIMIT" bash -c '. "tests/$SUITE/lib.sh"; . "$1"; "$2"; end_test' test "$file" "$name" \
        >"$results/$name.log" 2>&1 </dev/null
    status=$?
    if [[ $status -eq 0 ]] && compgen -G "$scratch/sanitizer*" >/dev/null; then
        status=99
        cat "$scratch"/sanitizer* >>"$results/$name.log"
    fi
    case $status in
    0) word=ok ;;
    77) word=skip && [[ ${CI:-} != true ]] || word=FAIL ;;
    78) word=skip ;;
    124 | 137) word=FAIL && echo "not done after $LIMIT s" >>"$results/$name.log" ;;
    *) word=FAIL ;;
    esac
    echo "$word" >"$results/$name.word"
    clean_up "$scratch"
    printf '%-5s %-24s %-66s %5.1f s\n' "$word" "$(basename "$file" .sh | sed 's/^test_//')" "${name#test_}" \
        "$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN{print b - a}')"
    # A test that passed tells only what it measured.
    if [[ $word == ok ]]; then sed -n 's/^note: /      /p' "$results/$name.log"; else sed 's/^/      /' "$results/$name.log"; fi
}
export -f run_one clean_up

tests=()
for file in tests/"$SUITE"/test_*.sh; do
    while read -r name; do
        chosen=$([[ $# -eq 0 ]] && echo yes)
        for want in "$@"; do
            case $want in "$name" | "test_$name" | "$(basename "$file" .sh | sed 's/^test_//')" | "$(basename "$file")" | "$(basename "$file" .sh)") chosen=yes ;; esac
            [[ $name != "test_$want" ]] || chosen=yes
        done
        [[ -z $chosen ]] || tests+=("$file" "$name")
    done < <(sed -nE 's/^(test_[a-z0-9_]+)\(\) \{$/\1/p' "$file")
done
[[ ${#tests[@]} -gt 0 ]] || { echo "run.sh: no test is called $*" >&2 && exit 1; }

printf '%s\0' "${tests[@]}" | xargs -0 -n 2 -P "${JOBS:-$(nproc)}" bash -c 'run_one "$0" "$1"'

count() {
    cat "$results"/*.word 2>/dev/null | grep -c "^$1\$"
}
passed=$(count ok) failed=$(count FAIL) skipped=$(count skip)
ran=$((passed + failed + skipped))
[[ $ran -eq $((${#tests[@]} / 2)) ]] || { echo "run.sh: $ran of $((${#tests[@]} / 2)) tests told how they went" >&2 && failed=$((failed + 1)); }
echo "$passed $failed $skipped" >"$BUILD/${TOTAL:-$SUITE}.total"
echo "${TOTAL:-$SUITE} tests: $passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
