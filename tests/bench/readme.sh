#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# readme.sh FILE — writes the figures of FILE (of run.sh --json or peers.sh --json) as a table into README.md, between the two
# comments that name its schema.
set -euo pipefail

file=$(realpath "$1")
cd "$(dirname "$0")"
schema=$(jq -re .schema "$file")
[[ $schema == driftd.bench/1 || $schema == driftd.bench-peers/1 ]] || { echo "readme.sh: $file: schema $schema is not known" >&2 && exit 4; }
grep -qxF "<!-- begin $schema -->" README.md || { echo "readme.sh: README.md has no place for $schema" >&2 && exit 4; }

table() {
    jq -r '
        def cell: tostring | gsub("\\|"; "\\|");
        .machine as $m |
        "\($m.date), commit \($m.commit), \($m.rounds) rounds, load \($m.load_at_start) at the start. \($m.cpu) (\($m.cpu_flags)), \($m.cores) cores, \($m.memory_mib) MiB, \($m.kernel), \($m.file_system) on \($m.device) (rotational \($m.rotational), scheduler \($m.scheduler)); tree \($m.tree).",
        "",
        "| section | figure | value | budget | | how it came out |",
        "|---|---|--:|---|---|---|",
        (.figures[] | "| \(.section) | \(.name | cell) | \(.value) \(.unit) | " +
            (if .kind == "report" then "| " else "\(.kind) \(.budget) | \(if .met then "met" else "**missed**" end) " end) +
            "| \(.detail | cell) |")' "$file"
}

awk -v begin="<!-- begin $schema -->" -v end="<!-- end $schema -->" -v table="$(table | sed 's/\\/\\\\/g')" '
    $0 == begin {print; print ""; print table; print ""; skip = 1}
    $0 == end {skip = 0}
    !skip && $0 != begin {print}' README.md >README.md.new
mv README.md.new README.md
