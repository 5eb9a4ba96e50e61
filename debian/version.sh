#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# version.sh — prints the version, if all places that name it agree: Makefile, debian/changelog, CHANGELOG.md.
set -euo pipefail

cd "$(dirname "$0")/.."
make=$(sed -n 's/^VERSION *= *//p' Makefile)
debian=$(sed -nE '1s/^driftd \(([^)]+)\).*/\1/p' debian/changelog)
told=$(sed -nE 's/^## \[([0-9][^]]*)\].*/\1/p' CHANGELOG.md | head -n 1)
if ! [[ $make == "$debian" && $make == "$told" ]]; then
    echo "version: Makefile says «$make», debian/changelog «$debian», CHANGELOG.md «$told»" >&2
    exit 1
fi
echo "$make"
