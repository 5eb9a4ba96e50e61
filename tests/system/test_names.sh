# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Names are bytes. Each appears escaped, one record a line, and the escape leads back to the file.

# make_names FOLDER — a file for each byte from 1 to 255 but the slash, and some that are known to hurt
make_names() {
    local byte name
    for byte in {1..255}; do
        [[ $byte -ne 47 ]] || continue
        printf -v name '%b' "x\\x$(printf %02x "$byte")y"
        : >"$1/$name"
    done
    for name in $'\xe2\x80\xaegpj.exe' "'; DROP TABLE record; --" '%n%s%x' '\x1b[2J' $'\e]0;title\a' $'a\nunexpected  file:etc-passwd' ' ' '-rf' '*' '[a]' $'\xff\xfe' "$(printf 'n%.0s' {1..255})"; do
        : >"$1/$name"
    done
}
NAMES=$((254 + 12))

# The escape as driftd-baseline(5) has it, written a second time and independently.
unescape() {
    printf '%b' "${1//\\x/\\x}"
}

all_unexpected() {
    diff_json --cached | jq -e --argjson n "$NAMES" '[.drifts[] | select(.change == "unexpected")] | length == $n'
}

test_every_byte_in_a_name() {
    mkdir "$TREE/names"
    start_clean
    make_names "$TREE/names"
    expect_equal "$(find "$TREE/names" -type f -printf x | wc -c)" "$NAMES" "the number of files"
    wait_until "$LIVE" all_unexpected

    # JSON: valid, all printable ASCII, no two the same, and each leads back to its file.
    expect_exit 1 driftctl diff --json
    ! LC_ALL=C grep -q '[^ -~]' "$OUT" || fail "JSON holds other bytes than printable ASCII"
    expect_json '[.drifts[].item] | length == (unique | length)'
    local item path count=0
    while read -r item; do
        path=$(unescape "${item#file:}" && printf .) # the dot keeps a newline at the end
        [[ -f ${path%.} ]] || fail "$item leads to no file"
        count=$((count + 1))
    done < <(jq -r '.drifts[].item' "$OUT")
    expect_equal "$count" "$NAMES" "the number of items that lead back"

    # Text: one line each, and nothing that a terminal would obey.
    expect_exit 1 driftctl diff
    expect_equal "$(grep -c "^unexpected  *file:$TREE/names/" "$OUT")" "$NAMES" "the number of lines"
    ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$OUT" || fail "text holds control characters"
    expect_no_output '^unexpected +file:etc'

    # The history too.
    expect_exit 0 driftctl log --json --kind drift
    expect_equal "$(wc -l <"$OUT")" "$NAMES" "the number of records"
    ! LC_ALL=C grep -q '[^ -~]' "$OUT" || fail "the history holds other bytes than printable ASCII"
    expect_exit 0 driftctl log
    ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$OUT" || fail "the history's text holds control characters"
}

test_items_go_in_as_they_come_out() {
    mkdir "$TREE/names"
    make_names "$TREE/names"
    start_clean
    local item
    driftctl baseline export host -o "$SCRATCH/host.baseline" >/dev/null
    expect_equal "$(grep -c "^file $TREE/names/" "$SCRATCH/host.baseline")" "$NAMES" "the number of expectations"
    ! LC_ALL=C grep -q '[^ -~]' "$SCRATCH/host.baseline" || fail "the baseline holds other bytes than printable ASCII"
    # Every eighth of them, to keep the time short: what is shown can be asked for.
    while read -r item; do
        expect_exit 0 driftctl show "file:$item" --json
        expect_json '.item == "file:" + $item' --arg item "$item"
    done < <(sed -nE "s|^file ($TREE/names/[^ ]+) .*|\1|p" "$SCRATCH/host.baseline" | grep -v '[*?]' | awk 'NR % 8 == 0')
}

test_one_strange_name_is_blessed_and_the_others_stay() {
    mkdir "$TREE/names"
    start_clean
    make_names "$TREE/names"
    wait_until "$LIVE" all_unexpected
    bless_all "file:$TREE/names/x\\x0ay"
    left() { diff_json --cached | jq -e --argjson n "$((NAMES - 1))" '.drifts | length == $n and all(.[]; .item | endswith("/x\\x0ay") | not)'; }
    wait_until "$LIVE" left
}

test_a_bare_path_is_bytes() {
    printf 'x\n' >"$TREE/"$'new\nline'
    start_clean
    expect_exit 0 driftctl show "$TREE/"$'new\nline' --json
    expect_json '.item | endswith("new\\x0aline")'
}

test_a_path_longer_than_path_max() {
    local i name
    name=$(printf 'd%.0s' {1..200})
    start_clean
    (
        cd "$TREE" || exit
        for ((i = 0; i < 30; i++)); do
            mkdir "$name"
            cd "$name" || exit # relative: 6000 bytes in all
        done
        printf 'x\n' >deep
    )
    deep_found() { diff_json --cached | jq -e 'any(.drifts[]; .item | endswith("/deep"))'; }
    wait_until "$LIVE" deep_found
    bless_all
    expect_exit 0 driftctl diff
}
