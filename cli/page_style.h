/* SPDX-License-Identifier: MIT */
/* The look of the report. Colours are named once for light and once for dark; each meets WCAG 2.2 AA (4.5:1
 * for text, 3:1 for what is drawn), and none says anything alone. */
#pragma once

#define PAGE_STYLE                                                                                           \
        ":root{color-scheme:light dark;--page:#fbfbfa;--card:#fff;--ink:#1c1d1f;--soft:#55585e;"             \
        "--line:#d5d7da;--high:#b3261e;--medium:#9a5b00;--low:#2f6690;--good:#2b7a3d;--none:#8a8d92}"        \
        "@media(prefers-color-scheme:dark){:root{--page:#141517;--card:#1d1f22;--ink:#ececec;"               \
        "--soft:#aeb2b8;--line:#3a3d42;--high:#ff8f85;--medium:#f0b357;--low:#83b9e6;--good:#7ccb8b;"        \
        "--none:#7d8187}}"                                                                                   \
        "*{box-sizing:border-box}"                                                                           \
        "body{margin:0 auto;padding:1.5rem;max-width:72rem;background:var(--page);color:var(--ink);"         \
        "font:1rem/1.5 system-ui,sans-serif}"                                                                \
        "h1{font-size:1.6rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.2rem;margin:2rem 0 .6rem}"      \
        "p{margin:.4rem 0;max-width:46rem}.soft{color:var(--soft)}"                                          \
        "code,.mono{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}"               \
        ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem;"            \
        "padding:0;margin:1rem 0;list-style:none}"                                                           \
        ".tiles li{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.8rem}"   \
        ".tiles b{display:block;font-size:1.5rem;line-height:1.2}"                                           \
        ".high{color:var(--high)}.medium{color:var(--medium)}.low{color:var(--low)}.good{color:var(--good)}" \
        "figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.5rem;"           \
        "padding:.8rem}figcaption{color:var(--soft);font-size:.9rem;margin-top:.4rem}"                       \
        "svg{display:block;width:100%%;height:auto;font:12px system-ui,sans-serif}"                          \
        "svg text{fill:var(--soft)}.key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 .8em;"   \
        "border-radius:.15em;vertical-align:-.05em}"                                                         \
        ".scroll{margin:.8rem 0;overflow-x:auto;border:1px solid "                                           \
        "var(--line);border-radius:.5rem;background:var(--card)}"                                            \
        "table{border-collapse:collapse;width:100%%;font-size:.93rem}"                                       \
        "caption{text-align:left;padding:.5rem .7rem;color:var(--soft)}"                                     \
        "th,td{text-align:left;vertical-align:top;padding:.35rem .7rem;border-top:1px solid var(--line)}"    \
        "th{font-weight:600}td.number{text-align:right;font-variant-numeric:tabular-nums}"                   \
        ".time{white-space:nowrap;font-variant-numeric:tabular-nums}"                                        \
        "details{margin:.6rem 0}summary{cursor:pointer}"                                                     \
        "a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--low)}"          \
        "@media print{:root{--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#bbb;--high:#b3261e;"      \
        "--medium:#9a5b00;--low:#2f6690;--good:#2b7a3d}body{max-width:none;padding:0;font-size:10pt}"        \
        "h2{break-after:avoid}tr,figure,.tiles li{break-inside:avoid}.scroll{overflow:visible;border:0}"     \
        "thead{display:table-header-group}*{print-color-adjust:exact}}"
