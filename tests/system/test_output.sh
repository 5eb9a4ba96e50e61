# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Outputs: the relay between the daemon and real receivers: rsyslogd, promtool and node_exporter, files and programs. What a
# receiver has is compared with what the history has.

RELAY='' RSYSLOG='' SYSLOG_PORT='' EXPORTER=''

# output_config SECTIONS — the usual instance, with outputs
output_config() {
    write_config "[files tree]
path = $TREE

$1"
}

start_relay() {
    "$BUILD/driftctl" --config "$CONFIG" output run >>"$SCRATCH/relay.log" 2>&1 9>&- &
    RELAY=$!
    remember_process "$RELAY"
}

stop_relay() {
    local status=0
    kill -TERM "$RELAY"
    wait "$RELAY" || status=$?
    [[ $status -eq 0 ]] || fail "the relay ended with $status: $(tail -n 5 "$SCRATCH/relay.log")"
    RELAY=''
}

kill_relay() {
    kill -KILL "$RELAY"
    wait "$RELAY" 2>/dev/null || true
}

relay_said() {
    grep -Eq "$1" "$SCRATCH/relay.log"
}

# (shellcheck reads no lib.sh here)
: "${DAEMON:=}"

# Numbers of all records that an output with the usual kinds is told.
told_numbers() {
    driftctl log --json | jq 'select(.kind != "heartbeat" and .kind != "scan") | .seq'
}

# received COMMAND... — what the command prints are the numbers as they came: the first of each are all there are, in order.
received() {
    cmp <("$@" | awk '!seen[$1]++') <(told_numbers)
}

ecs_numbers() {
    jq .event.sequence "$SCRATCH/siem.json"
}

syslog_numbers() {
    sed -nE 's/^.*\[driftd@32473 seq="([0-9]+)" .*$/\1/p' "$SCRATCH/syslog.out"
}

# behind NAME — how many records; fails where that is not known
behind() {
    driftctl output list --json | jq -e --arg name "$1" '.outputs[] | select(.name == $name).behind'
}

is_told() {
    [[ $(behind "$1") == 0 ]]
}

# change_files FIRST LAST — a new file each: a record each
change_files() {
    local i
    for ((i = $1; i <= $2; i++)); do
        echo "$i" >"$TREE/new-$i"
    done
}

records_of_files() {
    [[ $(driftctl log --json --kind drift | wc -l) -ge $1 ]]
}

# ---- rsyslogd: its own configuration, port and sockets ----

write_rsyslog_config() {
    cat >"$SCRATCH/rsyslog.conf" <<TEXT
global(workDirectory="$SCRATCH" maxMessageSize="64k")
module(load="imtcp")
module(load="imuxsock" SysSock.Use="off")
template(name="line" type="string" string="%pri% %timestamp:::date-rfc3339% %app-name% %msgid% %structured-data%|%msg%\n")
input(type="imtcp" address="127.0.0.1" port="$SYSLOG_PORT")
input(type="imuxsock" Socket="$SCRATCH/log.sock" CreatePath="off" RateLimit.Interval="0")
action(type="omfile" file="$SCRATCH/syslog.out" template="line")
TEXT
}

rsyslog_listens() {
    kill -0 "$RSYSLOG" && grep -qi "^ *[0-9]*: 0100007F:$(printf '%04X' "$SYSLOG_PORT") 00000000:0000 0A" /proc/net/tcp
}

start_rsyslog() {
    command -v rsyslogd >/dev/null || skip "needs rsyslog"
    [[ -n $SYSLOG_PORT ]] || SYSLOG_PORT=$((20000 + RANDOM % 10000))
    write_rsyslog_config
    rm -f "$SCRATCH/rsyslog.pid"
    rsyslogd -n -C -f "$SCRATCH/rsyslog.conf" -i "$SCRATCH/rsyslog.pid" >>"$SCRATCH/rsyslog.log" 2>&1 9>&- &
    RSYSLOG=$!
    remember_process "$RSYSLOG"
    wait_until 20 rsyslog_listens
}

kill_rsyslog() {
    kill -KILL "$RSYSLOG"
    wait "$RSYSLOG" 2>/dev/null || true
}

# ---- ecs ----

ECS_OUTPUT() {
    echo "[output siem]
type = ecs
path = $SCRATCH/siem.json
$1"
}

test_output_ecs_lines_hold_only_published_fields_with_their_types() {
    output_config "$(ECS_OUTPUT 'kinds = drift resolved start stop scan gap bless trust ack reload checkpoint')"
    echo one >"$TREE/a"
    ln -s a "$TREE/link"
    start_clean
    start_relay
    put "$TREE/a" 'two\n'
    chmod 0640 "$TREE/a"
    echo x >"$TREE/with blank"
    ln -sfn b "$TREE/link" # (by way of another name, which may be seen)
    wait_until "$LIVE" has_record drift "$TREE/a" 'any(.detail.attributes[]; .name == "mode")'
    wait_until "$LIVE" has_record drift "$TREE/with blank"
    wait_until "$LIVE" has_record drift "$TREE/link"
    driftctl ack "file:$TREE/link" --reason 'a "quoted" reason' >/dev/null
    rm "$TREE/with blank"
    wait_until "$LIVE" has_record resolved "$TREE/with blank"
    wait_until "$LIVE" is_told siem
    stop_relay
    jq -es 'length > 8 and all(.[]; .ecs.version == "9.4.0")' "$SCRATCH/siem.json" >/dev/null || fail "$(cat "$SCRATCH/siem.json")"
    # Each leaf that was written, with its type, once. Lists are of what is in them.
    jq -r 'def name: map(select(type == "string")) | join("."); paths(scalars) as $p | [($p | name), (getpath($p) | type)] | @tsv' \
        "$SCRATCH/siem.json" | sort -u >"$SCRATCH/written"
    while read -r name type; do
        [[ $name != driftd.* ]] || continue
        wanted=$(awk -v name="$name" '$1 == name {print $2}' tests/data/output/ecs-fields.txt)
        case $wanted in
        keyword | date | match_only_text | wildcard) expect_equal "$type" string "the type of $name" ;;
        long) expect_equal "$type" number "the type of $name" ;;
        *) fail "$name is no field of the schema that we know" ;;
        esac
    done <"$SCRATCH/written"
    for name in event.kind event.category event.type; do
        values=$(awk -v name="$name" '$1 == name {$1 = $2 = ""; print}' tests/data/output/ecs-fields.txt)
        while read -r value; do
            [[ " $values " == *" $value "* ]] || fail "$name is $value, which the schema does not allow"
        done < <(jq -r ".$name | if type == \"array\" then .[] else . end" "$SCRATCH/siem.json" | sort -u)
    done
    jq -es --arg path "$TREE/with blank" 'any(.[]; .file.path == $path and .event.type == ["creation"] and .event.kind == "alert"
        and .driftd.severity == "high" and .rule.name == "host")' "$SCRATCH/siem.json" >/dev/null || fail "no such line"
    jq -es 'any(.[]; .file.mode == "0640") and any(.[]; .file.target_path == "b") and any(.[]; .user.name == "root")' \
        "$SCRATCH/siem.json" >/dev/null || fail "no mode, target or user: $(cat "$SCRATCH/siem.json")"
    echo "note: $(wc -l <"$SCRATCH/siem.json") lines with $(wc -l <"$SCRATCH/written") different fields"
}

test_output_ecs_file_is_rotated_and_a_torn_line_is_mended() {
    output_config "$(ECS_OUTPUT '')"
    printf '{"torn' >"$SCRATCH/siem.json"
    start_clean
    start_relay
    wait_until "$LIVE" is_told siem
    expect_equal "$(head -n 1 "$SCRATCH/siem.json")" '{"torn' "the torn line"
    sed -n '2,$p' "$SCRATCH/siem.json" | jq -es 'length > 2' >/dev/null || fail "what follows a torn line is no JSON"
    expect_equal "$(stat -c %a "$SCRATCH/siem.json")" 644 "the mode of a file that was there"
    mv "$SCRATCH/siem.json" "$SCRATCH/siem.json.1"
    echo x >"$TREE/after"
    wait_until "$LIVE" grep -q "$TREE/after" "$SCRATCH/siem.json"
    expect_equal "$(stat -c %a "$SCRATCH/siem.json")" 640 "the mode of a new file"
    cmp <(cat "$SCRATCH/siem.json.1" "$SCRATCH/siem.json" | sed 1d | jq .event.sequence) <(told_numbers)
    # A link is not followed: what it points to stays as it is.
    rm "$SCRATCH/siem.json"
    echo mine >"$SCRATCH/victim"
    ln -s victim "$SCRATCH/siem.json"
    echo x >"$TREE/later"
    wait_until "$LIVE" relay_said 'it is a link'
    expect_equal "$(cat "$SCRATCH/victim")" mine "what the link points to"
    rm "$SCRATCH/siem.json"
    wait_until "$LIVE" grep -q "$TREE/later" "$SCRATCH/siem.json"
    stop_relay
}

test_output_a_killed_relay_misses_nothing_and_keeps_the_order() {
    output_config "$(ECS_OUTPUT '')"
    start_clean
    local i
    for i in 1 2 3 4 5 6; do
        start_relay
        change_files $((i * 100)) $((i * 100 + 99))
        wait_until "$LIVE" grep -q "new-${i}[0-9]" "$SCRATCH/siem.json"
        kill_relay
    done
    start_relay
    wait_until "$LIVE" records_of_files 600
    # (A file that was looked at while it was written has one more.)
    wait_until "$LIVE" received ecs_numbers
    stop_relay
    jq -e . "$SCRATCH/siem.json" >/dev/null || fail "a line is no JSON"
    echo "note: $(wc -l <"$SCRATCH/siem.json") lines for $(told_numbers | wc -l) records, killed 6 times"
}

test_output_a_second_relay_is_refused() {
    output_config "$(ECS_OUTPUT '')"
    start_clean
    start_relay
    wait_until "$LIVE" is_told siem
    expect_exit 4 driftctl output run
    expect_error 'another relay is running'
    stop_relay
}

# ---- selecting, folding ----

test_output_severities_items_and_kinds_select() {
    output_config "[files low]
path = $SCRATCH/low
severity = low
$(ECS_OUTPUT "severity = high medium
kinds = drift resolved")
[output some]
type = ecs
path = $SCRATCH/some.json
items = file:$TREE/a*
items = file:$SCRATCH/low/**"
    mkdir "$SCRATCH/low"
    start_clean
    start_relay
    put "$TREE/abc" x
    put "$TREE/xyz" x
    put "$SCRATCH/low/quiet" x
    wait_until "$LIVE" records_of_files 3
    rm "$SCRATCH/low/quiet" "$TREE/xyz"
    wait_until "$LIVE" has_record resolved "file:$SCRATCH/low/quiet"
    wait_until "$LIVE" has_record resolved "file:$TREE/xyz"
    wait_until "$LIVE" is_told siem
    wait_until "$LIVE" is_told some
    stop_relay
    expect_equal "$(jq -r '.driftd.kind + " " + .file.name' "$SCRATCH/siem.json" | sort | tr '\n' ,)" 'drift abc,drift xyz,resolved xyz,'
    expect_equal "$(jq -r '.driftd.kind + " " + .file.name' "$SCRATCH/some.json" | sort | tr '\n' ,)" 'drift abc,drift quiet,resolved quiet,'
}

reloads() {
    [[ $(driftctl log --json --kind reload | wc -l) -eq $1 ]]
}

test_output_identical_records_are_folded_with_their_count_and_the_order_stays() {
    output_config "$(ECS_OUTPUT 'fold = 1h')"
    start_clean
    start_relay
    wait_until "$LIVE" is_told siem
    local i
    for i in 1 2 3 4 5; do
        kill -HUP "$DAEMON"
        wait_until "$LIVE" reloads "$i"
    done
    # Nothing was told twice, and what is held back is not passed by the cursor.
    expect_equal "$(jq 'select(.driftd.kind == "reload") | .driftd.count' "$SCRATCH/siem.json")" 1
    [[ $(behind siem) -ge 4 ]] || fail "the cursor passed what was not delivered"
    kill_relay
    start_relay
    put "$TREE/news" x
    wait_until "$LIVE" grep -q "$TREE/news" "$SCRATCH/siem.json"
    wait_until "$LIVE" is_told siem
    stop_relay
    # Killed with four of them held back: they are read again, and told as one and three before the news.
    expect_equal "$(jq -s 'map(select(.driftd.kind == "reload") | .driftd.count) | add' "$SCRATCH/siem.json")" 5
    jq -es 'any(.[]; .driftd.kind == "reload" and .driftd.count > 2 and (.message | test("times, records")))' "$SCRATCH/siem.json" >/dev/null ||
        fail "no line stands for several"
    ecs_numbers | sort -nc || fail "out of order: $(ecs_numbers | tr '\n' ' ')"
}

# ---- syslog ----

SYSLOG_TCP() {
    echo "[output log]
type = syslog
address = tcp:127.0.0.1:$SYSLOG_PORT
facility = local3
$1"
}

test_output_rsyslog_over_tcp_has_all_in_order_though_it_is_killed() {
    SYSLOG_PORT=$((20000 + RANDOM % 10000))
    output_config "$(SYSLOG_TCP '')"
    start_clean
    start_relay # rsyslogd is not there yet
    echo 'a "quoted" ] \ value' >"$TREE/first"
    echo x >"$TREE/"$'evil]\n<0>1 - forged'
    wait_until "$LIVE" records_of_files 2
    wait_until "$LIVE" relay_said 'Connection refused'
    start_rsyslog
    wait_until 60 is_told log
    local i
    for i in 1 2 3; do
        change_files $((i * 100)) $((i * 100 + 60))
        wait_until "$LIVE" grep -q "new-$i" "$SCRATCH/syslog.out"
        kill_rsyslog
        change_files $((i * 100 + 61)) $((i * 100 + 99))
        start_rsyslog
    done
    wait_until "$LIVE" records_of_files 302
    wait_until 90 is_told log
    wait_until "$LIVE" received syslog_numbers
    grep -Eq "^156 [^ ]+ driftd drift \[driftd@32473 seq=\"[0-9]+\" kind=\"drift\" item=\"file:$TREE/first\" change=\"unexpected\" severity=\"high\" .*\]\|.*unexpected file:$TREE/first" \
        "$SCRATCH/syslog.out" || grep -Eq "^155 [^ ]+ driftd drift \[driftd@32473" "$SCRATCH/syslog.out" || fail "no such line: $(head -n 3 "$SCRATCH/syslog.out")"
    ! grep -q '^[0-9 ]*- forged' "$SCRATCH/syslog.out" || fail "a name forged a line"
    grep -Fq 'evil]\\x0a<0>1' "$SCRATCH/syslog.out" || grep -Fq 'evil\]\\x0a<0>1' "$SCRATCH/syslog.out" || fail "the evil name is not there"
    stop_relay
    echo "note: rsyslogd killed 3 times: $(syslog_numbers | wc -l) lines for $(told_numbers | wc -l) records"
}

# start_deaf ADDRESS — a receiver that takes what comes (a port or the path of a socket) and reads nothing of it
# start_reader ADDRESS FILE — one that writes what it reads to a file; with CLOSES=yes it closes after each read
cat >"$SCRATCH/receiver" <<'PYTHON'
import os, select, socket, sys
address, out, closes = sys.argv[1], sys.argv[2], os.environ.get('CLOSES')
tcp = address.isdigit()
s = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if not tcp and os.path.exists(address):
    os.unlink(address)
s.bind(('127.0.0.1', int(address)) if tcp else address)
if tcp:
    s.listen()
open(out + '.up', 'w').close()
while True:
    c = s.accept()[0] if tcp else s
    if tcp:
        open(out + '.connections', 'a').write('one\n')
    if os.environ.get('DEAF'):
        select.select([], [], [])
    while data := c.recv(65536):
        with open(out, 'ab') as f:
            f.write(data + b'\n')
        if closes:
            c.close()
            break
PYTHON
RECEIVER=''

start_reader() {
    command -v python3 >/dev/null || skip "needs python3"
    rm -f "$2.up"
    python3 "$SCRATCH/receiver" "$1" "$2" 9>&- &
    RECEIVER=$!
    remember_process "$RECEIVER"
    wait_until 20 test -e "$2.up"
}

start_deaf() {
    DEAF=yes start_reader "$1" "$SCRATCH/deaf"
}

kill_receiver() {
    kill -KILL "$RECEIVER"
    wait "$RECEIVER" 2>/dev/null || true
}

is_later() {
    ((SECONDS > $1))
}

# unread ADDRESS FULL_ADDRESS — one hangs with a record that it never reads, for longer than RELAY_REWIND_MS, and dies
unread() {
    output_config "[output log]
type = syslog
address = $2
kinds = drift
from = now"
    start_deaf "$1"
    start_clean
    start_relay
    wait_until "$LIVE" is_told log
    echo x >"$TREE/unread"
    wait_until "$LIVE" records_of_files 1
    wait_until 30 is_later $((SECONDS + 12))
    kill_receiver
    start_reader "$1" "$SCRATCH/read"
    [[ $1 != /* ]] || wait_until 30 is_later $((SECONDS + 12)) # of a local socket nobody hears that it is gone
    echo x >"$TREE/next"
    wait_until "$LIVE" grep -q "file:$TREE/next" "$SCRATCH/read"
    grep -q "file:$TREE/unread" "$SCRATCH/read" || fail "what the one that died had not read is lost"
    stop_relay
}

test_output_tells_again_what_a_receiver_that_hung_and_died_had_not_read() {
    local port=$((20000 + RANDOM % 10000))
    unread "$port" "tcp:127.0.0.1:$port"
}

test_output_tells_again_what_was_in_the_queue_of_a_local_socket_that_died() {
    unread "$SCRATCH/log.sock" "unix:$SCRATCH/log.sock"
}

has_connections() {
    [[ $(wc -l <"$SCRATCH/read.connections") -ge $1 ]]
}

test_output_a_receiver_that_takes_and_closes_is_asked_less_and_less_often() {
    local port=$((20000 + RANDOM % 10000)) connections
    output_config "[output log]
type = syslog
address = tcp:127.0.0.1:$port"
    CLOSES=yes start_reader "$port" "$SCRATCH/read"
    start_clean
    start_relay
    wait_until "$LIVE" has_connections 4 # after 0, 0.2, 0.6 and 1.4 s
    wait_until 30 is_later $((SECONDS + 7))
    connections=$(wc -l <"$SCRATCH/read.connections")
    ((connections <= 8)) || fail "it was asked $connections times"
    stop_relay
}

test_output_a_daemon_that_takes_no_more_clients_is_told_of_once() {
    output_config "$(ECS_OUTPUT '')"
    mkdir -p "$RUN"
    python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
while True:
    s.accept()[0].close()
    open(sys.argv[2], "a").write("one\n")' "$RUN/control.sock" "$SCRATCH/read.connections" 9>&- &
    remember_process $!
    wait_until 20 test -S "$RUN/control.sock"
    start_relay
    wait_until "$LIVE" has_connections 4
    expect_equal "$(grep -c 'going on when the daemon answers' "$SCRATCH/relay.log")" 1
    stop_relay
}

rss_kb() {
    awk '/^VmRSS/{print $2}' "/proc/$1/status"
}

# detection_ms NAME — from a change to its record, in ms by the record's own time: the median of five
detection_ms() {
    local i before
    for i in 1 2 3 4 5; do
        before=$(date +%s%3N)
        put "$TREE/$1-$i" x
        wait_until "$LIVE" has_record drift "file:$TREE/$1-$i" >&2
        echo $(($(date -d "$(driftctl log --json --kind drift "file:$TREE/$1-$i" | jq -r .time | head -n 1)" +%s%3N) - before))
    done | sort -n | sed -n 3p
}

test_output_a_receiver_that_takes_nothing_delays_and_grows_nothing() {
    output_config "[output log]
type = syslog
address = unix:$SCRATCH/log.sock
$(ECS_OUTPUT '')"
    start_rsyslog
    start_clean
    start_relay
    wait_until "$LIVE" is_told log
    wait_until "$LIVE" is_told siem
    local free daemon relay ms
    free=$(detection_ms free)
    kill -STOP "$RSYSLOG"
    change_files 1 1500
    wait_until 60 records_of_files 1500
    wait_until "$LIVE" is_told siem # the other output is not held up
    ((10#$(behind log) > 100)) || fail "the stopped receiver took all"
    daemon=$(rss_kb "$DAEMON") relay=$(rss_kb "$RELAY")
    change_files 2001 3500
    wait_until 60 records_of_files 3000
    wait_until "$LIVE" is_told siem
    ms=$(detection_ms blocked)
    echo "note: with a receiver that is stopped: a change is recorded after $ms ms (before: $free); $(behind log) records behind; RSS of driftd $daemon → $(rss_kb "$DAEMON") kB, of the relay $relay → $(rss_kb "$RELAY") kB"
    ((ms < 3 * free + 200)) || fail "recorded after $ms ms, and after $free without it"
    if ! is_sanitized; then
        # (1500 open drifts more are the daemon's own to keep: 1 kB each, and not what the receiver did not take)
        (($(rss_kb "$DAEMON") - daemon < 8192)) || fail "driftd grew from $daemon to $(rss_kb "$DAEMON") kB"
        (($(rss_kb "$RELAY") - relay < 8192)) || fail "the relay grew from $relay to $(rss_kb "$RELAY") kB"
    fi
    kill -CONT "$RSYSLOG"
    wait_until 60 is_told log
    wait_until "$LIVE" received syslog_numbers
    # As rsyslog takes it with its defaults, and journald: the program is driftd, the data begins the message.
    grep -Eq "^3[0-9] $(date +%Y-)[^ ]+ driftd - -\| ?\[driftd@32473 seq=\"[0-9]+\" kind=\"drift\" item=\"file:$TREE/new-1\" .*\] unexpected file:$TREE/new-1 " \
        "$SCRATCH/syslog.out" || fail "no such line: $(head -n 3 "$SCRATCH/syslog.out")"
    stop_relay
}

# ---- openmetrics ----

METRICS() {
    echo "[output prom]
type = openmetrics
path = $SCRATCH/prom/driftd.prom
interval = 1s"
}

# metric NAME[LABELS] — its value
metric() {
    awk -v name="$1" '$1 == name {print $2}' "$SCRATCH/prom/driftd.prom"
}

has_metric() {
    [[ $(metric "$1") == "$2" ]]
}

exporter_has() {
    curl -sS "http://127.0.0.1:$1/metrics" >"$SCRATCH/scraped" && grep -Eq "$2" "$SCRATCH/scraped"
}

test_output_metrics_are_what_promtool_and_node_exporter_take() {
    command -v promtool >/dev/null || skip "needs prometheus"
    output_config "$(METRICS)"
    mkdir "$SCRATCH/prom"
    echo one >"$TREE/a"
    start_clean
    start_relay
    wait_until "$LIVE" has_metric driftd_up 1
    wait_until "$LIVE" has_metric 'driftd_verdict{verdict="clean"}' 1
    expect_exit 0 promtool check metrics <"$SCRATCH/prom/driftd.prom"
    promtool check metrics <"$SCRATCH/prom/driftd.prom" >"$OUT" 2>&1 || fail "promtool: $(cat "$OUT")"
    expect_equal "$(cat "$OUT")" '' "what promtool says"
    expect_equal "$(metric driftd_coverage_ratio)" 1
    expect_equal "$(metric 'driftd_baseline_generation{baseline="host"}')" 1
    expect_equal "$(metric 'driftd_open_drifts{domain="sshd",severity="low"}')" 0
    [[ $(metric driftd_oldest_content_check_timestamp_seconds) == 1[0-9]*.* ]] || fail "no time of the oldest content check"
    [[ $(metric 'driftd_last_pass_timestamp_seconds{pass="full"}') == 1[0-9]*.* ]] || fail "no time of the last full pass"
    local name
    for name in driftd_overflows_total driftd_events_dropped_total driftd_probe_errors driftd_windows_open; do
        expect_equal "$(metric "$name")" 0 "$name"
    done
    echo x >"$TREE/new"
    wait_until "$LIVE" has_metric 'driftd_open_drifts{domain="file",severity="high"}' 1
    if command -v prometheus-node-exporter >/dev/null; then
        local port=$((30000 + RANDOM % 2000))
        prometheus-node-exporter --web.listen-address="127.0.0.1:$port" --collector.disable-defaults --collector.textfile \
            --collector.textfile.directory="$SCRATCH/prom" >>"$SCRATCH/exporter.log" 2>&1 9>&- &
        EXPORTER=$!
        remember_process "$EXPORTER"
        wait_until 20 exporter_has "$port" '^driftd_open_drifts\{domain="file",severity="high"\} 1$'
        grep -q '^node_textfile_scrape_error 0$' "$SCRATCH/scraped" || fail "node_exporter could not read it"
        echo "note: node_exporter tells $(grep -c '^driftd_' "$SCRATCH/scraped") samples"
        kill "$EXPORTER"
    fi
    stop_daemon
    wait_until "$LIVE" has_metric driftd_up 0
    [[ -z $(metric driftd_coverage_ratio) ]] || fail "a number stands for what is not known"
    [[ $(metric driftd_last_answer_timestamp_seconds) == 1[0-9]*.* ]] || fail "no time of the last answer"
    promtool check metrics <"$SCRATCH/prom/driftd.prom" || fail "promtool"
    start_daemon
    wait_until "$LIVE" has_metric driftd_up 1
    stop_relay
    [[ ! -e $SCRATCH/prom/driftd.prom ]] || fail "a page stays behind that nobody keeps up to date"
}

# ---- command ----

test_output_a_program_takes_each_record_and_is_asked_again_until_it_does() {
    cat >"$SCRATCH/take" <<TEXT
#!/bin/sh
record=\$(cat)
[ ! -e "$SCRATCH/hang" ] || exec sleep 1000
[ ! -e "$SCRATCH/refuse" ] || { echo "not now" >&2; exit 7; }
printf '%s\n' "\$record" >>"$SCRATCH/taken"
printf '%s\n' "\$#|\$1|\$2" >"$SCRATCH/arguments"
TEXT
    chmod +x "$SCRATCH/take"
    output_config "[output run]
type = command
command = $SCRATCH/take --to a\\x20b;\$(id)
timeout = 1s"
    start_clean
    start_relay
    wait_until "$LIVE" is_told run
    # (the word after a blank and ; would be a comment: this ; is in the middle of a word. No shell looked at it.)
    expect_equal "$(cat "$SCRATCH/arguments")" '2|--to|a b;$(id)'
    touch "$SCRATCH/refuse"
    change_files 1 3
    wait_until "$LIVE" relay_said 'exit status 7: not\\x20now'
    touch "$SCRATCH/hang"
    wait_until "$LIVE" relay_said 'it did not end in time'
    rm "$SCRATCH/refuse" "$SCRATCH/hang"
    wait_until 60 is_told run
    wait_until "$LIVE" records_of_files 3
    wait_until 60 is_told run
    stop_relay
    cmp <(jq .seq "$SCRATCH/taken") <(told_numbers)
    driftctl output list --json >"$OUT"
    expect_json '.outputs[0] | .failures > 1 and .last_error == null and .behind == 0 and .type == "command"'
}

# ---- where it stopped ----

test_output_goes_on_after_the_daemon_and_says_what_became_of_history_and_cursor() {
    output_config "$(ECS_OUTPUT '')"
    start_clean
    start_relay
    wait_until "$LIVE" is_told siem
    stop_daemon
    start_daemon
    echo x >"$TREE/one"
    wait_until "$LIVE" grep -q "$TREE/one" "$SCRATCH/siem.json"
    wait_until "$LIVE" received ecs_numbers
    ! relay_said 'replaced' || fail "the same history is taken for another"
    stop_relay
    # A cursor that is damaged: from the first record, said.
    echo rubbish >"$STATE/output/siem.cursor"
    expect_exit 0 driftctl output list
    expect_output 'no cursor, or damaged'
    : >"$SCRATCH/siem.json"
    start_relay
    wait_until "$LIVE" is_told siem
    relay_said 'siem.cursor: it is no cursor, or damaged; beginning at the first record'
    wait_until "$LIVE" received ecs_numbers
    # Another history, longer than the old one was: noticed by its records.
    stop_daemon
    rm -r "$STATE/driftd.db" "$STATE/high-water" "$STATE/baselines"
    rm -f "$STATE"/driftd.db-*
    : >"$SCRATCH/siem.json"
    bless_all
    change_files 1 40
    start_daemon
    wait_until "$LIVE" relay_said 'the history was replaced: record [0-9]+ is (another one|not there)'
    wait_until "$LIVE" is_told siem
    wait_until "$LIVE" received ecs_numbers
    stop_relay
}

test_output_may_begin_with_the_present() {
    output_config "$(ECS_OUTPUT 'from = now')"
    start_clean
    echo x >"$TREE/before"
    wait_until "$LIVE" records_of_files 1
    start_relay
    wait_until "$LIVE" is_told siem
    kill_relay # the place is kept although nothing was told
    echo x >"$TREE/between"
    wait_until "$LIVE" records_of_files 2
    start_relay
    wait_until "$LIVE" grep -q "$TREE/between" "$SCRATCH/siem.json"
    stop_relay
    ! grep -q "$TREE/before" "$SCRATCH/siem.json" || fail "what was before was told"
}

test_output_test_sends_one_record_that_says_so() {
    start_rsyslog
    output_config "$(SYSLOG_TCP '')
$(ECS_OUTPUT '')
[output away]
type = syslog
address = unix:$SCRATCH/none.sock"
    start_clean
    expect_exit 0 driftctl output test siem
    expect_output '^OK +siem'
    jq -e '.driftd.test and .driftd.kind == "test" and (.message | test("TEST")) and (.file | not)' "$SCRATCH/siem.json" >/dev/null ||
        fail "$(cat "$SCRATCH/siem.json")"
    expect_exit 0 driftctl output test log --json
    expect_json '.delivered and .name == "log"'
    wait_until "$LIVE" grep -q 'kind="test".*test="yes".*TEST of the output log' "$SCRATCH/syslog.out"
    expect_exit 4 driftctl output test away
    expect_error 'none.sock: No such file'
    expect_exit 4 driftctl output test awya
    expect_error 'did you mean away'
    expect_exit 0 driftctl output list --any
}

# refused SECTION WORDS HINT
output_refused() {
    output_config "$1"
    expect_exit 4 driftctl config check
    expect_error "driftd.conf:[0-9]+: .*$2"
    expect_error "$3"
}

test_output_mistakes_are_refused_with_their_line() {
    make_key alice
    driftctl init --trust "$KEYS/alice.pub" --yes >/dev/null 2>&1 || true
    output_refused $'[output a]\ntype = esc\npath = /x' 'type: "esc" is not a value' 'did you mean ecs'
    output_refused $'[output a]\npath = /x' 'has no type' 'add type ='
    output_refused $'[output a]\ntype = ecs' 'has no path' 'add path ='
    output_refused $'[output a]\ntype = ecs\npath = /x\naddress = unix:/dev/log' 'address means nothing with type = ecs' 'take the line out'
    output_refused $'[output a]\ntype = syslog\naddress = udp:1.2.3.4:514' 'is no address' 'tcp:HOST:PORT'
    output_refused $'[output a]\ntype = syslog\naddress = tcp:host:0' 'is no address' 'a port from 1'
    output_refused $'[output a]\ntype = openmetrics\npath = /x/driftd.txt' 'does not end in .prom' 'node_exporter'
    output_refused $'[output a]\ntype = command\ncommand = notify' 'not an absolute path' 'name the program whole'
    output_refused $'[output a]\ntype = ecs\npath = /x\nkinds = drifts' 'no kind of record' 'did you mean drift'
    output_refused $'[output a]\ntype = ecs\npath = /x\nseverity = urgent' 'no severity' 'high medium low'
    output_refused $'[output a]\ntype = ecs\npath = /x\n[output b]\ntype = ecs\npath = /x' 'the same path as' 'file of its own'
    output_refused $'[output]\ntype = ecs' 'has no name' 'output siem'
    write_config
    expect_exit 4 driftctl output run
    expect_error 'names no output'
    expect_exit 4 driftctl output list --any
    # The service is not skipped for a mistake: run then says what it is.
    output_config $'[output a]\ntype = esc\npath = /x'
    expect_exit 0 driftctl output list --any
    expect_equal "$(cat "$OUT" "$ERR")" '' 'what --any says'
    expect_exit 4 driftctl output run
    expect_error 'driftd.conf:[0-9]+: .*did you mean ecs|"esc" is not a value'
}
