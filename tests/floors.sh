#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# floors.sh [DRIFTD] — the shape of the tree, checked with grep:
#   floors: an include points to the same floor or down, never up; daemon and cli know nothing of each other;
#   fences: each library's header is included by one module alone;
#   and the program DRIFTD holds no code that makes signatures, but for that of its checkpoints.
set -euo pipefail

# From the ground up: a module is a file's name, or its beginning up to an underscore (store_open belongs to store).
# A new module is a word in one of these rows.
floors=(
    "util err buf escape quote crypto digest file json ini_reader clock item line_diff merkle name note varlink dpkg child unroot architecture pace page_cache record cursor fan_event who"
    "attribute scope config folder mount own_view snapshot sshsig ssh probe setting"
    "baseline approval trust checkpoint secret host drift judge scan proposal revision package policy window expect"
    "store coverage witness evidence"
    "instance document"
    "service audit"
)
program_floor=${#floors[@]}

# header (extended regular expression) | files that may include it
fences=(
    'sodium\.h|^core/(crypto|secret|note_signer)\.c$'
    'openssl/.*|^(core/digest\.c|daemon/helper_openssl.*)$'
    'openssl/ssl\.h|^daemon/helper_openssl.*$'
    'ini\.h|^core/ini_reader\.c$'
    'jansson\.h|^core/json\.c$'
    'sqlite3\.h|^core/store_db\.h$'
    'systemd/sd-id128\.h|^(core/host\.c|daemon/.*)$'
    'systemd/.*|^(core/host\.c|daemon/.*|cli/notify\.c)$'
    'microhttpd\.h|^cli/witness_http\.c$'
    'check\.h|^tests/'
)

wrong=0
complain() {
    echo "floors: $*" >&2
    wrong=1
}

# Sets the variable floor of a file, or leaves it empty.
floor_of() {
    local path=$1 name row candidate
    floor=
    case $path in
    daemon/* | cli/*) floor=$program_floor && return ;;
    esac
    name=${path##*/}
    name=${name%.[ch]}
    while :; do
        for row in "${!floors[@]}"; do
            for candidate in ${floors[row]}; do
                [[ $candidate != "$name" ]] || { floor=$row && return; }
            done
        done
        [[ $name == *_* ]] || return 0
        name=${name%_*}
    done
}

while IFS=: read -r file _ text; do
    [[ $text =~ ^#[[:space:]]*include[[:space:]]*([\"\<])([^\"\>]+) ]] || continue
    quote=${BASH_REMATCH[1]} header=${BASH_REMATCH[2]}
    if [[ $quote == '"' ]]; then
        [[ $file != tests/* || ! -e ${file%/*}/$header ]] || continue
        [[ -e $header ]] || { complain "$file includes \"$header\", which is no path from the top of the tree" && continue; }
        [[ $file != tests/* ]] || continue
        floor_of "$file" && from=$floor
        floor_of "$header" && to=$floor
        [[ -n $from ]] || { complain "$file stands on no floor; give it one in tests/floors.sh" && continue; }
        [[ -n $to ]] || { complain "$header stands on no floor; give it one in tests/floors.sh" && continue; }
        [[ $to -le $from ]] || complain "$file includes $header, which is above it"
        case $file:$header in
        daemon/*:cli/* | cli/*:daemon/*) complain "$file includes $header: daemon and cli know nothing of each other" ;;
        esac
        continue
    fi
    [[ $file != tests/* ]] || continue # a test may ask a library whether we are right
    for fence in "${fences[@]}"; do
        [[ $header =~ ^${fence%%|*}$ ]] || continue
        [[ $file =~ ${fence#*|} ]] || complain "$file includes <$header>, which is fenced (${fence#*|})"
    done
done < <(grep -nE '^#[[:space:]]*include' core/*.[ch] daemon/*.[ch] cli/*.[ch] tests/*/*.[ch])

# What makes approvals is not in DRIFTD. It signs one thing, its checkpoints, by core/note_signer.c: of libsodium's signing
# only what that file calls is there, and no other file that driftd is made of calls it.
signs='crypto_sign(_ed25519)?(_detached|_keypair|_seed_keypair|_final_create)?'
if [[ $# -gt 0 ]]; then
    signing=$(nm -- "$1" | grep -E " (secret_|signer_|sshsig_append_armor|$signs(@.*)?\$)" |
        grep -vE ' U crypto_sign_ed25519_(detached|seed_keypair)(@.*)?$' || true)
    [[ -z $signing ]] || complain "$1 holds code that makes signatures:"$'\n'"$signing"
    for object in "${1%/*}"/core/*.o "${1%/*}"/daemon/*.o; do
        case ${object##*/} in
        note_signer.o | secret.o | secret_*.o) continue ;;
        esac
        ! nm -- "$object" | grep -qE " U $signs(@.*)?\$" || complain "$object makes signatures: only core/note_signer.c and core/secret*.c do"
    done
fi
exit "$wrong"
