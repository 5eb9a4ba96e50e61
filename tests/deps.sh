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
# A test wants the programs and not their services: while they are installed nothing is started (policy-rc.d of
# /usr/share/doc/init-system-helpers/README.policy-rc.d.gz), unless the host has a policy of its own.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy && ! -L $policy ]]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
fi
install() {
    apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
}
# A fresh image has no package lists; another may have stale ones.
install 2>/dev/null || { apt-get update -qq && install; }
