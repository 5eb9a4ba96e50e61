# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Real packages, built here, and the real dpkg and apt, in a root of their own below the scratch folder: what they change is
# told by transaction and package, folded where dpkg's own digests agree, and nowhere else.

FILES=900

need_dpkg() {
    need_root
    command -v dpkg-deb apt-get >/dev/null || cannot_run_here "this is no system of dpkg and apt"
}

# A root with nothing installed, watched as a whole but for dpkg's own files.
package_root() {
    need_dpkg
    mkdir -p "$TREE"/var/lib/dpkg/{info,updates,triggers} "$TREE"/var/lib/apt/lists/partial "$TREE"/var/log/apt \
        "$TREE"/var/cache/apt/archives/partial "$TREE"/etc/{apt/apt.conf.d,apt/preferences.d,dpkg} "$TREE"/usr/{bin,lib,share} "$TREE"/tmp
    ln -s usr/bin "$TREE/bin"
    touch "$TREE"/var/lib/dpkg/{status,available} "$TREE"/var/log/dpkg.log
    write_config "[packages]
root = $TREE

[files tree]
path = $TREE
exclude = $TREE/var
exclude = $TREE/tmp"
}

run_dpkg() {
    dpkg --root="$TREE" --force-script-chrootless --force-not-root --log="$TREE/var/log/dpkg.log" "$@" >"$SCRATCH/dpkg.out" 2>&1 ||
        fail "dpkg $*: $(cat "$SCRATCH/dpkg.out")"
}

run_apt() {
    apt-get -o Dir="$TREE" -o Dir::State::status="$TREE/var/lib/dpkg/status" -o Dir::Bin::dpkg=/usr/bin/dpkg \
        -o Dir::Bin::methods=/usr/lib/apt/methods -o Dir::Log="$TREE/var/log/apt" -o APT::Sandbox::User=root \
        -o DPkg::Options::=--root="$TREE" -o DPkg::Options::=--force-script-chrootless \
        -o DPkg::Options::=--log="$TREE/var/log/dpkg.log" -y "$@" >"$SCRATCH/apt.out" 2>&1 ||
        fail "apt-get $*: $(cat "$SCRATCH/apt.out")"
}

# new_package NAME VERSION — its folder: $DEB. build_package afterwards makes $SCRATCH/NAME_VERSION.deb.
new_package() {
    DEB=$SCRATCH/build/$1_$2
    mkdir -p "$DEB/DEBIAN"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a test\n' "$1" "$2" \
        >"$DEB/DEBIAN/control"
}

build_package() {
    [[ ! -e $DEB/etc ]] || (cd "$DEB" && find etc -type f -printf '/%p\n') >"$DEB/DEBIAN/conffiles"
    (cd "$DEB" && find . -name DEBIAN -prune -o -path ./etc -prune -o -type f -printf '%P\0' | xargs -0r md5sum) >"$DEB/DEBIAN/md5sums"
    dpkg-deb -Znone --root-owner-group -b "$DEB" "$DEB.deb" >/dev/null
    mv "$DEB.deb" "$SCRATCH/"
}

# FILES files, of which two in three are the same in every version; a conffile; a program.
many_package() {
    local version=$1 i
    new_package many "$version"
    mkdir -p "$DEB/usr/share/many" "$DEB/usr/bin" "$DEB/etc"
    for ((i = 1; i <= FILES; i++)); do
        if ((i % 3)); then echo "always $i"; else echo "$version $i"; fi >"$DEB/usr/share/many/$i"
    done
    printf '#!/bin/sh\necho many %s\n' "$version" >"$DEB/usr/bin/many"
    chmod 0755 "$DEB/usr/bin/many"
    echo "version = $version" >"$DEB/etc/many.conf"
}

# maintainer_script NAME TEXT
maintainer_script() {
    printf '#!/bin/sh\nset -e\n%s\n' "$2" >"$DEB/DEBIAN/$1"
    chmod 0755 "$DEB/DEBIAN/$1"
}

transactions() {
    driftctl log --json --kind transaction | jq -s length
}

has_transactions() {
    [[ $(transactions) -eq $1 ]]
}

# The drifts as the ledger has them, sorted: item, change and what dpkg's digest says.
drift_list() {
    diff_json --cached | jq -r '.drifts[] | "\(.item) \(.change) \(.cause.digest // "none")"' | sed "s|file:$TREE||" | sort
}

# The history tells of no item twice (but of the one that was changed twice), and of none of dpkg's names for files on their way. $1: records up to there are old.
expect_each_once() {
    driftctl log --json >"$SCRATCH/log"
    jq -r --argjson after "$1" 'select(.seq > $after and (.kind == "drift" or .kind == "resolved")) | .item' "$SCRATCH/log" | sort >"$SCRATCH/told"
    expect_equal "$(uniq -d "$SCRATCH/told" | sed '\|/many/9$|d' | head -n 3)" "" "what is told twice"
    expect_equal "$(grep -c dpkg- "$SCRATCH/told" || true)" 0 "records of dpkg's passing names"
}

last_seq() {
    driftctl log --json | tail -n 1 | jq .seq
}

test_an_upgrade_of_900_files_is_one_line_that_opens() {
    local seq i
    package_root
    many_package 1.0 && build_package
    many_package 2.0
    maintainer_script postinst 'echo "not what was unpacked" >>"$DPKG_ROOT/usr/share/many/9"'
    build_package
    run_dpkg -i "$SCRATCH/many_1.0.deb"
    start_clean
    seq=$(last_seq)
    run_dpkg -i "$SCRATCH/many_2.0.deb"
    wait_until "$LIVE" has_transactions 1

    # Every file whose content changed, once; none of the others.
    {
        for ((i = 3; i <= FILES; i += 3)); do echo "/usr/share/many/$i changed $([[ $i -eq 9 ]] && echo differs || echo agrees)"; done
        echo "/usr/bin/many changed agrees"
        echo "/etc/many.conf changed agrees"
    } | sort >"$SCRATCH/wanted"
    drift_list >"$SCRATCH/found"
    diff "$SCRATCH/wanted" "$SCRATCH/found" >"$SCRATCH/difference" || fail "the drifts are not those: $(head -n 5 "$SCRATCH/difference")"
    expect_each_once "$seq"

    expect_exit 1 driftctl diff --cached --json
    expect_json 'all(.drifts[]; .cause | .kind == "package" and .manager == "dpkg" and .package == "many" and .architecture == "all"
        and .version == "2.0" and .previous == "1.0" and .action == "upgrade")'
    expect_json '[.drifts[].cause.transaction] | unique | length == 1 and (.[0] | test("^20..-..-..T..:..:..Z$"))'
    expect_json '.drifts | length == 302'

    expect_exit 0 driftctl log --json --kind transaction
    expect_json '.item == null and (.detail | .manager == "dpkg" and .files == 302 and .packages_left_out == 0 and (.packages | length) == 1
        and (.packages[0] | .package == "many" and .version == "2.0" and .previous == "1.0" and .action == "upgrade"
             and .files == 302 and .agrees == 301 and .differs == 1 and .unknown == 0))'
    expect_exit 0 driftctl log --kind transaction
    expect_output 'transaction +dpkg many 1\.0 → 2\.0 files=302'

    # One line for those that agree; the one that differs by itself; the verdict is that of drift.
    expect_exit 1 driftctl diff
    expect_output "^package +many 1\.0 → 2\.0 +301 files: 301 changed · dpkg's digests agree +since "
    expect_output "^changed +file:$TREE/usr/share/many/9 +size content +.*dpkg's digest differs"
    expect_output '^302 drifts in '
    expect_output '--expand'
    expect_equal "$(grep -c "$TREE" "$OUT")" 1 "lines of single files"
    expect_exit 1 driftctl diff --expand
    expect_equal "$(grep -c "^changed +file:$TREE" -E "$OUT")" 302 "lines of single files with --expand"
    expect_no_output '^package'
    expect_exit 1 driftctl diff "$TREE/usr/share/many/*"
    expect_equal "$(grep -c "^changed +file:$TREE/usr/share/many/" -E "$OUT")" 300 "lines of the items named"

    expect_exit 1 driftctl show "$TREE/usr/share/many/3"
    expect_output 'dpkg: upgrade of many 1\.0 → 2\.0 at .*, its digest agrees \(corroboration, not approval\)'
    expect_exit 1 driftctl show "$TREE/usr/share/many/9"
    expect_output 'its digest DIFFERS'

    # Another start knows it still, and tells none of it again.
    stop_daemon
    start_daemon
    wait_until "$LIVE" has_drift "file:$TREE/usr/share/many/3" changed
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 302 and all(.[]; .cause.package == "many")'
    expect_equal "$(transactions)" 1 "transactions"
}

test_an_installation_and_a_removal_are_told_apart() {
    package_root
    start_clean
    many_package 1.0
    chmod 4755 "$DEB/usr/bin/many" # dpkg keeps no modes: that one is for a person to see
    build_package
    run_apt --no-install-recommends install "$SCRATCH/many_1.0.deb"
    wait_until "$LIVE" has_transactions 1
    expect_exit 1 driftctl diff --cached --json
    expect_json '.drifts | length == 903 and all(.[]; .change == "unexpected" and .cause.action == "install" and .cause.previous == null)'
    expect_json '.drifts | map(select(.cause.digest != "agrees") | .item) == ["file:\($tree)/usr/share/many"]' --arg tree "$TREE"
    expect_json 'all(.drifts[]; .cause.command | test("install"))'
    expect_exit 1 driftctl diff
    expect_output "^package +many 1\.0 installed +90[0-9] files 1 folder: [0-9]+ unexpected · dpkg's digests agree"
    expect_output "^unexpected +file:$TREE/usr/bin/many "
    bless_all

    run_apt remove many
    wait_until "$LIVE" has_transactions 2
    expect_exit 1 driftctl diff --cached --json
    expect_json 'all(.drifts[]; .change == "missing" and .cause.action == "remove" and .cause.version == null and .cause.previous == "1.0"
        and .cause.digest == "agrees")'
    expect_exit 1 driftctl diff
    expect_output "^package +many 1\.0 removed +90[0-9] files [0-9] folders?: [0-9]+ missing"
    expect_no_output "^missing"
}

test_only_what_a_transaction_changed_is_put_down_to_it() {
    package_root
    many_package 1.0 && build_package
    many_package 2.0
    # Made by a script and owned by nobody; a mode that no package has.
    maintainer_script postinst 'echo made >"$DPKG_ROOT/usr/share/generated"; chmod 4755 "$DPKG_ROOT/usr/share/many/3"'
    build_package
    new_package other 1.0
    mkdir -p "$DEB/usr/share/other"
    echo one >"$DEB/usr/share/other/1"
    build_package
    run_dpkg -i "$SCRATCH/many_1.0.deb" "$SCRATCH/other_1.0.deb"
    start_clean
    put "$TREE/usr/share/many/1" 'changed by hand, before\n' # always the same in the package: the upgrade puts it back
    put "$TREE/etc/many.conf" 'a conffile of our own\n'
    wait_until "$LIVE" has_drift "file:$TREE/etc/many.conf" changed
    wait_until "$LIVE" has_drift "file:$TREE/usr/share/many/1" changed
    wait_until "$LIVE" is_of_another_second "$TREE/etc/many.conf" # dpkg.log knows whole seconds
    run_dpkg --force-confold -i "$SCRATCH/many_2.0.deb"
    wait_until "$LIVE" has_transactions 1

    # Its own file, but not changed by it; a path that no package owns; and what is as approved again.
    expect_exit 1 driftctl diff --cached --json
    expect_json '.drifts[] | select(.item == $i).cause == null' --arg i "file:$TREE/etc/many.conf"
    expect_json '.drifts[] | select(.item == $i).cause == null' --arg i "file:$TREE/usr/share/generated"
    expect_json 'all(.drifts[]; .item != $i)' --arg i "file:$TREE/usr/share/many/1"
    expect_exit 1 driftctl diff
    expect_output "^package +many 1\.0 → 2\.0 +300 files: 300 changed"
    expect_output "^changed +file:$TREE/usr/share/many/3 +mode content" # its digest agrees, and nobody vouches for the mode
    expect_output "^changed +file:$TREE/etc/many.conf"
    expect_output "^unexpected +file:$TREE/usr/share/generated"

    # Changed again afterwards: the new form has no cause, and so has another package's file.
    put "$TREE/usr/share/many/6" 'changed by hand, after\n'
    put "$TREE/usr/share/other/1" 'two\n'
    wait_until "$LIVE" has_drift "file:$TREE/usr/share/other/1" changed
    wait_until "$LIVE" has_no_cause "file:$TREE/usr/share/many/6"
    rm "$TREE/usr/share/many/12"
    wait_until "$LIVE" has_no_cause "file:$TREE/usr/share/many/12"
    expect_exit 1 driftctl diff --json
    expect_json '.drifts[] | select(.item == $i).cause == null' --arg i "file:$TREE/usr/share/other/1"
    expect_json '.drifts[] | select(.item == $i) | .change == "missing" and .cause == null' --arg i "file:$TREE/usr/share/many/12"
    expect_equal "$(transactions)" 1 "transactions"
}

is_of_another_second() {
    [[ $(date +%s) -gt $(($(stat -c %Z "$1") + 1)) ]]
}

has_no_cause() {
    diff_json --cached | jq -e --arg i "$1" '.drifts[] | select(.item == $i).cause == null'
}

test_diverted_and_merged_paths_are_where_the_files_are() {
    package_root
    new_package tool 1.0
    mkdir -p "$DEB/bin" "$DEB/usr/share/tool" # the list says /bin/tool, and /bin is a link to usr/bin
    echo 'tool 1.0' >"$DEB/bin/tool"
    echo 'data 1.0' >"$DEB/usr/share/tool/data"
    build_package
    new_package tool 2.0
    mkdir -p "$DEB/bin" "$DEB/usr/share/tool"
    echo 'tool 2.0' >"$DEB/bin/tool"
    echo 'data 2.0' >"$DEB/usr/share/tool/data"
    build_package
    dpkg-divert --root "$TREE" --package other --divert /usr/share/tool/data.real --rename --add /usr/share/tool/data >/dev/null
    run_dpkg -i "$SCRATCH/tool_1.0.deb"
    start_clean
    run_dpkg -i "$SCRATCH/tool_2.0.deb"
    wait_until "$LIVE" has_transactions 1
    expect_equal "$(drift_list)" "/usr/bin/tool changed agrees"$'\n'"/usr/share/tool/data.real changed agrees" "the list of drifts"
}

test_a_transaction_while_nobody_watched_is_found_at_the_start() {
    package_root
    many_package 1.0 && build_package
    many_package 2.0 && build_package
    run_dpkg -i "$SCRATCH/many_1.0.deb"
    start_clean
    stop_daemon
    run_dpkg -i "$SCRATCH/many_2.0.deb"
    # The log was rotated meanwhile, as logrotate does.
    mv "$TREE/var/log/dpkg.log" "$TREE/var/log/dpkg.log.1"
    : >"$TREE/var/log/dpkg.log"
    start_daemon
    wait_until "$LIVE" has_transactions 1
    expect_exit 1 driftctl diff --json
    expect_json '.drifts | length == 302 and all(.[]; .unobserved and .cause.version == "2.0" and .cause.digest == "agrees")'
}

test_a_transaction_is_told_when_the_lock_is_free() {
    package_root
    many_package 1.0 && build_package
    start_clean
    # Held as apt holds it, over all runs of dpkg that belong together.
    touch "$TREE/var/lib/dpkg/lock-frontend"
    mkfifo "$SCRATCH/hold"
    # shellcheck disable=SC2016 # it is perl's
    perl -e 'use Fcntl; open(my $f, "+<", $ARGV[0]) or die; my $lock = pack("s! s! l! l! i x16", F_WRLCK, 0, 0, 0, 0);
        fcntl($f, F_SETLK, $lock) or die; open(my $t, ">", "$ARGV[1].taken") or die; open(my $h, "<", $ARGV[1]) or die; <$h>;' \
        "$TREE/var/lib/dpkg/lock-frontend" "$SCRATCH/hold" 9>&- &
    remember_process $!
    wait_until "$LIVE" test -e "$SCRATCH/hold.taken"
    DPKG_FRONTEND_LOCKED=1 run_dpkg -i "$SCRATCH/many_1.0.deb"
    wait_until "$LIVE" has_drift "file:$TREE/usr/share/many/900" unexpected
    driftctl diff >/dev/null || true # settles: everything is judged, and looks at the log went by
    expect_equal "$(transactions)" 0 "transactions while the lock is held"
    echo go >"$SCRATCH/hold"
    wait_until "$LIVE" has_transactions 1
}

test_the_ballot_chooses_a_package_as_one_line() {
    package_root
    many_package 1.0 && build_package
    many_package 2.0
    maintainer_script postinst 'echo "not what was unpacked" >>"$DPKG_ROOT/usr/share/many/9"'
    build_package
    run_dpkg -i "$SCRATCH/many_1.0.deb"
    start_clean
    run_dpkg -i "$SCRATCH/many_2.0.deb"
    wait_until "$LIVE" has_transactions 1

    # What the ledger was told of is one thing, what would be signed another: changed since, and it stands by itself.
    stop_daemon
    mv "$TREE/usr/share/many/6" "$SCRATCH/unpacked"
    put "$TREE/usr/share/many/6" 'changed while nobody looked\n'
    echo q >"$SCRATCH/typed"
    script -qefc "$BUILD/driftctl --config $CONFIG --color=never bless --ticket CHG-2 --key $KEYS/alice" /dev/null <"$SCRATCH/typed" \
        >"$OUT" 2>"$ERR" || [[ $? -eq 4 ]]
    expect_output "\[ \] +package many 1\.0 → 2\.0 .* 300 changes  …"
    expect_output "\[ \] +file:$TREE/usr/share/many/6 "
    mv "$SCRATCH/unpacked" "$TREE/usr/share/many/6"
    start_daemon

    printf 'o 1\no 1\n1\nw\n' >"$SCRATCH/typed"
    script -qefc "$BUILD/driftctl --config $CONFIG --color=never bless --ticket CHG-2 --key $KEYS/alice" /dev/null <"$SCRATCH/typed" \
        >"$OUT" 2>"$ERR" || fail "bless: $(cat "$OUT" "$ERR")"
    expect_output "1 \[ \] +package many 1\.0 → 2\.0 · dpkg's digests agree +301 changes  …"
    expect_output "2 \[ \] +file:$TREE/usr/share/many/9"
    expect_output "[0-9]+ \[ \] +file:$TREE/etc/many.conf" # opened
    expect_output '301 of 302 chosen'
    wait_until "$LIVE" no_drift "file:$TREE/usr/share/many/3"
    expect_equal "$(drift_list)" "/usr/share/many/9 changed differs" "the list of drifts"
}

test_without_the_section_enabled_nothing_is_explained() {
    package_root
    sed -i 's/^\[packages\]$/&\nenabled = no/' "$CONFIG"
    many_package 1.0 && build_package
    start_clean
    run_dpkg -i "$SCRATCH/many_1.0.deb"
    wait_until "$LIVE" has_drift "file:$TREE/usr/share/many/900" unexpected
    expect_exit 1 driftctl diff --json
    expect_json 'all(.drifts[]; .cause == null)'
    sed -i '/^enabled = no$/d' "$CONFIG"
    kill -HUP "$DAEMON"
    wait_until "$LIVE" has_record reload
    many_package 2.0 && build_package
    bless_all
    run_dpkg -i "$SCRATCH/many_2.0.deb"
    wait_until "$LIVE" has_transactions 1
}
