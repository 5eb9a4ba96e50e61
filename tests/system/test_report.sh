# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The report: what it says is what happened, and a real browser shows it: without scripts and without network, wide and narrow,
# light and dark, on paper, and by its roles and names.

# What a month on a host may look like, in a minute: approvals, a refusal, drift of several severities, a gap, something put back.
eventful() {
    printf 'one\n' >"$TREE/a"
    printf 'two\n' >"$TREE/<b>&\"c\""
    start_clean
    printf 'changed\n' >"$TREE/a"
    wait_until 10 has_drift "file:$TREE/a" changed
    driftctl bless "$TREE/a" --ticket '<CHG-2>' --key "$KEYS/alice" --yes >/dev/null
    printf 'changed\n' >"$TREE/<b>&\"c\""
    wait_until 10 eval '! is_clean'
    printf 'two\n' >"$TREE/<b>&\"c\""
    wait_until 10 has_record resolved "file:$TREE/<b>&\"c\"" '.detail.as == "reverted"'
    crash_daemon
    start_daemon
    wait_until 10 has_record gap
    printf 'unexpected\n' >"$TREE/<i>new"
    wait_until 10 eval '! is_clean'
}

page() {
    expect_exit 0 driftctl report -o "$SCRATCH/report.html" "$@"
    [[ -s $SCRATCH/report.html ]] || fail "there is no page"
}

says() {
    grep -qE -- "$1" "$SCRATCH/report.html" || fail "the page does not say: $1"
}

test_it_says_what_happened() {
    eventful
    page
    says 'lang="en"'
    says '>drift</b>the verdict now'
    says '>1</b>open drifts: 1 high, 0 medium, 0 low'
    says '>host@2</td><td>&lt;CHG-2&gt;</td><td>normal</td>'
    says '>alice \(key on the host: alice\)</td></tr>'
    says 'Deviations that went away without approval \(findings all the same\): 1'
    says "file:$TREE/&lt;b&gt;&amp;&quot;c&quot;</td><td>changed</td>"
    says "file:$TREE/&lt;i&gt;new"
    says 'Gaps: [12]'
    says 'Watched [0-9.]+ % of the '
    says 'was not running, and had not been stopped'
    says 'number 1 to [0-9]+'
    ! grep -qE '<(b>&|i>new|CHG|script|link|img|iframe)|https?:|url\(' "$SCRATCH/report.html" || fail "markup from outside, or a way outside"
    page --since 2001-01-01 --until 2001-02-01 # before anything
    says 'The history does not reach back to this period'
    says 'No drift was found in the period'
}

# What was approved, as the page has it.
approvals() {
    sed -n '/id="approvals"/,/<\/section>/p' "$SCRATCH/report.html"
}

test_the_store_alone_gives_the_same_report() {
    local with
    eventful
    page --until now
    with=$(approvals)
    [[ $with == *host@2* ]] || fail "what was approved is missing: $with"
    stop_daemon
    page --until now
    expect_equal "$(approvals)" "$with" "what was approved"
    says "file:$TREE/&lt;i&gt;new"
}

test_wrong_wishes_are_refused() {
    first_steps
    expect_exit 4 driftctl report --since now --until yesterday
    expect_error 'since is not before --until'
    expect_exit 4 driftctl report --since nonsense
    expect_exit 4 driftctl report -o "$SCRATCH/not/there.html"
    expect_exit 4 driftctl report unexpected
}

# browser WIDTH [OPTION]... FILE — what chromium makes of a page, in a profile of its own, without a network
browser() {
    local width=$1
    shift
    HOME=$SCRATCH/home timeout 60 unshare -n chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --hide-scrollbars \
        --user-data-dir="$SCRATCH/profile" --window-size="$width,1600" --virtual-time-budget=3000 "$@" 2>"$SCRATCH/chromium.log"
}

# The page again, with a script that measures it and writes what it finds wrong into the title. (The page's own policy forbids
# scripts, so that goes in the copy.)
measured() {
    cat >"$SCRATCH/measure.js" <<'JS'
function luminance(c) {
    const v = c.map(x => { x /= 255; return x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2];
}
const rgb = text => text.match(/[\d.]+/g).map(Number);
function behind(e) {
    for (; e; e = e.parentElement) {
        const c = rgb(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c.slice(0, 3);
    }
    return [255, 255, 255];
}
const wrong = [];
if (document.documentElement.scrollWidth > innerWidth) wrong.push('wider than the window: ' + document.documentElement.scrollWidth);
for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || e.closest('details:not([open])') && e.tagName !== 'SUMMARY') continue;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const a = luminance(rgb(svg ? style.fill : style.color)), b = luminance(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) wrong.push('contrast ' + ratio.toFixed(1) + ': ' + e.textContent.slice(0, 30));
}
for (const e of document.querySelectorAll('svg')) if (e.getAttribute('role') !== 'img' || !e.getAttribute('aria-label')) wrong.push('a picture without words');
for (const e of document.querySelectorAll('table')) {
    if (!e.caption || !e.caption.textContent) wrong.push('a table without a caption');
    if ([...e.tHead.rows[0].cells].some(c => c.scope !== 'col' || !c.textContent)) wrong.push('a head without a scope');
    for (const row of e.tBodies[0].rows) if (row.cells.length !== e.tHead.rows[0].cells.length) wrong.push('a row of another length');
}
for (const e of document.querySelectorAll('section')) if (!document.getElementById(e.getAttribute('aria-labelledby'))) wrong.push('a section without a name');
if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
if (new Set(ids).size !== ids.length) wrong.push('an id twice');
document.title = 'measured ' + document.querySelectorAll('svg rect').length + ' dark ' + matchMedia('(prefers-color-scheme: dark)').matches +
    ' wrong ' + wrong.length + ': ' + wrong.join('; ');
JS
    {
        sed 's|<meta http-equiv="Content-Security-Policy"[^>]*>||; s|</body></html>||' "$SCRATCH/report.html"
        printf '<script>\n%s\n</script></body></html>\n' "$(<"$SCRATCH/measure.js")"
    } >"$SCRATCH/measured.html"
}

# measure WIDTH DARK [OPTION]...
measure() {
    local width=$1 dark=$2
    shift 2
    browser "$width" "$@" --dump-dom "file://$SCRATCH/measured.html" >"$SCRATCH/dom" || fail "chromium: $(tail -n 3 "$SCRATCH/chromium.log")"
    grep -oE '<title>[^<]*' "$SCRATCH/dom" >"$SCRATCH/title" || fail "the page was not shown: $(head -c 300 "$SCRATCH/dom")"
    grep -qE "measured [1-9][0-9]* dark $dark wrong 0:" "$SCRATCH/title" || fail "at $width: $(cut -c1-600 "$SCRATCH/title")"
}

test_a_browser_shows_it_wide_and_narrow_light_and_dark() {
    need_root
    command -v chromium >/dev/null || skip "chromium is not installed"
    eventful
    page
    measured
    measure 1280 false
    measure 500 false
    measure 1280 true --blink-settings=preferredColorScheme=0
    measure 500 true --blink-settings=preferredColorScheme=0
    browser 1280 --screenshot="$SCRATCH/report.png" "file://$SCRATCH/report.html" >/dev/null
    browser 1280 --no-pdf-header-footer --print-to-pdf="$SCRATCH/report.pdf" "file://$SCRATCH/report.html" >/dev/null
    [[ $(head -c 4 "$SCRATCH/report.png" | tail -c 3) == PNG && $(stat -c %s "$SCRATCH/report.png") -gt 20000 ]] || fail "no picture"
    [[ $(head -c 4 "$SCRATCH/report.pdf") == %PDF ]] || fail "it was not printed"
    [[ -z ${KEEP_SCREENSHOT:-} ]] || cp "$SCRATCH/report.png" "$SCRATCH/report.html" "$SCRATCH/report.pdf" "$KEEP_SCREENSHOT"
    ! grep -qi 'refused to\|violates' "$SCRATCH/chromium.log" || fail "its own policy stops the page: $(grep -i 'refused to\|violates' "$SCRATCH/chromium.log")"
}
