# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Passes over BENCH_TREE: warm and cold, quick, with and without the daemon. Owns the instance `scan`.

with_find() {
    find "$TREE" -xdev -type f -print0 | xargs -0 -P "$(nproc)" -n 256 sha256sum
}

# The instance of the tree, blessed and settled; made once.
scan_instance() {
    if [[ -d $SCRATCH/scan ]]; then
        use scan
    else
        instance scan "$TREE"
        bless
    fi
    [[ -n $DAEMON ]] || start_settled
}

section_scan() {
    local i files bytes _
    read -r files bytes _ < <("$TOOLS/raw" "$TREE") # also fills the cache
    figure scan "files of $TREE" "$files" files report - "$((bytes >> 20)) MiB"
    scan_instance
    for ((i = 0; i < ROUNDS; i++)); do
        DAEMON='' timed "$SCRATCH/raw" "$TOOLS/raw" "$TREE"
        timed "$SCRATCH/full" driftctl scan --full
        DAEMON='' timed "$SCRATCH/find" find "$TREE" -xdev -printf '%s %m\n'
        timed "$SCRATCH/quick" driftctl scan
    done
    ratio_figure scan 'full pass beside raw walk + SHA-256' "$SCRATCH/full" "$SCRATCH/raw" gate 1.15
    ratio_figure scan 'quick pass beside find -printf' "$SCRATCH/quick" "$SCRATCH/find" gate 1.3
    figure scan 'full pass: CPU beside raw' "$(calc "$(column 2 <"$SCRATCH/full" | median) / $(column 2 <"$SCRATCH/raw" | median)" 2)" x report -
    DAEMON='' timed "$SCRATCH/sha256sum" with_find
    figure scan 'full pass beside find | xargs sha256sum' \
        "$(calc "$(column 1 <"$SCRATCH/full" | median) / $(column 1 <"$SCRATCH/sha256sum" | median)" 2)" x report - \
        "$(column 1 <"$SCRATCH/sha256sum") s, once"
    if [[ $files -gt 100000 && $files -le 165000 ]]; then # what the budget is of
        figure scan "resident with $files files" "$(resident VmRSS)" MiB gate 48 "at most $(resident VmHWM)"
    else
        figure scan "resident with $files files" "$(resident VmRSS)" MiB report - "at most $(resident VmHWM)"
    fi
    stop_daemon
    timed "$SCRATCH/offline" driftctl scan
    seconds_figure scan 'driftctl scan without the daemon' "$SCRATCH/offline" report -
}

section_cold() {
    local i depth best='' best_s=
    if [[ $(id -u) -ne 0 || ! -w /proc/sys/vm/drop_caches ]]; then
        echo 'cold      not run: the cache can be dropped by root alone'
        return
    fi
    scan_instance
    for depth in ${BENCH_DEPTHS:-4 8 16 32 64}; do
        drop_caches
        DAEMON='' timed "$SCRATCH/depth.$depth" "$TOOLS/raw" "$TREE" "$depth"
        if [[ -z $best ]] || awk -v a="$(column 1 <"$SCRATCH/depth.$depth")" -v b="$best_s" 'BEGIN {exit !(a < b)}'; then
            best=$depth best_s=$(column 1 <"$SCRATCH/depth.$depth")
        fi
    done
    drop_caches
    DAEMON='' timed "$SCRATCH/cold.read" "$TOOLS/raw" "$TREE" "$best" read
    for ((i = 0; i < (ROUNDS + 1) / 2; i++)); do
        drop_caches
        DAEMON='' timed "$SCRATCH/cold.raw" "$TOOLS/raw" "$TREE" "$best"
        drop_caches
        timed "$SCRATCH/cold.full" driftctl scan --full
    done
    figure cold "raw's best depth" "$best" files report - \
        "$(for depth in ${BENCH_DEPTHS:-4 8 16 32 64}; do printf '%s: %s s  ' "$depth" "$(column 1 <"$SCRATCH/depth.$depth")"; done)"
    figure cold 'raw read alone, without SHA-256' "$(column 1 <"$SCRATCH/cold.read")" s report - "$best readers"
    ratio_figure cold "full pass beside raw with $best readers" "$SCRATCH/cold.full" "$SCRATCH/cold.raw" gate 1.1
}

# What it costs to have it there. The slow circle is measured a hundred times too fast (and counted a hundredth), since 6 h
# are long; a quick pass counts once in 15 min.
section_idle() {
    local seconds=${BENCH_IDLE_SECONDS:-30} quick turns=0 before idle circle
    scan_instance
    timed "$SCRATCH/idle.quick" driftctl scan
    quick=$(column 2 <"$SCRATCH/idle.quick")
    before=$(cpu_of "$DAEMON")
    pause "$seconds"
    idle=$(calc "($(cpu_of "$DAEMON") - $before) / $seconds * 100")
    figure idle 'between passes' "$idle" % target 0.1 "of one core, over $seconds s"
    write_config "$TREE" 'full_interval = 216s'
    kill -HUP "$DAEMON"
    wait_for 30 log_has '^driftd: reload' || die "the configuration was not reloaded"
    before=$(cpu_of "$DAEMON")
    pause "$seconds"
    turns=$(calc "($(cpu_of "$DAEMON") - $before) / $seconds * 100")
    circle=$(calc "($turns - $idle) / 100")
    write_config "$TREE"
    figure idle 'with the default passes' "$(calc "$idle + $circle + $quick / 900 * 100")" % target 0.5 \
        "of one core: idle $idle + full circle in 6 h $circle + a quick pass of $quick CPU s in 15 min"
    stop_daemon
}
