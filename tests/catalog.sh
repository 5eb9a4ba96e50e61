#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# catalog.sh — the message ids that the daemon sends are those that the journal catalog explains, kind for kind.
# An entry of the catalog starts with "-- ID" and its subject ends with "(KIND)".
set -euo pipefail

sent=$(sed -nE 's/^MESSAGE_ID\(([a-z_]+), "([0-9a-f]{32})"\)$/\2 \1/p' daemon/message_id.h | sort)
explained=$(awk '/^-- /{id = $2} /^Subject: /{kind = $NF; gsub(/[()]/, "", kind); print id, kind}' systemd/driftd.catalog | sort)
[[ -n $sent ]] || { echo "catalog: daemon/message_id.h holds no row" >&2 && exit 1; }
if [[ $sent != "$explained" ]]; then
    echo "catalog: daemon/message_id.h (<) and systemd/driftd.catalog (>) differ:" >&2
    diff <(echo "$sent") <(echo "$explained") >&2 || true
    exit 1
fi
if [[ $(cut -d' ' -f1 <<<"$sent" | uniq -d) ]]; then
    echo "catalog: two kinds have the same id" >&2
    exit 1
fi
