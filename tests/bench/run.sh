#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh — what driftd costs above the raw work, as ratios measured in turns in one run, with everything in the page cache:
#   full:  driftctl scan --full  beside  raw (walk + SHA-256, as many threads)  and  find | xargs sha256sum
#   quick: driftctl scan         beside  find -printf
# BENCH_TREE (/usr) is the tree, BENCH_ROUNDS (5) the number of rounds; the median of each counts. Exit 1: a gate is missed.
set -euo pipefail

cd "$(dirname "$0")/../.."
BUILD=$(realpath "${BUILD:-build}")
tree=$(realpath "${BENCH_TREE:-/usr}")
rounds=${BENCH_ROUNDS:-5}
threads=$(nproc)
[[ $(id -u) -eq 0 ]] || { echo "bench: needs root, to read the whole tree" >&2 && exit 4; }

scratch=$(mktemp -d /var/tmp/driftd-bench.XXXXXX)
daemon=
clean_up() {
    [[ -z $daemon ]] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null; } || true
    rm -rf --one-file-system "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

driftctl() {
    "$BUILD/driftctl" -c "$scratch/driftd.conf" -q "$@"
}

cat >"$scratch/driftd.conf" <<TEXT
[daemon]
state_dir = $scratch/state
runtime_dir = $scratch/run
trust = $scratch/trust.conf

[files tree]
path = $tree
mounts = none
keep_content = never
TEXT

# seconds COMMAND... — how long it took; a drift (exit 1) is an answer too, a failure is none
seconds() {
    local start=$EPOCHREALTIME status=0
    "$@" >/dev/null 2>"$scratch/err" || status=$?
    [[ $status -le 1 ]] || { cat "$scratch/err" >&2 && exit 4; }
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.3f\n", b - a}'
}

with_find() {
    find "$tree" -xdev -type f -print0 | xargs -0 -P "$threads" -n 256 sha256sum
}

median() {
    sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}

read -r files bytes _ < <("$BUILD/tests/bench/raw" "$tree" "$threads") # also fills the cache
echo "$tree: $files files, $((bytes >> 20)) MiB; $threads threads, $rounds rounds, warm; $(uname -sr)"
driftctl key generate --name bench -o "$scratch/key" --no-passphrase >/dev/null
driftctl init --trust "$scratch/key.pub" --yes >/dev/null 2>&1
driftctl bless --ticket bench --key "$scratch/key" --yes >/dev/null 2>&1
"$BUILD/driftd" -c "$scratch/driftd.conf" 2>"$scratch/log" &
daemon=$!
until grep -q " 00010000 .* $scratch/run/control.sock\$" /proc/net/unix; do
    kill -0 "$daemon" || { cat "$scratch/log" >&2 && exit 4; }
    read -rt 0.05 <> <(:) || true
done
driftctl scan --full >/dev/null || [[ $? -eq 1 ]] # its own first full pass is over

for ((i = 0; i < rounds; i++)); do
    "$BUILD/tests/bench/raw" "$tree" "$threads" | cut -d' ' -f3 >>"$scratch/raw"
    seconds driftctl scan --full >>"$scratch/full"
    seconds with_find >>"$scratch/sha256sum"
    seconds find "$tree" -xdev -printf '%s %m\n' >>"$scratch/find"
    seconds driftctl scan >>"$scratch/quick"
done

missed=0
# row NAME FILE REFERENCE [GATE]
row() {
    local mine reference ratio verdict=
    mine=$(median <"$scratch/$2")
    reference=$(median <"$scratch/$3")
    ratio=$(awk -v a="$mine" -v b="$reference" 'BEGIN {printf "%.2f", a / b}')
    if [[ -n ${4:-} ]]; then
        if awk -v r="$ratio" -v g="$4" 'BEGIN {exit !(r <= g)}'; then
            verdict="gate $4: met"
        else
            verdict="gate $4: MISSED" missed=1
        fi
    fi
    printf '%-46s %8.3f s  beside %8.3f s  ratio %5s  (%s to %s)  %s\n' "$1" "$mine" "$reference" "$ratio" \
        "$(sort -n "$scratch/$2" | head -n 1)" "$(sort -n "$scratch/$2" | tail -n 1)" "$verdict"
}
row 'scan --full, beside raw walk + SHA-256' full raw 1.15
row 'scan --full, beside find | xargs sha256sum' full sha256sum
row 'scan (quick), beside find -printf' quick find 1.3
awk '/^VmHWM/{h = $2} /^VmRSS/{r = $2} END {printf "driftd resident: %.1f MiB now, %.1f MiB at most\n", r / 1024, h / 1024}' "/proc/$daemon/status"
exit "$missed"
