#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# deps.sh PACKAGE... — installs those of the Debian packages that are missing. Quiet where nothing is.
set -euo pipefail

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    cat >&2 <<TEXT
make deps knows Debian and its like only, and this system has no apt-get. Please install what these Debian
packages hold, with your own package manager: $*
TEXT
    exit 1
fi

missing=()
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $state == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

if [[ $(id -u) -ne 0 ]]; then
    echo "make deps: these packages are missing: ${missing[*]}; run: sudo make deps-check" >&2
    exit 1
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install() {
    apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
}
# A fresh image has no package lists; another may have stale ones.
install 2>/dev/null || { apt-get update -qq && install; }
