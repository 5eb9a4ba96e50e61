# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# driftctl top on a real terminal: tmux holds one, of a size and kind that the test chooses, types into it, and tells what
# stands there.

need_tmux() {
    command -v tmux >/dev/null || skip 'needs tmux'
}

terminal() {
    tmux -S "$SCRATCH/terminal" -f /dev/null "$@"
}

# open_terminal COLUMNS ROWS — with a shell in it, which has written something that must still be there afterwards
open_terminal() {
    terminal new-session -d -x "$1" -y "$2" "env -u TMUX PS1='ready> ' LC_ALL=${SCREEN_LOCALE:-C.UTF-8} sh"
    remember_process "$(terminal display-message -p '#{pid}')"
    wait_until "$LIVE" shows '^ready>' # what is typed before would be echoed in front of the prompt
    type_line 'echo before the screen'
    wait_until "$LIVE" shows '^before the screen'
}

type_line() {
    terminal send-keys -l "$1"
    terminal send-keys Enter
}

# top_in_terminal [VARIABLE=VALUE | ARGUMENT]...
top_in_terminal() {
    local variables=() arguments=() word
    for word in "$@"; do
        if [[ $word == [A-Z]*=* ]]; then variables+=("$word"); else arguments+=("$word"); fi
    done
    type_line "env ${variables[*]} $BUILD/driftctl -c $CONFIG top ${arguments[*]}; echo left with \$?"
}

screen() {
    terminal capture-pane -p
}

# What a failed test tells besides.
tell_more() {
    echo '    the terminal:'
    screen 2>&1 | sed 's/^/        |/'
}

shows() {
    screen | grep -Eq -e "$1"
}

shows_not() {
    ! shows "$1"
}

close_terminal() {
    terminal kill-server 2>/dev/null || true
}

# A screen with one line for what must still be there afterwards. What is typed next waits for the prompt: earlier, its
# echo would stand in the middle of this.
clear_terminal() {
    type_line 'clear; echo before the screen'
    wait_until "$LIVE" is_cleared
}

is_cleared() {
    shows '^before the screen' && shows '^ready>$' && shows_not 'echo before' && shows_not 'left with'
}

leaves_no_trace() {
    shows "left with $1\$" && shows '^before the screen' && shows_not '^driftd on' && shows_not 'q quit'
}

# The cursor is shown, echo and line editing are on, and what is typed is a shell's.
terminal_is_usable() {
    expect_equal "$(terminal display-message -p '#{cursor_flag} #{alternate_on}')" '1 0' 'the cursor and the alternate screen'
    type_line 'stty -a | tr " " "\n" | grep -cxE "icanon;?|echo;?|icrnl;?"'
    wait_until "$LIVE" shows '^3$'
}

fits() {
    [[ $(screen | wc -L) -le $1 ]]
}

test_top_shows_the_host_and_what_drifts_at_once() {
    need_tmux
    printf 'one\n' >"$TREE/a"
    start_clean
    open_terminal 80 24
    top_in_terminal --interval 30s
    wait_until "$LIVE" shows '^open drift  none'
    shows "^driftd on $(hostname | head -c 40) · clean · up" || fail "the title: $(screen)"
    shows '^open       0 high · 0 medium · 0 low' || fail "$(screen)"
    shows '^coverage   complete · [0-9]+ of [0-9]+ verified · content within' || fail "$(screen)"
    shows '^pass       (none runs · the next in|quick|full)' || fail "$(screen)"
    shows '^watch      [1-9][0-9]* folders · 0 lost' || fail "$(screen)"
    shows '^baselines  host@1 trusted by alice' || fail "$(screen)"
    expect_equal "$(terminal display-message -p '#{cursor_flag} #{alternate_on}')" '0 1' 'the cursor and the alternate screen'
    # The interval is 30 s: what comes sooner was pushed.
    printf 'two\n' >"$TREE/a"
    wait_until 10 shows "^H changed .*/tree/a  *content"
    wait_until 10 shows '^open       1 high'
    shows '· drift ·' || fail "the title: $(screen)"
    shows '^newest records' || fail "the records: $(screen)"
    shows 'drift .*/tree/a' || fail "the records: $(screen)"
    fits 80 || fail "a line is longer than 80 columns: $(screen)"
    terminal send-keys q
    wait_until "$LIVE" leaves_no_trace 0
    terminal_is_usable
    close_terminal
}

test_top_puts_the_terminal_back_however_it_ends() {
    need_tmux
    start_clean
    open_terminal 80 24
    local way status
    for way in 'C-c 0' 'TERM 143' 'HUP 129' 'Q 0'; do
        status=${way#* } way=${way% *}
        clear_terminal
        top_in_terminal
        wait_until "$LIVE" shows '^open drift'
        case $way in
        C-c | Q) terminal send-keys "$way" ;;
        *) pkill -"$way" -P "$(terminal display-message -p '#{pane_pid}')" driftctl ;;
        esac
        wait_until "$LIVE" leaves_no_trace "$status"
        terminal_is_usable
    done
    close_terminal
}

test_top_gives_the_terminal_back_while_it_is_stopped() {
    need_tmux
    start_clean
    open_terminal 80 24
    type_line 'set -m'
    top_in_terminal
    wait_until "$LIVE" shows '^open drift'
    terminal send-keys C-z
    wait_until "$LIVE" shows '(Stopped|suspended)'
    shows_not '^open drift' || fail "still there: $(screen)"
    terminal_is_usable
    type_line 'fg'
    wait_until "$LIVE" shows '^open drift'
    terminal send-keys q
    wait_until "$LIVE" shows_not '^open drift'
    terminal_is_usable
    close_terminal
}

test_top_follows_the_size_of_the_terminal() {
    need_tmux
    local i
    for i in {1..40}; do printf '%s\n' "$i" >"$TREE/a-name-that-is-rather-long-$i"; done
    start_clean
    for i in {1..40}; do printf 'x\n' >"$TREE/a-name-that-is-rather-long-$i"; done
    wait_until "$LIVE" has_drift "file:$TREE/a-name-that-is-rather-long-40" changed
    open_terminal 80 24
    top_in_terminal
    wait_until "$LIVE" shows '^open drift  1-[0-9]+ of 40'
    local size
    for size in '120 40' '40 12' '20 5' '8 2' '3 1' '80 24'; do
        terminal resize-window -x "${size% *}" -y "${size#* }"
        wait_until "$LIVE" fits "${size% *}"
    done
    wait_until "$LIVE" shows '^open drift  1-[0-9]+ of 40'
    terminal resize-window -x 120 -y 60
    wait_until "$LIVE" shows 'rather-long-30 +(size content|content size)'
    terminal resize-window -x 40 -y 12
    wait_until "$LIVE" shows '^open       40 high'
    terminal send-keys q
    wait_until "$LIVE" shows 'left with 0$'
    close_terminal
}

test_top_is_driven_by_keys() {
    need_tmux
    local i
    for i in {10..59}; do printf '%s\n' "$i" >"$TREE/f$i"; done
    start_clean
    rm "$TREE"/f*
    wait_until "$LIVE" has_drift "file:$TREE/f59" missing
    open_terminal 80 24
    top_in_terminal
    wait_until "$LIVE" shows '^open drift  1-[0-9]+ of 50'
    terminal send-keys j Down
    wait_until "$LIVE" shows '^open drift  3-'
    terminal send-keys k
    wait_until "$LIVE" shows '^open drift  2-'
    terminal send-keys G
    wait_until "$LIVE" shows '^open drift  [0-9]+-50 of 50'
    terminal send-keys Home
    wait_until "$LIVE" shows '^open drift  1-'
    terminal send-keys NPage
    wait_until "$LIVE" shows '^open drift  ([5-9]|1[0-9])-'
    terminal send-keys PPage
    wait_until "$LIVE" shows '^open drift  1-'
    terminal send-keys '?'
    wait_until "$LIVE" shows '^q, Ctrl-C'
    terminal send-keys x
    wait_until "$LIVE" shows '^open drift  1-'
    terminal send-keys q
    wait_until "$LIVE" leaves_no_trace 0
    close_terminal
}

test_top_works_without_colours_and_on_old_terminals() {
    need_tmux
    printf 'one\n' >"$TREE/a"
    start_clean
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    open_terminal 80 24
    local way
    for way in 'TERM=vt100 NO_COLOR=1' 'TERM=xterm NO_COLOR=1' 'TERM=linux --color=never'; do
        # shellcheck disable=SC2086
        top_in_terminal $way
        wait_until "$LIVE" shows '^H changed'
        ! terminal capture-pane -p -e | grep -q $'\033\[[0-9;]*3[0-9]' || fail "$way: there are colours"
        terminal send-keys q
        wait_until "$LIVE" leaves_no_trace 0
        clear_terminal
    done
    top_in_terminal TERM=xterm --color=always
    wait_until "$LIVE" shows '^H changed'
    terminal capture-pane -p -e | grep -q $'\033\[[0-9;]*31' || fail 'nothing is red'
    terminal send-keys q
    wait_until "$LIVE" leaves_no_trace 0
    clear_terminal
    top_in_terminal LC_ALL=C
    wait_until "$LIVE" shows '^H changed'
    ! screen | LC_ALL=C grep -q $'[\x80-\xff]' || fail "not ASCII: $(screen)"
    terminal send-keys q
    wait_until "$LIVE" leaves_no_trace 0
    close_terminal
}

test_top_lets_no_name_move_the_cursor() {
    need_tmux
    start_clean
    printf 'x\n' >"$TREE/"$'\033[2J\033[Hevil\n\r\x9b1m'
    open_terminal 80 24
    top_in_terminal
    wait_until "$LIVE" shows 'H unexpected.*x1b\[2J.x1b\[Hevil.x0a.x0d.x9b1m'
    shows '^driftd on' || fail "the title: $(screen)"
    terminal send-keys q
    wait_until "$LIVE" leaves_no_trace 0
    close_terminal
}

test_top_says_that_the_daemon_is_gone_and_finds_it_again() {
    need_tmux
    printf 'one\n' >"$TREE/a"
    start_clean
    open_terminal 80 24
    top_in_terminal
    wait_until "$LIVE" shows '^open drift  none'
    stop_daemon
    wait_until "$LIVE" shows '(no daemon answers|closed the connection).*: trying again'
    printf 'two\n' >"$TREE/a"
    start_daemon
    wait_until "$LIVE" shows '^H changed'
    shows_not 'trying again' || fail "$(screen)"
    kill -STOP "$DAEMON"
    wait_until "$LIVE" shows 'has not answered for'
    terminal send-keys '?'
    wait_until "$LIVE" shows '^q, Ctrl-C' # the keys work all the while
    terminal send-keys q
    wait_until "$LIVE" leaves_no_trace 0
    kill -CONT "$DAEMON"
    close_terminal
}

test_top_needs_a_terminal_and_a_daemon_and_says_what_else_there_is() {
    start_clean
    expect_exit 4 driftctl top
    expect_error 'needs a terminal'
    expect_error 'driftctl status .*driftctl watch'
    expect_exit 4 driftctl top --json
    expect_json '.schema == "driftd.error/1" and (.hint | test("status --json"))'
    expect_exit 4 driftctl top --interval 0s
    expect_error '1s to 1h'
    expect_exit 4 driftctl top --interval 2h
    expect_error '1s to 1h'
    stop_daemon
    expect_exit 4 driftctl top
    expect_error 'systemctl start driftd'
    need_tmux
    start_daemon
    open_terminal 80 24
    top_in_terminal TERM=dumb
    wait_until "$LIVE" shows 'cannot move its cursor'
    wait_until "$LIVE" shows 'left with 4'
    close_terminal
}

# What it costs: of one core, in a thousandth, while nothing happens and while it asks every second.
test_top_costs_next_to_nothing() {
    need_tmux
    mkdir "$TREE/many"
    (cd "$TREE/many" && seq -f 'f%05g' 1 5000 | xargs touch)
    start_clean
    open_terminal 80 24
    top_in_terminal --interval 1s
    wait_until "$LIVE" shows '^open drift  none'
    local pid before after daemon_before daemon_after
    pid=$(pgrep -P "$(terminal display-message -p '#{pane_pid}')" driftctl)
    ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
    before=$(ticks "$pid") daemon_before=$(ticks "$DAEMON")
    local end=$((SECONDS + 10))
    ((SECONDS < end)) && wait_until 12 top_time_is_over "$end"
    after=$(ticks "$pid") daemon_after=$(ticks "$DAEMON")
    echo "note: driftctl top at --interval 1s, 5,000 files: $((after - before)) ticks of 1000 in 10 s; the daemon $((daemon_after - daemon_before))"
    is_sanitized || [[ $((after - before)) -le 30 && $((daemon_after - daemon_before)) -le 30 ]] || fail 'more than 3 % of a core'
    terminal send-keys q
    wait_until "$LIVE" leaves_no_trace 0
    close_terminal
}

top_time_is_over() {
    ((SECONDS >= $1))
}

test_status_tells_what_the_daemon_is_busy_with() {
    printf 'one\n' >"$TREE/a"
    start_clean
    status_json >"$OUT"
    expect_json '.activity | .folders >= 1 and .events >= 0 and .waiting >= 0 and (.pass == null or (.pass.name | length) > 0)
        and .circle.files_expected >= 1 and (.next_quick | test("^2"))'
    local before
    before=$(status_json | jq .activity.events)
    printf 'two\n' >"$TREE/a"
    wait_until "$LIVE" has_drift "file:$TREE/a" changed
    [[ $(status_json | jq .activity.events) -gt $before ]] || fail 'no event was counted'
    stop_daemon
    status_json >"$OUT"
    expect_json '.activity == null'
}
