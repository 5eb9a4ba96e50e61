# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What apt does to a real machine is told by transaction and package: each file once, with whether dpkg's own digests agree.

# The drifts of the ledger that one package is the cause of, as "path change digest", sorted.
drifts_of() {
    diff_json --cached | jq -r --arg package "$1" \
        '.drifts[] | select(.cause.package == $package) | "\(.item | ltrimstr("file:")) \(.change) \(.cause.digest)"' | sort
}

# transaction_has EXPRESSION [jq's ARGUMENT]... — of the newest record
transaction_has() {
    local expression=$1
    shift
    driftctl log --json --kind transaction | jq -se "$@" "last | .detail != null and ($expression)" >/dev/null
}

version_of() {
    in_bed dpkg-query -W -f '${Version}' "$1"
}

# What a package brought to the folders that are watched, by the paths at which it is: "path" for files and links. (Folders
# belong to many packages.)
files_of() {
    in_bed sh -c 'dpkg -L "$1" | while read -r path; do
        [ -e "$path" ] || [ -L "$path" ] || continue # dpkg was told to leave it out
        [ -d "$path" ] && [ ! -L "$path" ] || echo "$(realpath "${path%/*}")/${path##*/}"
    done' files_of "$1" | grep -E '^/(usr|etc|boot|root)/' | sort -u
}

# What dpkg's list of digests says: "md5 path".
sums_of() {
    in_bed cat "/var/lib/dpkg/info/$1.md5sums" | sed 's|^\([0-9a-f]*\)  |\1 /|' | sort
}

test_an_installation_and_an_upgrade_by_apt_are_told_by_transaction() {
    local package before
    boot guarded
    wait_until "$LIVE" is_clean
    offer old
    get install cron logrotate sudo less
    wait_until "$LIVE" transaction_has '.detail.packages | map(.package) | contains(["cron", "logrotate", "sudo", "less"])'
    transaction_has '.detail.command | test("apt-get.*install.*cron")' || fail 'it does not tell the command'
    for package in cron logrotate sudo less; do
        files_of "$package" >"$SCRATCH/wanted"
        drifts_of "$package" >"$SCRATCH/found"
        # Its own folders are drift too, and are no files.
        diff <(cat "$SCRATCH/wanted") <(cut -d' ' -f1 "$SCRATCH/found" | while read -r path; do
            in_bed test -d "$path" -a ! -L "$path" || echo "$path"
        done) >"$SCRATCH/difference" || fail "the files of $package are not those: $(head -n 20 "$SCRATCH/difference")"
        ! grep -v ' unexpected ' "$SCRATCH/found" || fail "not all of $package is new"
        ! grep ' differs$' "$SCRATCH/found" || fail "a digest of $package differs"
        grep -q ' agrees$' "$SCRATCH/found" || fail "no digest of $package agrees"
        transaction_has '.detail.packages[] | select(.package == $p) | .version == $v and .previous == null and .action == "install" and .differs == 0' \
            --arg p "$package" --arg v "$(version_of "$package")" ||
            fail "the record does not tell of $package"
    done
    expect_exit 1 driftctl diff
    expect_output "^package +less $(version_of less) installed +[0-9]+ files.* unexpected · dpkg's digests agree"
    expect_output '^unexpected +file:/usr/bin/sudo ' # set-uid: nobody vouches for that
    expect_no_output '^unexpected +file:/usr/bin/logrotate|^unexpected +file:/usr/sbin/logrotate'
    expect_exit 1 driftctl diff --expand
    expect_output '^unexpected +file:/usr/s?bin/logrotate '
    has_entry transaction '.DRIFTD_KIND == "transaction"' || fail 'the journal has no entry'
    # No file was told of twice, and none of dpkg's passing names.
    driftctl log --json --kind drift | jq -r .item | sort >"$SCRATCH/told"
    ! grep -F .dpkg-new "$SCRATCH/told" || fail 'passing names are in the history'
    for package in less logrotate; do
        expect_equal "$(grep -Fxf <(files_of "$package" | sed 's/^/file:/') "$SCRATCH/told" | uniq -d)" '' 'what is told twice'
    done

    approve
    wait_until "$LIVE" is_clean
    before=$(version_of cron)
    sums_of cron >"$SCRATCH/sums"
    offer old new
    get upgrade
    wait_until "$LIVE" transaction_has '.detail.packages | map(.package) | contains(["cron"])'
    wait_until "$LIVE" transaction_has '.detail.packages[] | select(.package == "cron") | .action == "upgrade"'
    transaction_has '.detail.packages[] | select(.package == "cron") | .previous == $from and .version == $to and .differs == 0 and .agrees > 0' \
        --arg from "$before" --arg to "$(version_of cron)" || fail 'it does not tell the versions'
    # Those whose content is another one, and no other. (Where a package has no md5sums dpkg makes them, with conffiles.)
    sums_of cron | comm -13 "$SCRATCH/sums" - | cut -d' ' -f2 | grep -v '^/etc/' | sort >"$SCRATCH/wanted"
    drifts_of cron | grep ' agrees$' | cut -d' ' -f1 | grep -v '^/etc/' >"$SCRATCH/found"
    diff "$SCRATCH/wanted" "$SCRATCH/found" >"$SCRATCH/difference" || fail "not what the upgrade of cron changed: $(cat "$SCRATCH/difference")"
    expect_exit 1 driftctl show /usr/share/doc/cron/NEWS.bed
    expect_output "dpkg: upgrade of cron .* → .*, its digest agrees"
}
