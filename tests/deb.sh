#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# deb.sh FOLDER — the packages that `make deb` left in FOLDER: the same bytes from another folder, day, umask, zone and locale;
# clean for lintian; whole, hardened, disjoint. As root it also installs them on a copy of this system that is gone
# afterwards (an overlay in a mount namespace), and sees what an upgrade, a removal and a purge keep.
set -Eeuo pipefail

cd "$(dirname "$0")/.."
folder=$(realpath "$1")
scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/driftd-deb.XXXXXX")
trap 'umount -R "$scratch/system" 2>/dev/null || true; rm -rf --one-file-system "$scratch"' EXIT
trap 'echo "FAILED: a command returned $?: $BASH_COMMAND (deb.sh:$LINENO)" >&2' ERR
version=$(debian/version.sh)
architecture=$(dpkg --print-architecture)

fail() {
    trap - ERR
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

ok() {
    printf 'ok    %-50s %4d s\n' "$1" "$SECONDS"
}

deb() {
    echo "$folder/$1_${version}_$architecture.deb"
}

# ---- what is in them ----

status_of_sources() {
    [[ ! -e .git ]] || git -c safe.directory="$PWD" status --porcelain
}

# The day by faketime; the rest as another machine might have it.
a_second_build_is_the_same_bytes() {
    local before file name
    before=$(status_of_sources)
    (
        umask 077
        export TZ=XYZ-14 LC_ALL=C
        faketime -f '+400d' debian/build.sh "$scratch/another-folder"
    )
    [[ $(status_of_sources) == "$before" ]] || fail "the build left something in the sources: $(status_of_sources)"
    for file in "$folder"/*.deb "$folder"/*.tar.xz; do
        name=${file##*/}
        cmp -s "$file" "$scratch/another-folder/$name" || fail "two builds of $name differ (diffoscope tells where)"
    done
    rm -r "$scratch/another-folder"
}

lintian_finds_nothing() {
    lintian --allow-root --fail-on error,warning --tag-display-limit 0 "$folder"/*.changes || fail 'lintian found something'
}

unpack() {
    local package
    for package in driftd driftctl driftd-dbgsym driftctl-dbgsym; do
        dpkg-deb -x "$(deb $package)" "$scratch/$package"
        (cd "$scratch/$package" && find . ! -type d | sort) >"$scratch/$package.list"
    done
}

expect_in() {
    local package=$1 path
    shift
    for path; do
        grep -qxF "./$path" "$scratch/$package.list" || fail "$package does not hold $path"$'\n'"$(cat "$scratch/$package.list")"
    done
}

each_package_is_whole() {
    expect_in driftd usr/sbin/driftd usr/libexec/driftd/driftd-openssl etc/driftd/driftd.conf lib/systemd/system/driftd.service lib/systemd/system/driftd-output.service usr/lib/sysusers.d/driftd.conf \
        usr/lib/tmpfiles.d/driftd.conf usr/lib/systemd/catalog/driftd.catalog usr/share/man/man8/driftd.8.gz \
        usr/share/man/man5/driftd.conf.5.gz usr/share/doc/driftd/README.Debian usr/share/doc/driftd/copyright
    expect_in driftctl usr/bin/driftctl usr/share/man/man1/driftctl.1.gz usr/share/man/man5/driftd-baseline.5.gz \
        usr/share/man/man5/driftd-approval.5.gz usr/share/man/man5/driftd-trust.5.gz usr/share/doc/driftctl/copyright \
        usr/share/bash-completion/completions/driftctl usr/share/zsh/vendor-completions/_driftctl \
        usr/share/fish/vendor_completions.d/driftctl.fish
    [[ -d $scratch/driftd/usr/share/driftd/baselines ]] || fail 'driftd has no folder for policy packs'
    local manual
    for manual in man/*.[1-8]; do
        cat "$scratch"/driftd.list "$scratch"/driftctl.list | grep -q "/${manual##*/}.gz$" || fail "no package holds $manual"
    done
    [[ $(dpkg-deb --info "$(deb driftd)" conffiles) == /etc/driftd/driftd.conf ]] || fail 'the conffiles are others'
    cmp -s etc/driftd.conf "$scratch/driftd/etc/driftd/driftd.conf" || fail 'the configuration is not etc/driftd.conf'
}

no_file_is_in_both() {
    local both
    both=$(comm -12 "$scratch/driftd.list" "$scratch/driftctl.list")
    [[ -z $both ]] || fail "in both packages: $both"
    dpkg-deb --field "$(deb driftd)" Depends | grep -qF "driftctl (= $version)" || fail 'driftd does not depend on its driftctl'
    ! dpkg-deb --field "$(deb driftctl)" Depends | grep -q driftd || fail 'driftctl depends on driftd'
}

nobody_but_root_may_write() {
    local wrong
    wrong=$(for package in driftd driftctl; do dpkg-deb -c "$(deb $package)"; done |
        awk '$2 != "root/root" || $1 !~ /^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x)$/')
    [[ -z $wrong ]] || fail "owner or mode: $wrong"
}

# The flags of dpkg-buildflags and those of the Makefile, as they show in the programs.
the_programs_are_hardened() {
    local program headers
    for program in driftd/usr/sbin/driftd driftd/usr/libexec/driftd/driftd-openssl driftctl/usr/bin/driftctl; do
        headers=$(readelf -hld "$scratch/$program")
        grep -Eq 'Type: +DYN' <<<"$headers" || fail "$program is not position independent"
        grep -q GNU_RELRO <<<"$headers" || fail "$program is not linked with relro"
        grep -q BIND_NOW <<<"$headers" || fail "$program is not linked with now"
        ! grep -A1 GNU_STACK <<<"$headers" | grep -q RWE || fail "$program has an executable stack"
        readelf -W --dyn-syms "$scratch/$program" >"$scratch/symbols"
        grep -q __stack_chk_fail "$scratch/symbols" || fail "$program lacks -fstack-protector"
        grep -Eq ' __[a-z]+_chk@' "$scratch/symbols" || fail "$program lacks -D_FORTIFY_SOURCE"
    done
    ! grep -rlF "$folder" "$scratch/driftd" "$scratch/driftctl" "$scratch"/*-dbgsym || fail 'they hold the path of the build'
    local flag
    grep -e ' -c -o build/.*\.c$' "$folder/build.log" >"$scratch/compiled"
    for flag in '-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3' -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero \
        -Werror=format-security -ffile-prefix-map= -Wdate-time; do
        ! grep -vF -e "$flag" "$scratch/compiled" || fail "compiled without $flag"
    done
    ! grep '[Ww]arning:' "$folder/build.log" || fail 'the build warns'
}

# ---- on a system ----

in_copy() {
    chroot "$scratch/system/root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}

install_packages() {
    in_copy dpkg --install /srv/driftd-debs/driftctl.deb /srv/driftd-debs/driftd.deb >"$scratch/out" 2>&1 ||
        fail "dpkg --install: $(cat "$scratch/out")"
}

# A system of its own: what is installed here is below, what the test does is in memory above.
mount_copy() {
    local system=$scratch/system
    mkdir "$system"
    mount -t tmpfs tmpfs "$system"
    mkdir "$system"/{upper,work,root}
    mount -t overlay -o "lowerdir=/,upperdir=$system/upper,workdir=$system/work" overlay "$system/root"
    mount -t proc proc "$system/root/proc"
    mount -t tmpfs tmpfs "$system/root/run" # no /run/systemd/system: nothing is started
    mkdir -p "$system/root/srv/driftd-debs"
    cp "$(deb driftctl)" "$system/root/srv/driftd-debs/driftctl.deb"
    cp "$(deb driftd)" "$system/root/srv/driftd-debs/driftd.deb"
    in_copy dpkg --purge driftd driftctl >/dev/null 2>&1 || true
    rm -rf "$system/root"/{etc,var/lib}/driftd "$system/root/var/lib/man-db/auto-update" # no index of all manuals for each step
}

# In words and steps what README.Debian tells; only the scope is small, so that it is quick.
first_steps() {
    local root=$scratch/system/root
    mkdir "$root/srv/watched" && echo hello >"$root/srv/watched/a"
    printf '[files etc]\npath = /srv/watched\n' >"$root/etc/driftd/driftd.conf"
    in_copy driftctl key generate --name alice -o /root/alice.key --no-passphrase >/dev/null
    in_copy driftctl init --trust /root/alice.key.pub --yes >/dev/null
    in_copy driftctl bless --ticket CHG-1 --key /root/alice.key --yes -q >/dev/null 2>&1
    in_copy driftctl diff >"$scratch/out" || fail "after the first steps: $(cat "$scratch/out")"
}

expect_clean_and_kept() {
    local root=$scratch/system/root
    grep -q '^path = /srv/watched$' "$root/etc/driftd/driftd.conf" || fail "$1: the edited configuration is lost"
    in_copy driftctl diff >"$scratch/out" || fail "$1: $(cat "$scratch/out")"
    grep -q 'host@1 signed by alice' "$scratch/out" || fail "$1: the baseline is lost"
}

an_upgrade_and_a_removal_keep_all_and_a_purge_nothing() {
    local root=$scratch/system/root file
    mount_copy
    install_packages
    grep -q 'driftctl init' "$scratch/out" || fail "a first installation does not say what comes next: $(cat "$scratch/out")"
    in_copy getent group driftd >/dev/null || fail 'there is no group driftd'
    [[ $(stat -c %a "$root/var/lib/driftd") == 700 ]] || fail 'others may look into /var/lib/driftd'
    first_steps
    install_packages
    expect_clean_and_kept 'after an upgrade'
    ! grep -q 'driftctl init' "$scratch/out" || fail 'an upgrade tells of first steps'
    in_copy dpkg --remove driftd driftctl >/dev/null 2>&1
    [[ ! -e $root/usr/sbin/driftd && -e $root/var/lib/driftd/driftd.db ]] || fail 'a removal keeps a program, or not the store'
    install_packages
    expect_clean_and_kept 'after a removal and another installation'
    echo secret >"$root/etc/driftd/somebodys.key"
    in_copy dpkg --purge driftd >/dev/null 2>&1
    for file in /var/lib/driftd /etc/driftd/driftd.conf /etc/driftd/trust.conf /etc/driftd/conf.d; do
        [[ ! -e $root$file ]] || fail "a purge left $file"
    done
    [[ -e $root/etc/driftd/somebodys.key ]] || fail 'a purge took what is not ours'
}

if [[ ${2:-} == on_a_system ]]; then
    an_upgrade_and_a_removal_keep_all_and_a_purge_nothing
    exit
fi

lintian_finds_nothing
ok 'lintian finds nothing'
unpack
each_package_is_whole
ok 'each package is whole'
no_file_is_in_both
ok 'no file is in both'
nobody_but_root_may_write
ok 'nobody but root may write'
the_programs_are_hardened
ok 'the programs are hardened, and name no build path'
if [[ $(id -u) -eq 0 ]]; then
    unshare --mount --propagation private "$0" "$folder" on_a_system
    ok 'an upgrade and a removal keep all, a purge nothing'
elif [[ ${CI:-} ]]; then
    fail 'the installation needs root'
else
    echo 'skipped: the installation needs root'
fi
a_second_build_is_the_same_bytes
ok 'a second build is the same bytes'
