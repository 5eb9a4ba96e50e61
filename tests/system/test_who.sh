# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Who did it: with fanotify a drift names the process whose events told of it, everywhere that a drift is told, and never
# more certainly than it is known.

# who_is ITEM EXPRESSION [jq's ARGUMENT]... — of its drift's member who
who_is() {
    local item=$1 expression=$2
    shift 2
    diff_json --cached | jq -e "$@" --arg item "$item" "any(.drifts[]; .item == \$item and (.who | $expression))"
}

watch_by_fanotify() {
    export WATCH=fanotify
    need_fanotify
    write_config
}

freeze_reader() {
    kill -STOP "$DAEMON"
    # shellcheck disable=SC2016 # expanded by the inner shell
    wait_until 5 bash -c 'for s in /proc/$1/task/*/stat; do [[ $(sed "s/.*) //" "$s") == T* ]] || exit 1; done' all "$DAEMON"
}

# A process of the test's own that does something and stays until told. Its number is then in LAST.
act_and_stay() {
    bash -c "$1; exec 1>&-; read -r _ <'$SCRATCH/stay'" >"$SCRATCH/acted" 9>&- &
    LAST=$!
    remember_process "$LAST"
}

has_acted() {
    [[ $(cut -d' ' -f3 "/proc/$LAST/stat") == S && ! -e /proc/$LAST/fd/1 ]]
}

# A clean file that LAST has written to, while nobody reads the events.
begin_with_a_writer_that_waits() {
    watch_by_fanotify
    mkfifo "$SCRATCH/stay"
    printf 'one\n' >"$TREE/file"
    start_clean
    freeze_reader
    act_and_stay "printf 'two\n' >>'$TREE/file'"
    wait_until "$LIVE" has_acted
}

test_who_is_told_wherever_a_drift_is() {
    watch_by_fanotify
    mkfifo "$SCRATCH/stay"
    printf 'one\n' >"$TREE/file"
    start_clean
    local item=file:$TREE/file
    act_and_stay "printf 'two\n' >>'$TREE/file'"
    # shellcheck disable=SC2016 # jq's
    local exact='.pid == ($pid | tonumber) and .confidence == "exact" and .others == 0 and (.exe | endswith("/bash")) and
        (.cmdline | startswith("bash -c printf\\x20")) and .cmdline_cut == false and .uid == ($uid | tonumber)'
    wait_until "$LIVE" who_is "$item" "$exact" --arg pid "$LAST" --arg uid "$(id -u)"
    expect_exit 1 driftctl diff
    expect_output " by bash\\[$LAST\\] \\($(id -un)\\)$"
    expect_exit 1 driftctl show "$TREE/file"
    expect_output "^  who  /[a-z/]*/bash\\[$LAST\\], as $(id -un).* \\(exact\\): bash -c printf"
    expect_exit 0 driftctl log
    expect_output "drift .* by bash\\[$LAST\\]"
    has_record drift "$item" ".detail.who.pid == $LAST and .detail.who.confidence == \"exact\"" || fail "not in the history"
    # The daemon's own line, which the journal has as its message.
    grep -q "changed $item size content by .*/bash\\[$LAST\\]" "$SCRATCH/driftd.log" || fail "not in the log of the daemon"
    # It is kept with the drift, and nothing that a start looks at takes it away.
    stop_daemon
    start_daemon
    wait_until "$LIVE" has_record scan '' '.seq > 8 and .detail.pass == "full"'
    who_is "$item" "$exact" --arg pid "$LAST" --arg uid "$(id -u)" >/dev/null || fail "lost by a restart"
    # Another form is another's.
    local before=$LAST
    act_and_stay "printf 'three\n' >>'$TREE/file'"
    wait_until "$LIVE" who_is "$item" "$exact" --arg pid "$LAST" --arg uid "$(id -u)"
    [[ $before != "$LAST" ]]
    # And who put it back is in the record of that.
    act_and_stay "printf 'one\n' >'$SCRATCH/back'; mv '$SCRATCH/back' '$TREE/file'; :"
    wait_until "$LIVE" is_clean
    has_record resolved "$item" '.detail.as == "reverted" and .detail.who.pid > 0' || fail "who put it back is not told"
    echo >"$SCRATCH/stay" || true
}

test_of_several_processes_the_last_is_likely() {
    begin_with_a_writer_that_waits
    act_and_stay "printf 'three\n' >>'$TREE/file'"
    wait_until "$LIVE" has_acted
    kill -CONT "$DAEMON"
    # shellcheck disable=SC2016 # jq's
    wait_until "$LIVE" who_is "file:$TREE/file" '.confidence == "likely" and .others == 1 and .pid == ($pid | tonumber)' --arg pid "$LAST"
    expect_exit 1 driftctl diff
    expect_output "likely by bash\\[$LAST\\]"
}

test_one_that_is_gone_is_a_number_and_no_guess() {
    watch_by_fanotify
    printf 'one\n' >"$TREE/file"
    start_clean
    freeze_reader
    bash -c "printf 'two\n' >>'$TREE/file'"
    kill -CONT "$DAEMON"
    wait_until "$LIVE" who_is "file:$TREE/file" \
        '.confidence == "unknown" and .pid > 0 and .exe == null and .cmdline == null and .uid == null and .unit == null'
    expect_exit 1 driftctl diff
    expect_no_output ' by [a-z]+\['
}

test_a_close_alone_is_not_taken_for_the_cause() {
    begin_with_a_writer_that_waits
    local writer=$LAST
    act_and_stay "exec 5>>'$TREE/file'; exec 5>&-"
    wait_until "$LIVE" has_acted
    kill -CONT "$DAEMON"
    # shellcheck disable=SC2016 # jq's
    wait_until "$LIVE" who_is "file:$TREE/file" '.confidence == "exact" and .pid == ($pid | tonumber)' --arg pid "$writer"
}

test_nobody_is_named_where_no_event_told_of_it() {
    watch_by_fanotify
    printf 'one\n' >"$TREE/file"
    first_steps
    printf 'two\n' >"$TREE/file" # before the start
    start_daemon
    wait_until "$LIVE" who_is "file:$TREE/file" '. == null'
    stop_daemon
    WATCH=inotify write_config
    start_daemon
    printf 'x\n' >"$TREE/new"
    wait_until "$LIVE" who_is "file:$TREE/new" '. == null'
    expect_exit 1 driftctl status --json
    expect_json '.daemon.watch == "inotify" and .daemon.folders.fanotify == 0 and .daemon.folders.inotify > 0'
}

test_a_command_line_moves_no_cursor() {
    watch_by_fanotify
    mkfifo "$SCRATCH/stay"
    start_clean
    act_and_stay "printf 'x\n' >'$TREE/new'; : "$'\e[2J\x9b\u202e\n'"$(printf '%2000s' long)"
    wait_until "$LIVE" who_is "file:$TREE/new" '.cmdline_cut and (.cmdline | test("\\\\x1b\\[2J\\\\x9b"))'
    expect_exit 1 driftctl show "$TREE/new"
    expect_output '\\x1b\[2J\\x9b'
    ! grep -q $'\e' "$OUT" || fail "a raw escape on the terminal"
    ! grep -q $'\e' "$SCRATCH/driftd.log" || fail "a raw escape in the log"
}

# The event of its birth makes a folder known: what is made in it at once has its maker.
test_what_is_made_in_a_new_folder_has_its_maker() {
    watch_by_fanotify
    mkfifo "$SCRATCH/stay"
    start_clean
    act_and_stay "mkdir -p '$TREE/a/b/c'; printf x >'$TREE/a/b/c/file'"
    # shellcheck disable=SC2016 # jq's
    wait_until "$LIVE" who_is "file:$TREE/a/b/c/file" '.pid == ($pid | tonumber) and .confidence == "exact"' --arg pid "$LAST"
}

# What came with a folder that was moved in came by the move; what was done to it since, nobody can tell.
test_what_came_with_a_folder_is_likely_its_movers() {
    watch_by_fanotify
    mkdir -p "$SCRATCH/outside/sub"
    printf 'x\n' >"$SCRATCH/outside/sub/file"
    start_clean
    mv "$SCRATCH/outside" "$TREE/inside"
    wait_until "$LIVE" who_is "file:$TREE/inside/sub/file" '.pid > 0 and (.confidence == "likely" or .confidence == "unknown")'
}

test_a_change_through_another_mount_is_seen_and_has_its_maker() {
    need_root
    watch_by_fanotify
    mkfifo "$SCRATCH/stay"
    mkdir "$TREE/dir" "$SCRATCH/elsewhere"
    printf 'one\n' >"$TREE/dir/file"
    mount --bind "$TREE/dir" "$SCRATCH/elsewhere" || cannot_run_here "mount is not allowed"
    start_clean
    act_and_stay "printf 'two\n' >>'$SCRATCH/elsewhere/file'"
    # shellcheck disable=SC2016 # jq's
    wait_until "$LIVE" who_is "file:$TREE/dir/file" '.pid == ($pid | tonumber)' --arg pid "$LAST"
    umount "$SCRATCH/elsewhere"
}

# ---- which way is in force ----

test_a_file_system_that_takes_no_mark_is_watched_by_inotify() {
    need_root
    watch_by_fanotify
    mkdir "$TREE/ram"
    mount -t ramfs ramfs "$TREE/ram" || cannot_run_here "mount is not allowed"
    mkdir "$TREE/ram/sub"
    start_clean
    printf 'x\n' >"$TREE/ram/sub/new"
    wait_until "$LIVE" has_drift "file:$TREE/ram/sub/new" unexpected
    wait_until "$LIVE" who_is "file:$TREE/ram/sub/new" '. == null'
    printf 'x\n' >"$TREE/new"
    wait_until "$LIVE" who_is "file:$TREE/new" '.pid > 0'
    expect_exit 1 driftctl status --json
    # shellcheck disable=SC2016 # jq's
    expect_json '.daemon.watch == "fanotify" and .daemon.folders.inotify == 2 and
        any(.problems[]; .kind == "no_fanotify" and .count == 2 and .where == $ram and (.lowers_coverage | not))' --arg ram "$TREE/ram"
}

# The daemon without the capability, as its unit is by itself.
start_without_capability() {
    capsh --drop=cap_sys_admin -- -c 'exec "$@"' driftd "$BUILD/driftd" --config "$CONFIG" >>"$SCRATCH/driftd.log" 2>&1 9>&- &
    DAEMON=$!
    remember_process "$DAEMON"
    wait_until 60 daemon_is_up
}

test_without_the_capability_inotify_watches_and_says_so_where_fanotify_was_asked_for() {
    need_root
    WATCH=auto write_config
    first_steps
    start_without_capability
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl status --json
    expect_json '.daemon.watch == "inotify" and all(.problems[]; .kind != "no_fanotify")'
    has_record start '' '.detail.watch == "inotify"' || fail "the start does not say how it watches"
    stop_daemon
    WATCH=fanotify write_config
    start_without_capability
    wait_until "$LIVE" is_clean
    printf 'x\n' >"$TREE/new"
    wait_until "$LIVE" has_drift "file:$TREE/new" unexpected
    rm "$TREE/new"
    wait_until "$LIVE" is_clean
    expect_exit 0 driftctl status --json
    expect_json '.daemon.watch == "inotify" and
        any(.problems[]; .kind == "no_fanotify" and (.where | contains("CAP_SYS_ADMIN")) and (.hint | contains("driftd(8)")))'
    expect_exit 0 driftctl status
    expect_output 'watches by inotify'
}

test_auto_is_fanotify_where_it_can_be_had_and_a_change_of_it_needs_a_restart() {
    need_fanotify
    WATCH=auto write_config
    start_clean
    expect_exit 0 driftctl status --json
    expect_json '.daemon.watch == "fanotify" and .daemon.folders.fanotify > 0 and .daemon.folders.inotify == 0'
    WATCH=inotify write_config
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_record reload '' '(.detail.ok | not) and (.detail.error | contains("watch"))'
    sed -i 's/^watch = .*/watch = dnotify/' "$CONFIG"
    expect_exit 4 driftctl config check
    expect_error 'The values are auto, inotify, fanotify'
}

# ---- short lives ----

# How many of them are read in time depends on the machine; that those named are named rightly does not.
test_short_lived_writers_are_named_rightly_or_not_at_all() {
    watch_by_fanotify
    local i kind n=50 wrong
    for kind in cp sed sh install; do
        mkdir "$TREE/$kind"
        for ((i = 0; i < n; i++)); do printf 'one\n' >"$TREE/$kind/$i"; done
    done
    start_clean
    for ((i = 0; i < n; i++)); do
        cp /etc/passwd "$TREE/cp/$i"
        sed -i s/one/two/ "$TREE/sed/$i"
        sh -c "echo two >>'$TREE/sh/$i'"
        install -m 0644 /etc/passwd "$TREE/install/$i"
    done
    expect_exit 1 driftctl diff --json
    # shellcheck disable=SC2016 # jq's
    expect_json '[.drifts[] | select(.who == null)] == []'
    wrong=$(jq -r '.drifts[] | (.item | split("/")[-2]) as $kind | select(.who.exe != null and
        (.who.exe | split("/")[-1] | . == $kind or ($kind == "sh" and (. == "dash" or . == "bash")) | not)) | "\(.item) \(.who)"' "$OUT")
    [[ -z $wrong ]] || fail "named wrongly: $wrong"
    for kind in cp sed sh install; do
        # shellcheck disable=SC2016 # jq's
        echo "note: $kind: $(jq -r --arg kind "/$kind/" '[.drifts[] | select(.item | contains($kind)) | .who.confidence] | group_by(.) |
            map("\(length) \(.[0])") | join(", ")' "$OUT")"
    done
}

# pidfds of processes that are no more: each stands for one that the reader of events remembers
fewer_are_remembered() {
    local all
    all=$(cat "/proc/$DAEMON/fdinfo/"* 2>/dev/null | grep -cP '^Pid:\t-1$' || true)
    [[ $all -lt $1 ]]
}

test_processes_that_ended_are_forgotten_when_their_events_are_told() {
    watch_by_fanotify
    local i
    start_clean
    for ((i = 0; i < 150; i++)); do sh -c "echo one >'$TREE/$i'"; done
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[] | select(.who != null)] | length >= 150'
    wait_until "$LIVE" fewer_are_remembered 20
}

# The shell that forked a shell shows the same program before and after it runs: only what it runs tells them apart.
test_a_program_that_runs_itself_shows_its_own_command_line() {
    watch_by_fanotify
    local i n=50 wrong
    for ((i = 0; i < n; i++)); do printf 'one\n' >"$TREE/f$i"; done
    # shellcheck disable=SC2016 # expanded by the script
    printf '#!/bin/bash\nprintf two >>"$1"\n' >"$SCRATCH/script"
    chmod +x "$SCRATCH/script"
    start_clean
    for ((i = 0; i < n; i += 2)); do
        "$SCRATCH/script" "$TREE/f$i"
        bash "$SCRATCH/script" "$TREE/f$((i + 1))"
    done
    expect_exit 1 driftctl diff --json
    # shellcheck disable=SC2016 # jq's
    wrong=$(jq -r '.drifts[] | (.item | ltrimstr("file:")) as $path | select(.who.cmdline != null and
        (.who.cmdline | endswith($path) | not)) | "\(.item) \(.who)"' "$OUT")
    [[ -z $wrong ]] || fail "another's command line: $wrong"
    # shellcheck disable=SC2016 # jq's
    echo "note: $(jq -r '[.drifts[].who.confidence] | group_by(.) | map("\(length) \(.[0])") | join(", ")' "$OUT")"
}

# ---- what nobody did whom an event named ----

# A file's content changed through its other name, which nothing told of; then somebody set its mode as it was.
test_whoever_changed_only_metadata_is_not_named_for_content() {
    watch_by_fanotify
    mkfifo "$SCRATCH/stay"
    printf 'one\n' >"$TREE/file"
    mkdir "$SCRATCH/elsewhere"
    ln "$TREE/file" "$SCRATCH/elsewhere/file"
    start_clean
    printf 'two\n' >"$SCRATCH/elsewhere/file"
    act_and_stay "exec 5>'$TREE/chmod-was-here'; chmod 0644 '$TREE/file'"
    wait_until "$LIVE" has_acted
    wait_until "$LIVE" who_is "file:$TREE/file" '. == null'
    # What it did change it is named for.
    act_and_stay "chown 1:1 '$TREE/file'; chmod 0600 '$TREE/file'"
    wait_until "$LIVE" who_is "file:$TREE/file" '.pid > 0'
    # Whoever puts the content back unseen leaves nobody to name either.
    chmod 0644 "$TREE/file"
    chown 0:0 "$TREE/file"
    printf 'one\n' >"$SCRATCH/elsewhere/file"
    chmod 0644 "$TREE/file"
    wait_until "$LIVE" has_record resolved "file:$TREE/file" '.detail.who == null'
    echo >"$SCRATCH/stay" || true
}

# Written by one program, while the process is another by the time that it is read.
test_a_program_that_came_after_the_write_is_likely_at_most() {
    watch_by_fanotify
    printf 'one\n' >"$TREE/file"
    start_clean
    freeze_reader
    bash -c "printf 'two\n' >>'$TREE/file'; exec sleep 60" 9>&- &
    LAST=$!
    remember_process "$LAST"
    wait_until "$LIVE" grep -qx sleep "/proc/$LAST/comm"
    kill -CONT "$DAEMON"
    # shellcheck disable=SC2016 # jq's
    wait_until "$LIVE" who_is "file:$TREE/file" \
        '.confidence == "likely" and .others == 0 and .pid == ($pid | tonumber) and (.exe | endswith("/sleep"))' --arg pid "$LAST"
    kill "$LAST"
}

# A program without a file, and without a loader's, is executed without a word of the kernel: it is not taken for the one before.
test_a_program_that_nothing_told_of_is_not_taken_for_the_one_before() {
    watch_by_fanotify
    local i n=20
    for ((i = 0; i < n; i++)); do printf 'one\n' >"$TREE/f$i"; done
    start_clean
    for ((i = 0; i < n; i++)); do
        "$BUILD/tests/tools/fileless" "$TREE/f$i"
    done
    expect_exit 1 driftctl diff --json
    expect_json '(.drifts | length) == 20 and all(.drifts[]; .who.confidence == "exact" and (.who.exe | contains("/fileless")) | not)'
    echo "note: $(jq -r '[.drifts[].who.confidence] | group_by(.) | map("\(length) \(.[0])") | join(", ")' "$OUT")"
}

# A process that takes another user's rights, as servers do for each request, executes nothing.
test_the_user_is_that_of_the_last_event() {
    watch_by_fanotify
    need_root
    printf 'one\n' >"$TREE/file"
    chmod 0666 "$TREE/file"
    start_clean
    # Nobody's, and shortly after the first event: what was read of the process at that is not old yet.
    perl -e 'open my $new, ">", "$ARGV[0]/new"; select undef, undef, undef, 0.2; $> = 65534;
        open my $file, ">>", "$ARGV[0]/file" or die; syswrite $file, "two\n"; select undef, undef, undef, 30' "$TREE" 9>&- &
    LAST=$!
    remember_process "$LAST"
    # shellcheck disable=SC2016 # jq's
    wait_until "$LIVE" who_is "file:$TREE/file" '.pid == ($pid | tonumber) and .uid == 65534' --arg pid "$LAST"
    # shellcheck disable=SC2016 # jq's
    who_is "file:$TREE/new" '.pid == ($pid | tonumber) and .uid == 0' --arg pid "$LAST" >/dev/null || fail "the first event was root's"
    kill "$LAST"
}

# With mounts of its own, a process can give its program any name that the host has.
test_a_process_with_mounts_of_its_own_is_told_as_such() {
    watch_by_fanotify
    # The kernel shows who has the mounts of process 1 only where that one may be looked at: here it is a shell of ours.
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --pid --fork --kill-child --mount-proc bash -c '. tests/system/lib.sh; . tests/system/test_who.sh; mounts_of_its_own; end_test' 2>&1 9>&1 >&9 ||
        fail "see above"
}

mounts_of_its_own() {
    mkfifo "$SCRATCH/stay"
    start_clean
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount bash -c 'mount --bind /usr/bin/bash /usr/bin/dpkg; exec /usr/bin/dpkg -c ": >$0/foreign; read -r _ <$1"' "$TREE" "$SCRATCH/stay" 9>&- &
    act_and_stay ": >'$TREE/own'"
    wait_until "$LIVE" who_is "file:$TREE/own" '.own_mounts == false'
    wait_until "$LIVE" who_is "file:$TREE/foreign" '.own_mounts == true and (.exe | endswith("/dpkg"))'
    expect_exit 1 driftctl diff
    expect_output ' by dpkg\[[0-9]+\] \([a-z]+, own mounts\)'
    expect_exit 1 driftctl show "$TREE/foreign"
    expect_output '/dpkg\[[0-9]+\], as [a-z]+.*, with mounts of its own'
    grep -q "unexpected file:$TREE/foreign .*by /usr/bin/dpkg\[[0-9]*\] (own mounts)" "$SCRATCH/driftd.log" || fail "not in the log of the daemon"
}

# Answers are held until all events of before are read, also while somebody else makes more of them than are read at once.
test_who_is_exact_in_the_midst_of_a_storm() {
    watch_by_fanotify
    mkfifo "$SCRATCH/stay"
    mkdir "$TREE/noise"
    local i n=25 noise pids=()
    for ((i = 0; i < n; i++)); do printf 'one\n' >"$TREE/f$i"; done
    start_clean
    bash -c 'for ((i = 0;; i++)); do echo "$i" >"$1/$((i % 200))"; done' noise "$TREE/noise" 9>&- &
    noise=$!
    remember_process "$noise"
    for ((i = 0; i < n; i++)); do
        act_and_stay "printf 'two\n' >>'$TREE/f$i'"
        wait_until "$LIVE" has_acted
        pids+=("$LAST")
    done
    for ((i = 0; i < n; i++)); do
        # shellcheck disable=SC2016 # jq's
        wait_until "$LIVE" who_is "file:$TREE/f$i" '.confidence == "exact" and .pid == $pid and .others == 0' --argjson pid "${pids[i]}"
    done
    expect_exit 1 driftctl diff --json # it waits for what is read and judged, and not for the storm's end
    expect_json '[.drifts[] | select(.item | test("/f[0-9]+$"))] | length == 25'
    kill "$noise"
}
