# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# With the daemon down, root uses the same commands on the store itself.

test_everything_works_without_a_daemon() {
    need_root
    printf 'one\n' >"$TREE/a"
    first_steps
    expect_exit 0 driftctl diff
    # What another process looked at is not vouched for: status says what is stored, and that nobody looked just now.
    expect_exit 2 driftctl status --json
    expect_json '.daemon.running == false and .verdict == "incomplete" and any(.problems[]; .kind == "content_age")'
    printf 'two\n' >"$TREE/a"
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 1 and .[0].unobserved'
    expect_exit 1 driftctl show "$TREE/a"
    expect_exit 1 driftctl scan --full
    expect_exit 0 driftctl log --json --kind drift
    expect_json '.kind == "drift"'
    expect_exit 0 driftctl ack "$TREE/a" --reason 'known'
    expect_exit 1 driftctl diff --json
    expect_json '.drifts[0].state == "acknowledged"'
    driftctl propose --ticket CHG-2 -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    expect_exit 0 driftctl apply "$SCRATCH/next.baseline"
    expect_exit 0 driftctl diff
    expect_exit 0 driftctl verify
    expect_exit 0 driftctl baseline list
    expect_output 'host'
    expect_exit 0 driftctl backup "$SCRATCH/copy.db"
}

test_show_tells_drift_that_nobody_has_looked_at_yet() {
    need_root
    printf 'one\n' >"$TREE/a"
    first_steps
    expect_exit 0 driftctl show "$TREE/a"
    printf 'two\n' >"$TREE/a"
    expect_exit 1 driftctl show --json "$TREE/a"
    expect_json '.baselines[0].drift.change == "changed" and .baselines[0].drift.state == "open"'
    printf 'x\n' >"$TREE/new"
    expect_exit 1 driftctl show --json "$TREE/new"
    expect_json '.baselines[0].drift.change == "unexpected"'
    rm "$TREE/a"
    expect_exit 1 driftctl show "$TREE/a"
    expect_output '^missing'
}

test_show_of_a_log_that_grows() {
    need_root
    write_config "[files log]
path = $TREE
mode = growing"
    printf 'one\n' >"$TREE/log"
    first_steps
    printf 'two\n' >>"$TREE/log"
    expect_exit 0 driftctl show "$TREE/log"
    expect_output 'as expected'
    printf 'ONE\n' | dd of="$TREE/log" conv=notrunc status=none
    expect_exit 1 driftctl show "$TREE/log"
}

test_what_was_done_offline_is_there_for_the_daemon() {
    need_root
    printf 'one\n' >"$TREE/a"
    first_steps
    printf 'two\n' >"$TREE/a"
    expect_exit 1 driftctl diff
    local seen
    seen=$(diff_json --cached | jq -r '.drifts[0].first_seen')
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    expect_equal "$(diff_json --cached | jq -r '.drifts[0].first_seen')" "$seen" "when it was first seen"
}

test_watch_needs_the_daemon() {
    first_steps
    expect_exit 4 driftctl watch
    expect_error 'driftd|daemon'
}

test_nobody_else_can() {
    need_root
    first_steps
    chmod 0711 "$SCRATCH"
    install -m 0755 "$BUILD/driftctl" "$SCRATCH/driftctl" # the tree itself may be closed to others
    expect_exit 4 setpriv --reuid 65534 --regid 65534 --clear-groups timeout 20 "$SCRATCH/driftctl" --config "$CONFIG" status
    expect_error 'root|driftd'
    start_daemon
    # The socket is for root and its group.
    expect_exit 4 setpriv --reuid 65534 --regid 65534 --clear-groups timeout 20 "$SCRATCH/driftctl" --config "$CONFIG" status
    expect_equal "$(stat -c %a "$RUN/control.sock")" 660 "the socket's mode"
    expect_equal "$(stat -c %a "$STATE")" 700 "the state folder's mode"
    expect_equal "$(stat -c %a "$STATE/driftd.db")" 600 "the database's mode"
}

test_review_and_verify_need_nothing_of_the_host() {
    printf 'one\n' >"$TREE/a"
    first_steps
    printf 'two\n' >"$TREE/a"
    driftctl baseline export host -o "$SCRATCH/old.baseline" >/dev/null
    driftctl propose --ticket CHG-2 -o "$SCRATCH/next.baseline" >/dev/null
    driftctl sign "$SCRATCH/next.baseline" --key "$KEYS/alice" --yes >/dev/null
    mkdir "$SCRATCH/elsewhere"
    cp "$SCRATCH"/*.baseline* "$TRUST" "$SCRATCH/elsewhere/"
    rm -r "$STATE" "$CONFIG"
    cd "$SCRATCH/elsewhere" || exit
    expect_exit 0 "$BUILD/driftctl" review next.baseline --parent old.baseline --trust trust.conf
    expect_output "file:$TREE/a"
    expect_output 'content'
    expect_exit 0 "$BUILD/driftctl" baseline verify next.baseline --trust trust.conf
    sed -i 's/^ticket .*/ticket CHG-3/' next.baseline
    expect_exit 3 "$BUILD/driftctl" baseline verify next.baseline --trust trust.conf
}

test_an_image_is_judged_from_outside() {
    need_root
    # The image: what is below it has the paths of the host it came from.
    mkdir -p "$SCRATCH/image/$TREE"
    printf 'one\n' >"$TREE/a"
    ln -s /etc/passwd "$TREE/link"
    first_steps
    driftctl baseline export host -o "$SCRATCH/host.baseline" >/dev/null
    cp -a "$TREE/." "$SCRATCH/image/$TREE/"
    rm -r "$TREE"
    expect_exit 0 driftctl diff --root "$SCRATCH/image" --baseline "$SCRATCH/host.baseline" --trust "$TRUST"
    printf 'two\n' >"$SCRATCH/image/$TREE/a"
    printf 'x\n' >"$SCRATCH/image/$TREE/rootkit"
    expect_exit 1 driftctl diff --root "$SCRATCH/image" --baseline "$SCRATCH/host.baseline" --trust "$TRUST" --json
    expect_json '[.drifts[] | .change] | sort == ["changed", "unexpected"]'
    sed -i 's/^ticket .*/ticket CHG-3/' "$SCRATCH/host.baseline"
    expect_exit 3 driftctl diff --root "$SCRATCH/image" --baseline "$SCRATCH/host.baseline" --trust "$TRUST"
}
