# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A daemon that does not see the host as the host does. The host is a PID namespace of the test's own, whose pid 1 is the
# shell that runs the test: so nothing of the real one is touched, and one may look at pid 1 wherever the tests run.

# as_host FUNCTION — runs it as pid 1
as_host() {
    need_root
    local status=0
    unshare --pid --fork --kill-child --mount-proc --ipc true 2>"$ERR" || cannot_run_here "$(cat "$ERR")"
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --pid --fork --kill-child --mount-proc --ipc \
        bash -c '. tests/system/lib.sh; . tests/system/test_own_view.sh; "$1"; end_test' host "$1" || status=$?
    [[ $status -eq 0 ]] || exit "$status"
}

# In the daemon's network namespace.
is_listening() {
    grep -q " 00010000 .* $RUN/control.sock\$" "/proc/$DAEMON/net/unix"
}

# start_away PROGRAM [ARGUMENT]... — the daemon, run by a program that leaves the host's namespaces
start_away() {
    "$@" "$BUILD/driftd" --config "$CONFIG" >>"$SCRATCH/driftd.log" 2>&1 9>&- &
    DAEMON=$!
    wait_until 60 daemon_is_up
}

# start_under FOLDER [OPTIONS] — the daemon, in a mount namespace in which something lies over a folder
start_under() {
    # shellcheck disable=SC2016 # expanded by the inner shell
    start_away unshare --mount sh -c 'mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@"' sh "${2:-mode=0755}" "$1"
}

# has_problem KIND [EXPRESSION]
has_problem() {
    status_json | jq -e --arg kind "$1" "any(.problems[]; .kind == \$kind and (${2:-true}))"
}

has_no_problem() {
    status_json | jq -e --arg kind "$1" 'all(.problems[]; .kind != $kind)'
}

begin() {
    mkdir "$TREE/sub"
    printf 'one\n' >"$TREE/a"
    write_config "[files tree]
path = $TREE
${1:-}"
    first_steps
}

other_network() {
    begin '[sysctl]
exclude = abi/**
exclude = crypto/**
exclude = debug/**
exclude = dev/**
exclude = fs/**
exclude = user/**
exclude = vm/**'
    local shmmni
    shmmni=$(cat /proc/sys/kernel/shmmni)
    start_away unshare --net
    wait_until "$LIVE" has_drift sysctl:net/ipv4/ip_forward unknown
    expect_exit 2 driftctl diff --json
    expect_json '.verdict == "incomplete" and ([.drifts[] | select(.change != "unknown" or (.item | startswith("sysctl:net/") | not))] == [])'
    expect_json '[.drifts[] | select(.reason | test("another network namespace than the host \\(pid 1\\)"))] | length > 50'
    expect_exit 0 driftctl show sysctl:kernel/shmmni
    expect_exit 2 driftctl show sysctl:net/ipv4/ip_forward
    expect_output 'another network namespace than the host'
    expect_exit 2 driftctl status
    expect_output 'own_view +net: not the host.s own view +the comments of driftd.service'
    printf '%s\n' "$((shmmni - 1))" >/proc/sys/kernel/shmmni
    expect_exit 1 driftctl diff --json
    expect_json '[.drifts[] | select(.change != "unknown") | .item] == ["sysctl:kernel/shmmni"]'
    # What it does not see cannot be signed as if it did.
    driftctl propose -o "$SCRATCH/proposal" >"$OUT" 2>"$ERR" && fail "it proposes values of a namespace"
    grep -q 'another network namespace' "$OUT" "$ERR" || fail "it does not say why: $(head -c 500 "$ERR")"
    # A policy is not passed by a namespace's values either.
    cp baselines/linux-sysctl.ini "$SCRATCH/packs/"
    unshare --net "$BUILD/driftctl" --config "$CONFIG" policy check linux-sysctl --json >"$OUT" 2>"$ERR" && fail "a policy passes"
    expect_json 'any(.checks[]; .result == "unknown") and
        all(.checks[].findings[]; (.item | startswith("sysctl:net/") | not) or .verdict == "unknown")'
}

test_in_another_network_namespace_no_sysctl_of_it_is_judged() {
    as_host other_network
}

hidden_folder() {
    begin
    start_under "$TREE/sub"
    # An empty folder over an empty folder: nothing has drifted, and nothing may be called clean.
    expect_exit 2 driftctl diff --json
    expect_json '.verdict == "incomplete" and .drifts == [] and (.coverage.complete | not)'
    expect_exit 2 driftctl diff
    expect_output "hidden +$TREE/sub: in scope files tree"
    expect_no_output own_view
    expect_exit 2 driftctl status --json
    expect_json 'any(.problems[]; .kind == "hidden" and .lowers_coverage and .count == 1)'
    expect_json "any(.problems[]; .kind == \"own_view\" and (.lowers_coverage | not) and .where == \"$TREE/sub: not the host's own view\")"
    has_record hidden '' ".detail.count == 1 and (.detail.where | startswith(\"$TREE/sub: \"))" || fail "the history does not tell it"
    nsenter -t "$DAEMON" -m umount "$TREE/sub"
    wait_until "$LIVE" has_no_problem hidden
    wait_until "$LIVE" has_record hidden '' '.detail.count == 0'
    wait_until "$LIVE" has_no_problem own_view
    expect_exit 0 driftctl diff
    nsenter -t "$DAEMON" -m mount -t tmpfs -o mode=0755 none "$TREE/sub"
    wait_until "$LIVE" has_problem hidden
    expect_exit 2 driftctl diff
}

test_a_folder_that_the_daemon_does_not_see_as_the_host_does() {
    as_host hidden_folder
}

mounted_above() {
    begin
    start_under "$SCRATCH/tree"
    wait_until "$LIVE" has_problem hidden ".where | startswith(\"$TREE: in scope files tree\")"
    stop_daemon
    mkdir "$SCRATCH/more"
    start_under "$SCRATCH/more"
    expect_exit 0 driftctl diff
    expect_exit 0 driftctl status --json
    expect_json 'all(.problems[]; .kind != "hidden") and any(.problems[]; .kind == "own_view")'
}

test_a_mount_counts_where_a_scope_looks() {
    as_host mounted_above
}

mounted_later() {
    begin
    start_away unshare --mount --propagation private
    expect_exit 0 driftctl diff
    mount -t tmpfs -o mode=0755 none "$TREE/sub"
    expect_exit 2 driftctl diff --json
    expect_json '.verdict == "incomplete" and any(.coverage.problems[]; .kind == "hidden")'
    umount "$TREE/sub"
    expect_exit 0 driftctl diff
    # The same mount in both is no news.
    stop_daemon
    mount -t tmpfs -o mode=0755 none "$TREE/sub"
    start_away unshare --mount --propagation private
    wait_until "$LIVE" has_no_problem hidden
    umount "$TREE/sub"
    expect_exit 2 driftctl diff
}

test_what_the_host_mounts_later_and_the_daemon_does_not_see() {
    as_host mounted_later
}

information() {
    begin
    start_away unshare --uts --mount sh -c 'mount -t tmpfs none /mnt && mount -o bind,ro /usr /usr && exec "$@"' sh
    expect_exit 0 driftctl diff
    expect_no_output 'own_view|hidden'
    expect_exit 0 driftctl status
    expect_output 'own_view \(2\) +uts, /mnt: not the host.s own view'
}

test_what_no_scope_needs_is_information() {
    as_host information
}

ordinary() {
    begin '[sysctl]
exclude = abi/**'
    start_daemon
    wait_until "$LIVE" has_record scan
    status_json >"$OUT"
    expect_json 'all(.problems[]; .kind != "own_view" and .kind != "hidden")'
    expect_json 'all(.problems[]; .kind != "unknown")'
    stop_daemon
    # Without a daemon it is the same, and what there is is seen as well.
    driftctl status --json >"$OUT" || [[ $? -le 2 ]]
    expect_json 'all(.problems[]; .kind != "own_view" and .kind != "hidden")'
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --mount sh -c 'mount -t tmpfs -o mode=0755 none "$1" && shift && exec "$@"' sh "$TREE/sub" \
        "$BUILD/driftctl" --config "$CONFIG" status --json >"$OUT" || [[ $? -le 2 ]]
    expect_json 'any(.problems[]; .kind == "hidden") and any(.problems[]; .kind == "own_view")'
}

test_a_host_that_is_seen_as_it_is() {
    as_host ordinary
}

# Nobody may look at pid 1: then nothing is known, and nothing is said.
as_user() {
    begin
    driftctl baseline export host >"$SCRATCH/host.baseline"
    chmod -R a+rX "$SCRATCH/host.baseline" "$TRUST"
    # shellcheck disable=SC2016 # expanded by the inner shell
    local away='mount -t tmpfs -o mode=0755 none "$1" && shift && exec "$@"'
    unshare --net --mount sh -c "$away" sh "$TREE/sub" setpriv --reuid 65534 --regid 65534 --clear-groups \
        "$BUILD/driftctl" diff --root / --baseline "$SCRATCH/host.baseline" --trust "$TRUST" --json >"$OUT" 2>"$ERR" || [[ $? -le 3 ]]
    expect_json '.coverage.problems | all(.kind != "own_view" and .kind != "hidden")'
    # Root, from the same place, is told.
    unshare --net --mount sh -c "$away" sh "$TREE/sub" \
        "$BUILD/driftctl" diff --root / --baseline "$SCRATCH/host.baseline" --trust "$TRUST" --json >"$OUT" 2>"$ERR" || [[ $? -le 3 ]]
    expect_json '.coverage.problems | any(.kind == "own_view" and .count == 2) and any(.kind == "hidden")'
}

test_an_ordinary_user_is_not_told_of_it() {
    as_host as_user
}
