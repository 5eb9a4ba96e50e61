#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# demo.sh — the whole circle on a live copy of /etc and on the host's own sysctl, sshd and OpenSSL, in a scratch folder: nothing of
# the host is changed, and all of it is gone at the end, also after Ctrl-C. Everything shown is what the commands really print.
set -euo pipefail

cd "$(dirname "$0")/../.."
BUILD=$(realpath "${BUILD:-build}")
packs=$PWD/baselines
[[ $(id -u) -eq 0 ]] || { echo "demo: needs root, to read all of /etc: sudo make demo" >&2 && exit 1; }
[[ -x $BUILD/driftd && -x $BUILD/driftctl ]] || { echo "demo: there is no $BUILD/driftd; run: make" >&2 && exit 1; }

scratch=$(mktemp -d /tmp/driftd.XXXXXX)
chmod 0755 "$scratch" # as /etc: what everybody may read is kept for line diffs; the copies keep their own modes
daemon=
clean_up() {
    local status=$?
    trap - EXIT INT TERM
    [[ -z $daemon ]] || { kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null; } || true
    rm -rf --one-file-system "$scratch"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    bold=$'\e[1m' plain=$'\e[0m'
fi

say() {
    printf '\n%s# %s%s\n' "$bold" "$*" "$plain"
}

# Shows a command as one would type it, runs it, and shows how it ended where that says something. EXPECTED is the code it
# must end with: a demo that goes wrong must not look as if it had gone right.
run() {
    local expected=$1 status=0 shown
    shift
    printf -v shown '%s ' "$@"
    printf '$ %s\n' "${shown% }"
    "$@" || status=$?
    [[ $status -eq 0 ]] || echo "[exit $status]"
    [[ $status -eq $expected ]] || { echo "demo: that should have been exit $expected" >&2 && exit 1; }
}

driftctl() {
    "$BUILD/driftctl" "$@"
}

pause() {
    read -rt 0.02 <> <(:) || true
}

# wait_for SECONDS COMMAND... — a condition, with a deadline
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS <= deadline)) || { echo "demo: waited in vain for: $*" >&2 && exit 1; }
        pause
    done
}

listening() {
    grep -q " 00010000 .* $scratch/run/control.sock\$" /proc/net/unix
}

clean() {
    driftctl -c driftd.conf diff --cached -q
}

cp -a /etc "$scratch/etc"
cd "$scratch"
mkdir -p etc/ssh etc/cron.d
[[ -e etc/ssh/sshd_config ]] || printf '# This host has no sshd: a stand-in.\nPermitRootLogin no\nPasswordAuthentication no\n' >etc/ssh/sshd_config
chmod 0644 etc/ssh/sshd_config
# The demo opens this one to everyone for a moment, so it holds nobody's password hash.
install -m 0640 /dev/null etc/shadow
printf 'root:*:19000:0:99999:7:::\n' >etc/shadow
cat >driftd.conf <<TEXT
[daemon]
state_dir   = $scratch/state
runtime_dir = $scratch/run
trust       = $scratch/trust.conf
packs       = $packs

[files etc]
path     = $scratch/etc
severity = high

[sysctl]
enabled  = yes

[sshd]
config   = $scratch/etc/ssh/sshd_config

[openssl]
enabled  = yes
TEXT

cat <<TEXT
driftd watches a live copy of this host's /etc, $(find etc -type f | wc -l) files in $scratch/etc, and the settings in force:
the kernel's, OpenSSL's, and those that sshd takes from the copy of its configuration.
TEXT

say 'An approver makes a key (without a passphrase here, so that nobody has to type), and the host is told to trust it.'
run 0 driftctl -c driftd.conf key generate --name alice -o alice.key --no-passphrase
run 0 driftctl -c driftd.conf init --trust alice.key.pub --yes

say 'What is there now becomes the first signed baseline.'
run 0 driftctl -c driftd.conf bless --ticket CHG-1 --key alice.key --yes -q

say 'The daemon starts. Is everything as it was approved?'
echo '$ driftd -c driftd.conf &'
"$BUILD/driftd" -c driftd.conf 2>driftd.log &
daemon=$!
wait_for 60 listening
wait_for 120 clean
run 0 driftctl -c driftd.conf diff

say 'Somebody lets root in, plants a cron job, and opens the password hashes to everyone.'
recorded_ms() {
    local time
    time=$(driftctl -c driftd.conf log --json --kind drift "$scratch/etc/$1" | sed -nE 's/.*"time":"([^"]+)".*/\1/p' | tail -n 1)
    [[ -n $time ]] && date -d "$time" +%s%3N
}
found() {
    recorded_ms "$1" >/dev/null
}
declare -A made
# change FILE COMMAND
change() {
    printf '$ %s\n' "$2"
    local now=$EPOCHREALTIME
    made[$1]=$((${now//[.,]/} / 1000))
    eval "$2"
}
change ssh/sshd_config "sed -i '\$a PermitRootLogin yes' etc/ssh/sshd_config"
change cron.d/backdoor "echo '* * * * * root /tmp/.x' >etc/cron.d/backdoor"
change shadow 'chmod 0644 etc/shadow'

say 'Nobody asked, and it is in the history already: from before the command to the durable record.'
for file in ssh/sshd_config cron.d/backdoor shadow; do
    wait_for 30 found "$file"
    printf '%-18s %4d ms\n' "$file" "$(($(recorded_ms "$file") - made[$file]))"
done

say 'What differs?'
run 1 driftctl -c driftd.conf diff

say 'And what exactly?'
run 1 driftctl -c driftd.conf show "$scratch/etc/ssh/sshd_config"
blessed=("$scratch/etc/ssh/sshd_config")
if [[ -x /usr/sbin/sshd ]]; then
    blessed+=(sshd:permitrootlogin)
    say 'The text is one thing; what sshd makes of it is another.'
    run 1 driftctl -c driftd.conf show sshd:permitrootlogin
fi

say 'The cron job is removed and the mode put right. The change of sshd was meant, let us say: alice approves it, and nothing else.'
run 0 rm etc/cron.d/backdoor
run 0 chmod 0640 etc/shadow
run 0 driftctl -c driftd.conf bless "${blessed[@]}" --ticket CHG-2 --key alice.key --yes
run 0 driftctl -c driftd.conf diff

say 'What happened is still told: the job that came and went, too.'
run 0 driftctl -c driftd.conf log --since -1h --kind drift
run 0 driftctl -c driftd.conf log --since -1h --kind resolved
run 0 driftctl -c driftd.conf log --since -1h --kind bless

say 'As it was approved is one question. Whether that is hardened is another: a policy pack judges this kernel.'
echo '$ driftctl -c driftd.conf policy check linux-sysctl'
status=0
driftctl -c driftd.conf policy check linux-sysctl >policy.txt || status=$?
head -n 6 policy.txt
echo ...
tail -n 3 policy.txt
[[ $status -eq 0 ]] || echo "[exit $status]"
[[ $status -le 2 ]] || { echo 'demo: that should have been exit 0, 1 or 2' >&2 && exit 1; }

say 'And nobody has rewritten the history.'
run 0 driftctl -c driftd.conf verify

say 'That was it. Everything it made is removed.'
