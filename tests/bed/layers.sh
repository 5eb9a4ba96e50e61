#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# layers.sh — boots two machines, and keeps what they wrote as the layers that the tests start from: installed (our
# packages; the driftd that runs expects nothing) and guarded (alice, whose key stays outside, has approved the machine as
# it is). Both are shut down in order, so that what starts from them boots like any host that was shut down.
set -Eeuo pipefail

# begin_layer NAME
begin_layer() {
    layer=$1 SCRATCH=$BED/making-$1
    mkdir -p "$SCRATCH"
    export SCRATCH
    . tests/bed/lib.sh
}

end_layer() {
    shut_down
    umount "$ROOT"
    mv "$SCRATCH/upper" "$BED/$layer"
    rm -rf "$SCRATCH"
}

make_installed() {
    begin_layer installed
    boot bare
    install_ours
    in_bed apt-get clean
    end_layer
}

make_guarded() {
    begin_layer guarded
    mkdir "$BED/keys"
    "$BUILD/driftctl" key generate --name alice -o "$BED/keys/alice" --no-passphrase >/dev/null
    boot installed
    in_bed tee /run/alice.pub <"$BED/keys/alice.pub" >/dev/null
    driftctl init --trust /run/alice.pub --yes >"$OUT"
    in_bed cat /etc/driftd/trust.conf >"$BED/keys/trust.conf"
    in_bed systemctl reload driftd
    approve
    wait_until "$LIVE" is_clean
    end_layer
}

make_installed
make_guarded
