#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run.sh [NAME]... — the tests that need a whole machine: a Debian with real systemd, journald, dbus and sshd, booted by
# systemd-nspawn, with our packages installed. As root. The tests are chosen and told as the system tests are
# (tests/system/run.sh does both).
#
# All of it happens in a mount and a process namespace of its own. Whatever ends this script, the kernel then ends every
# machine and takes away every mount; what is left to do is to remove a folder and the control groups. The network, host
# name and IPC of a machine are its own too, and its /proc/sys is read-only but for the network's: no setting of the host
# is touched.
set -uo pipefail

cd "$(dirname "$0")/../.." || exit 1
BUILD=$(realpath "${BUILD:-build}")
export BUILD

# ---- outside: the folder, the control groups and the namespaces ----

# The hierarchies that a systemd lives in: its own of version 1, and version 2.
hierarchies() {
    findmnt -rno TARGET -t cgroup2
    findmnt -rno TARGET -t cgroup -O name=systemd
}

# remove_bed FOLDER — and its control groups, all of whose processes are ended
remove_bed() {
    local folder
    for folder in $(hierarchies); do
        # The kernel takes a moment to bury the last process of a group.
        for _ in {1..40}; do
            find "$folder/${1##*/}" -depth -type d -exec rmdir {} + 2>/dev/null
            [[ -d $folder/${1##*/} ]] || break
            read -rt 0.05 <> <(:)
        done
    done
    chattr -R -f -ia "$1" 2>/dev/null
    rm -rf --one-file-system "$1"
}

end_bed() {
    if [[ -n $inside ]]; then
        kill -KILL "$inside" 2>/dev/null
        wait "$inside" 2>/dev/null
    fi
    remove_bed "$BED"
}

# What a run left that was itself killed: a folder that nobody holds any more.
remove_left_beds() {
    local folder
    for folder in "${TMPDIR:-/var/tmp}"/driftd-bed.*/; do
        [[ ! -d $folder ]] || ! flock --nonblock "$folder" true || remove_bed "${folder%/}"
    done
}

outside() {
    if [[ $(id -u) -ne 0 ]]; then
        echo 'bed: skipped: it needs root' >&2
        [[ ${CI:-} != true ]]
        exit
    fi
    BED_CACHE_FOLDER=$(tests/bed/cache.sh) || exit 1
    exec 7<"$BED_CACHE_FOLDER" && flock --shared 7 # in use: nobody removes it
    remove_left_beds
    BED=$(mktemp -d "${TMPDIR:-/var/tmp}/driftd-bed.XXXXXX") || exit 1
    chmod 0755 "$BED"
    exec 6<"$BED" && flock --shared 6 # likewise, and by all that is started here
    export BED BED_CACHE_FOLDER
    inside=
    trap end_bed EXIT
    trap 'exit 130' INT TERM HUP
    setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
        "$0" --inside "$@" &
    inside=$!
    wait "$inside"
    local status=$?
    inside=
    exit "$status"
}

# ---- inside: the layers that the machines start from, then the tests ----

inside() {
    # nspawn keeps notes about its machines in /run; these go with the namespace.
    mount -t tmpfs -o mode=0755 tmpfs /run
    local folder
    BED_CGROUPS=
    for folder in $(hierarchies); do
        mkdir "$folder/${BED##*/}" && BED_CGROUPS+=" $folder/${BED##*/}"
    done
    export BED_CGROUPS TMPDIR=$BED
    tests/bed/layers.sh || { echo '0 1 0' >"$BUILD/bed.total" && exit 1; }
    SUITE=bed tests/system/run.sh "$@"
}

if [[ ${1:-} == --inside ]]; then
    shift
    inside "$@"
else
    outside "$@"
fi
