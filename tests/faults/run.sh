#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [SCENARIO]... — each place where a call can fail is made to fail, once and from then on for good. The programs in
# FAULTY (tests/faults/inject.c, under the sanitizers) run with the fault; those in BUILD tell afterwards what is left.
#
# Of each scenario (tests/faults/scenarios.sh) must hold, whatever failed:
#   - no crash, no finding of a sanitizer, no leak, no hang;
#   - no false clean: there is drift whenever it is asked for, so that exit 0 is wrong; and a list that calls itself complete
#     has all of it;
#   - what a command calls done is done;
#   - the store holds: `verify` accepts it afterwards, no record that was there is gone, the baseline is the old one or the
#     new one, and a run without a fault then finds the drift.
#
# A run without a fault lists the places; of these a point takes one, a kind of call and a mode. KINDS="memory read:EINTR …"
# and MODES="once good" choose; STRIDE=N takes every N-th, by OFFSET (1 to STRIDE, or random); JOBS run at a time.
# PLACE=ID runs one point alone, shows all about it and keeps its folder.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
FAULTY=$(realpath "${FAULTY:-build-asan/faulty}")
KINDS=${KINDS:-memory open open:EACCES read read:EINTR read:short look look:EACCES write write:EINTR write:short sync rename watch socket thread}
MODES=${MODES:-once good}
STRIDE=${STRIDE:-1} OFFSET=${OFFSET:-1} ONLY=${PLACE:-} JOBS=${JOBS:-$(nproc)}
[[ $OFFSET != random ]] || OFFSET=$((RANDOM % STRIDE + 1))
[[ -z $ONLY ]] || JOBS=1
unset SUDO_USER NO_COLOR DRIFTD_PASSPHRASE_FILE SSH_AUTH_SOCK NOTIFY_SOCKET WATCHDOG_USEC
export LC_ALL=C.UTF-8 TZ=UTC
exec 6<> <(:) # a pipe that nobody writes to: a pause without a process (a shell that starts millions can wait for one in vain)

parent=${TMPDIR:-/dev/shm}
[[ -d $parent ]] || parent=/tmp
folder=$(mktemp -d "$parent/driftd-faults.XXXXXX")
chmod 0755 "$folder"
# What was started is ended by number; nothing is called that was not started here.
end_all() {
    local file
    for file in "$folder"/*/pid; do
        [[ -s $file ]] && kill -KILL "$(<"$file")" 2>/dev/null
    done
    [[ -n $ONLY ]] || rm -rf "$folder"
}
trap end_all EXIT
trap 'exit 130' INT TERM

. tests/faults/scenarios.sh

# ---- one point ----

# wrong WORDS — the point fails; it goes on, so that all that is wrong is told.
wrong() {
    echo "$*" >>"$HERE/wrong"
}

# point SCENARIO KIND MODE PLACE — one line on standard output: SCENARIO KIND MODE PLACE ok|not-met|WRONG [WORDS]. Without a
# PLACE nothing fails.
point() {
    KIND=$2 MODE=$3 PLACE=$4
    local word=ok words=''
    restore
    "run_$1"
    end_daemon
    compgen -G "$HERE/sanitizer*" >/dev/null && wrong "a sanitizer's finding: $(grep -hE 'ERROR:|runtime error|SUMMARY' "$HERE"/sanitizer* | head -n 2 | tr '\n' ' ')"
    fired || word=not-met
    [[ ! -s $HERE/wrong ]] || word=WRONG words=$(tr '\n' ';' <"$HERE/wrong")
    echo "$1 $2 $3 ${4:-none} $word $words"
    [[ $word != WRONG ]] || keep_trace "$1-$2-$3-${4:-none}"
}

# The way to the call that failed, and what the programs said, for the report at the end.
keep_trace() {
    {
        echo "---- $1"
        cat "$HERE/wrong"
        head -n 16 "$HERE/report" 2>/dev/null
        cat "$HERE"/sanitizer* 2>/dev/null | head -n 60
        echo "stdout:" && head -c 1500 "$HERE/stdout" 2>/dev/null
        echo "stderr:" && head -c 1500 "$HERE/stderr" 2>/dev/null
        echo "driftd:" && tail -n 8 "$HERE/driftd.log" 2>/dev/null
    } >"$folder/trace-$1"
    [[ -z $ONLY ]] || cat "$folder/trace-$1" >&2
}

fired() {
    grep -qs '^fired' "$HERE/report"
}

# ---- all points ----

# places SCENARIO KIND — a run without a fault; sets `places` to those that this worker takes
find_places() {
    local id
    places=()
    point "$1" "$2" once ''
    while read -r id; do
        ((0x$id / 2 % (STRIDE * JOBS) != (OFFSET - 1) * JOBS + number)) || places+=("$id")
    done < <(sed -n 's/^place //p' "$HERE/report" 2>/dev/null | sort -u)
    [[ -z $ONLY ]] || places=("$ONLY")
}

# worker NUMBER SCENARIO... — its share of the points, in a folder of its own
worker() {
    local number=$1 scenario kind mode id places before
    shift
    HERE=$folder/$number
    for scenario in "$@"; do
        rm -rf "$HERE" && mkdir "$HERE" && prepare "$scenario" >/dev/null 2>&1 || exit 1
        before=
        for kind in $KINDS; do
            [[ ${kind%:*} == "$before" ]] || find_places "$scenario" "${kind%:*}"
            before=${kind%:*}
            for mode in $MODES; do
                # What is interrupted for ever is no fault but a hang.
                [[ $kind/$mode != *:EINTR/good ]] || continue
                for id in "${places[@]}"; do point "$scenario" "$kind" "$mode" "$id"; done
            done
        done
    done >"$folder/points.$number"
}

# SCENARIO's totals, kind by kind.
totals() {
    cat "$folder"/points.* | awk '
        {key = $1; kinds[$2]; if (!(key in seen)) {seen[key]; order[++scenarios] = key}}
        $5 == "not-met" && $4 != "none" {missed++}
        $5 != "not-met" {n[key, $2]++; all++}
        $5 == "WRONG" {
            bad++
            line = tolower($0)
            if (line ~ /sanitizer|signal/) crash++
            if (line ~ /leak/) leak++
            if (line ~ /false clean/) clean++
            if (line ~ /hang/) hang++
        }
        END {
            for (i = 1; i <= scenarios; i++) {
                printf "%-14s", order[i]
                for (k in kinds) if (n[order[i], k]) printf " %s %d", k, n[order[i], k]
                print ""
            }
            printf "%d points: %d wrong (%d crashes, %d leaks, %d false cleans, %d hangs); %d places were not met again\n", all, bad, crash, leak, clean, hang, missed
        }'
}

if [[ $# -gt 0 ]]; then scenarios=("$@"); else read -ra scenarios <<<"$SCENARIOS"; fi
echo "faults: STRIDE=$STRIDE OFFSET=$OFFSET"
for ((i = 0; i < JOBS; i++)); do
    worker "$i" "${scenarios[@]}" &
done
failed=0
for ((i = 0; i < JOBS; i++)); do wait -n || failed=1; done
totals
while read -r scenario kind mode n _ words; do
    failed=1
    echo "WRONG: PLACE=$n KINDS=$kind MODES=$mode tests/faults/run.sh $scenario: $words"
done < <(cat "$folder"/points.* | grep ' WRONG ')
[[ -z ${TRACES:-} ]] || cat "$folder"/trace-* >"$TRACES" 2>/dev/null
exit "$failed"
