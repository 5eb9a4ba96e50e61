#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cache.sh — makes what the bed is booted from, once, and prints the folder: a Debian tree (tree/), and a repository of real
# packages in two versions (repo/old, repo/new), so that the tests themselves need no network.
#
# It is keyed by this script, which names all that goes in; made aside and renamed when it is whole, so that what is there
# is complete; and never written to afterwards: a machine boots an overlay of it. Deleting the folder is always safe.
set -euo pipefail

suite=bookworm
mirror=${BED_MIRROR:-http://deb.debian.org/debian}
cache=${BED_CACHE:-${XDG_CACHE_HOME:-/var/cache}/driftd-bed}
# What a small server has, and the libraries that our packages depend on.
packages=(systemd systemd-sysv dbus openssh-server libsodium23 libssl3 libinih1 libsystemd0 libsqlite3-0 libjansson4
    libmicrohttpd12)
# What is installed and upgraded from the repository: packages with conffiles, setuid programs, units and scripts; and one
# with nothing of these.
upgradable=(cron cron-daemon-common logrotate sudo less)

key=$(printf '%s\n' "$mirror" | cat - "$0" | sha256sum | cut -c1-16)
target=$cache/$key

make_tree() {
    local tree=$1
    mkdir -p "$cache/archives" # a tree that is made anew fetches only what it never had
    debootstrap --cache-dir="$cache/archives" --variant=minbase --include="$(IFS=, && echo "${packages[*]}")" \
        "$suite" "$tree" "$mirror"
    # Each machine draws an id of its own at its first boot, and nothing runs there by the clock.
    : >"$tree/etc/machine-id"
    rm -f "$tree/var/lib/dbus/machine-id"
    systemctl --root="$tree" mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        fstrim.timer console-getty.service
    # What would be asked of the network.
    rm -f "$tree/etc/apt/sources.list"
    printf 'localhost.invalid\n' >"$tree/etc/hostname"
}

# The archives of the upgradable packages, and of all that they need and the tree has not.
fetch_archives() {
    local tree=$1
    printf 'deb %s %s main\n' "$mirror" "$suite" >"$tree/etc/apt/sources.list"
    chroot "$tree" apt-get update -qq
    chroot "$tree" apt-get clean
    chroot "$tree" apt-get install -qq --yes --no-install-recommends --download-only "${upgradable[@]}"
    rm -f "$tree/etc/apt/sources.list"
}

# A later version of a package: its first conffile and its copyright file have one more line, a file is new, and the version
# is Debian's way of saying "a bit later".
make_later() {
    local archive=$1 ret=$2 work=$3/later package version conffile
    rm -rf "$work"
    dpkg-deb -R "$archive" "$work"
    package=$(dpkg-deb -f "$archive" Package) version=$(dpkg-deb -f "$archive" Version)
    sed -i "s/^Version: .*/Version: $version+bed1/" "$work/DEBIAN/control"
    conffile=$(head -n 1 "$work/DEBIAN/conffiles" 2>/dev/null || true)
    [[ -z $conffile ]] || echo '# one more line' >>"$work$conffile"
    echo 'one more line' >>"$work/usr/share/doc/$package/copyright"
    echo 'new in this version' >"$work/usr/share/doc/$package/NEWS.bed"
    rm -f "$work/DEBIAN/md5sums"
    dpkg-deb --root-owner-group -Zgzip -z1 -b "$work" "$ret" >/dev/null
    rm -rf "$work"
}

# A flat repository: the list of the archives that lie in it.
write_index() {
    local folder=$1 archive
    for archive in "$folder"/*.deb; do
        dpkg-deb -f "$archive"
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${archive##*/}" "$(stat -c %s "$archive")" \
            "$(sha256sum "$archive" | cut -d' ' -f1)"
    done >"$folder/Packages"
}

make_repo() {
    local tree=$1 repo=$2 archive package
    mkdir -p "$repo/old" "$repo/new"
    fetch_archives "$tree"
    cp "$tree"/var/cache/apt/archives/*.deb "$repo/old"
    for archive in "$repo"/old/*.deb; do
        package=$(dpkg-deb -f "$archive" Package)
        if [[ " ${upgradable[*]} " == *" $package "* ]]; then
            make_later "$archive" "$repo/new/$package.deb" "${repo%/*}"
        fi
    done
    write_index "$repo/old"
    write_index "$repo/new"
    chroot "$tree" apt-get clean
    rm -rf "$tree"/var/lib/apt/lists/*
}

# What an older cache.sh made, unless a run has it in use.
drop_others() {
    local other
    for other in "$cache"/*/; do
        other=${other%/}
        [[ $other == "$target" || ! -d $other ]] || flock --nonblock "$other" rm -rf "$other" || true
    done
}

# A process of its own, in which any failure ends it.
if [[ ${1:-} == make ]]; then
    making=$2
    make_tree "$making/tree"
    make_repo "$making/tree" "$making/repo"
    exit
fi

mkdir -p "$cache"
exec 8>"$cache/lock"
flock 8 # another run may be making it: then there is nothing left to do
if [[ ! -d $target ]]; then
    log=$cache/log
    echo "bed: making the Debian tree in $target (once)" >&2
    rm -rf "$cache"/making.*
    making=$(mktemp -d "$cache/making.XXXXXX")
    trap 'rm -rf "$making"' EXIT
    chmod 0755 "$making"
    if ! "$0" make "$making" >"$log" 2>&1 8>&-; then
        echo "bed: debootstrap or apt failed; the end of $log:" >&2
        tail -n 20 "$log" >&2
        exit 1
    fi
    mv "$making" "$target"
    drop_others
fi
echo "$target"
