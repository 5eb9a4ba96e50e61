#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# build.sh FOLDER — builds the packages into FOLDER, from a copy of the sources that is made there: the source tree stays as it
# is. Of a git checkout only what git tracks is taken, as it lies in the work tree (so that no approver's key that was left
# there gets into a source package); of an unpacked archive all but what make has built.
set -euo pipefail
umask 022

[[ $# -eq 1 ]] || { echo 'usage: debian/build.sh FOLDER' >&2 && exit 2; }
top=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$1"
mkdir -p "$1"
folder=$(cd "$1" && pwd)

version=$("$top/debian/version.sh")
source=$folder/driftd-$version
mkdir "$source"

# safe.directory: root may build in a checkout of somebody else's.
list() {
    if [[ -e $top/.git ]]; then
        git -c safe.directory="$top" -C "$top" ls-files -z
    else
        (cd "$top" && find . -path ./build -prune -o -path './build-*' -prune -o ! -name '*.o' ! -type d -print0)
    fi
}
# Modes are ours: a checkout under another umask makes the same source package.
list | tar -C "$top" --null --no-recursion --mode=u+rwX,go+rX,go-w -T - -c | tar -C "$source" -x

# What the calling make was told is not for the package: its rules say how it is built.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES BUILD SANITIZE DESTDIR
export DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS-nocheck} # make check is where the tests are run
export DEB_BUILD_PROFILES=${DEB_BUILD_PROFILES-nocheck}
log=$folder/build.log
if ! (cd "$source" && dpkg-buildpackage --build=full --no-sign --post-clean) >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "deb: the whole log is in $log" >&2
    exit 1
fi
rm -rf "$source"
