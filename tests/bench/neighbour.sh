# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What a background pass does to others, and whether it keeps its limits. A background full pass is the first one after a start:
# each round starts the daemon anew. Owns nothing: it uses the instance `scan`.

# The pass has begun (it reads content), and is not over.
pass_reads() {
    [[ $(awk '/^rchar/ {print $2}' "/proc/$DAEMON/io") -gt $((32 << 20)) ]]
}

# fio_p99 — of random reads of 4 KiB past the cache, beside the tree; in ms
fio_p99() {
    fio --name=neighbour --filename="$SCRATCH/fio.data" --size=256M --rw=randread --bs=4k --direct=1 --ioengine=psync \
        --numjobs=1 --time_based --runtime="${BENCH_FIO_SECONDS:-6}" --output-format=json >"$SCRATCH/fio.json" 2>"$SCRATCH/err" ||
        die "fio: $(head -c 500 "$SCRATCH/err")"
    jq '.jobs[0].read | .clat_ns.percentile["99.000000"] / 1e6' "$SCRATCH/fio.json"
}

section_neighbour() {
    local i through=0
    scan_instance
    stop_daemon
    if ! command -v fio >/dev/null; then
        echo 'neighbour not run: fio is not installed (Debian: apt-get install fio)'
    else
        fio_p99 >/dev/null # lays the file out
        for ((i = 0; i < ROUNDS; i++)); do
            [[ ! -w /proc/sys/vm/drop_caches ]] || drop_caches
            fio_p99 >>"$SCRATCH/fio.alone"
            [[ ! -w /proc/sys/vm/drop_caches ]] || drop_caches
            start_daemon
            wait_for 60 pass_reads || die "the background pass did not begin"
            fio_p99 >>"$SCRATCH/fio.with"
            full_pass_over || through=$((through + 1))
            stop_daemon
        done
        rm "$SCRATCH/fio.data"
        neighbour_figures "$through"
    fi
    limit max_rate
    limit max_cpu
}

neighbour_figures() {
    local pairs ratio
    pairs=$(paste -d' ' "$SCRATCH/fio.with" "$SCRATCH/fio.alone" | awk '{printf "%.2f\n", $1 / $2}')
    ratio=$(median <<<"$pairs")
    figure neighbour 'p99 of fio beside a background full pass' "$ratio" x report - \
        "$(median <"$SCRATCH/fio.with") beside $(median <"$SCRATCH/fio.alone") ms alone; pairs $(spread <<<"$pairs"); the pass went on to the end of fio in $1 of $ROUNDS"
}

# limit KEY — bytes read (MiB/s) or CPU (% of a core) of the first background pass, second by second
limit() {
    local key=$1 wanted=20 seconds=${BENCH_LIMIT_SECONDS:-12} unit=MiB/s i now last start since
    [[ $key == max_rate ]] || unit='%'
    write_config "$TREE" "$key = $wanted"
    if ! driftctl config check >/dev/null 2>&1; then
        echo "neighbour not run: $key is not supported by this driftd"
        write_config "$TREE"
        return
    fi
    : >"$SCRATCH/limit"
    start_daemon
    wait_for 60 pass_reads || die "the background pass did not begin"
    last=$(used "$key") start=$last since=$EPOCHREALTIME
    for ((i = 0; i < seconds && MISSED >= 0; i++)); do
        pause 1
        now=$(used "$key")
        calc "$now - $last" 1 >>"$SCRATCH/limit"
        last=$now
    done
    since=$(calc "$EPOCHREALTIME - $since")
    ! full_pass_over || echo "neighbour: the pass ended before $seconds s: the tree is too small for a good figure" >&2
    now=$(calc "($last - $start) / $since" 1)
    figure neighbour "$key = $wanted: what a background pass takes" "$now" "$unit" report - "second by second $(spread <"$SCRATCH/limit")"
    figure neighbour "$key: off by" "$(calc "($now > $wanted ? $now - $wanted : $wanted - $now) / $wanted * 100" 1)" % target 10
    stop_daemon
    write_config "$TREE"
}

# used KEY — by the daemon so far: MiB read, or CPU in hundredths of a second
used() {
    if [[ $1 == max_rate ]]; then
        awk '/^rchar/ {printf "%.2f\n", $2 / 1048576}' "/proc/$DAEMON/io"
    else
        calc "$(cpu_of "$DAEMON") * 100" 0
    fi
}
