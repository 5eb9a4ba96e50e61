#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deploy.sh SET TICKET COMMAND [ARGUMENT]... — a deploy that changes what it shall, and nothing else.
#
#   before   the host is as it was approved; else nothing is deployed
#   deploy   COMMAND
#   compare  driftctl diff --expect SET: all of SET happened, and nothing else
#   bless    exactly that, with the ticket
#
# SET is an expected change set (driftd-window(5)): a recording window on a test host writes one
# (driftctl window open --record … close -o SET), or your build does.
#
# To adapt: SIGN is how the approval is signed (a key that CI hands over for this job alone, or an agent: never one that
# lies on the host), REPORTS where the reports go, DRIFTCTL the command (for instance "ssh HOST driftctl").
#
# Ends with 0; or as driftctl does: 1 not what was expected, 2 not all could be looked at, 3 not to be believed, 4 failed;
# or with what COMMAND ended with.
set -u

SIGN=${SIGN:---ssh-agent}
REPORTS=${REPORTS:-reports}
DRIFTCTL=${DRIFTCTL:-driftctl}

if [ $# -lt 3 ]; then
    echo "usage: deploy.sh SET TICKET COMMAND [ARGUMENT]..." >&2
    exit 4
fi
set_file=$1 ticket=$2
shift 2
mkdir -p "$REPORTS" || exit 4

# compare NAME [ARGUMENT]... — a report for people in the log, one for the server's test view, one for its findings.
# The exit code is that of the first; each looks anew, so what changes in between is in the later ones too.
compare() {
    name=$1
    shift
    # shellcheck disable=SC2086 # DRIFTCTL may be several words
    {
        $DRIFTCTL diff "$@"
        code=$?
        $DRIFTCTL diff "$@" --format junit >"$REPORTS/$name.xml"
        $DRIFTCTL diff "$@" --format sarif >"$REPORTS/$name.sarif"
    }
    return "$code"
}

echo "== before"
compare before
code=$?
if [ $code -ne 0 ]; then
    echo "deploy.sh: nothing was deployed: the host is not as it was approved (driftctl diff: exit $code)" >&2
    exit $code
fi

echo "== deploy: $*"
"$@"
deployed=$?

echo "== compare"
compare deploy --expect "$set_file"
code=$?
if [ $deployed -ne 0 ]; then
    echo "deploy.sh: the deploy failed (exit $deployed); what it changed all the same is above" >&2
    exit $deployed
fi
if [ $code -ne 0 ]; then
    echo "deploy.sh: not what was expected (driftctl diff --expect: exit $code): nothing is blessed" >&2
    exit $code
fi

echo "== bless"
# shellcheck disable=SC2086
$DRIFTCTL bless --expect "$set_file" --ticket "$ticket" $SIGN --yes || exit

echo "== after"
compare after
