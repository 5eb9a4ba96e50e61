#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034 # the parts use each other's variables
# run.sh — what driftd costs, beside what the raw work costs: measured in turns, in one run, on this machine. README.md says
# what each figure means.
#
#   run.sh [SECTION]... [--json FILE]    measures (all: scan cold idle events storm memory scale neighbour)
#   run.sh --update-readme FILE          writes the table of such a FILE into README.md
#
# From the environment: BENCH (sections), BENCH_TREE (/usr), BENCH_ROUNDS (5), BENCH_FILES (160000), BENCH_JSON (FILE),
# BENCH_SCRATCH (/var/tmp). Exit 1: a gate is missed; 4: something failed.
set -euo pipefail

json=${BENCH_JSON:-}
sections=()
while [[ $# -gt 0 ]]; do
    case $1 in
    --json) json=${2:?--json needs a file} && shift ;;
    --update-readme) exec "$(dirname "$0")/readme.sh" "${2:?--update-readme needs a file that --json wrote}" ;;
    scan | cold | idle | events | storm | memory | scale | neighbour) sections+=("$1") ;;
    *) echo "bench: no section or option $1" >&2 && exit 4 ;;
    esac
    shift
done
[[ ${#sections[@]} -gt 0 ]] || read -ra sections <<<"${BENCH:-scan cold idle events storm memory neighbour scale}"
[[ -z $json ]] || json=$(realpath "$json")

cd "$(dirname "$0")/../.."
BUILD=$(realpath "${BUILD:-build}")
TREE=$(realpath "${BENCH_TREE:-/usr}")
ROUNDS=${BENCH_ROUNDS:-5}
FILES=${BENCH_FILES:-160000}
[[ $(id -u) -eq 0 ]] || { echo "bench: needs root, to read the whole tree" >&2 && exit 4; }
for tool in jq findmnt; do
    command -v "$tool" >/dev/null || { echo "bench: $tool is not installed; run: sudo make deps-check" >&2 && exit 4; }
done
# shellcheck source=tests/bench/lib.sh
source tests/bench/lib.sh
for part in scan events scale neighbour; do
    # shellcheck source=/dev/null
    source "tests/bench/$part.sh"
done

machine_json >"$SCRATCH/machine"
machine_text
touch "$SCRATCH/figures"
for section in "${sections[@]}"; do
    declare -F "section_$section" >/dev/null || die "no section $section"
    case $section in # one daemon at a time
    scan | cold | idle | neighbour) [[ $CONFIG == */scan/* ]] || stop_daemon ;;
    events | storm | memory) [[ $CONFIG == */events/* ]] || stop_daemon ;;
    esac
    "section_$section"
done
stop_daemon
[[ -z $json ]] || write_json "$json"
echo "$SECONDS s; gates missed: $(jq -s 'map(select(.kind == "gate" and .met == false)) | length' "$SCRATCH/figures"), targets missed: $(jq -s 'map(select(.kind == "target" and .met == false)) | length' "$SCRATCH/figures")"
exit "$MISSED"
