"""The style sheet of the HTML report."""

from __future__ import annotations

SHEET = """
:root{color-scheme:light dark;--paper:#fbfaf7;--ink:#24211d;--soft:#6d675e;--rule:#e2ddd3;--tint:#f3f0e9;
--accent:#b64d12;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--paper:#191714;--ink:#e9e5dd;--soft:#a29b8f;--rule:#37332d;--tint:#221f1b;
--accent:#f08a4b;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
main{max-width:54rem;margin:0 auto;padding:3.5rem 1.5rem 4rem}
h1{font-size:2.1rem;line-height:1.15;letter-spacing:-.02em;font-weight:650;margin:.15rem 0 1.25rem}
h2{font-size:1.05rem;font-weight:650;margin:2.75rem 0 .6rem}
h3{font-size:.95rem;font-weight:600;margin:1.75rem 0 .6rem}
.over,.note,figcaption,footer,dt,.beside{color:var(--soft);font-size:.875rem}
.over{margin:0}
.lead{font-size:1.2rem;line-height:1.5;margin:0 0 .6rem;padding-left:1rem;border-left:3px solid var(--accent)}
.beside{margin:0 0 1rem;padding-left:calc(1rem + 3px)}
.tiles{display:flex;flex-wrap:wrap;gap:.5rem 2.25rem;margin:1.75rem 0;padding:1rem 0;border:solid var(--rule);
border-width:1px 0}
dt{line-height:1.3}
dd{margin:0;font-size:1.35rem;font-weight:600;letter-spacing:-.01em}
.bad dd{color:var(--bad)}
figure{margin:2rem 0}
figure svg{display:block;width:100%;height:auto}
figcaption{margin-top:.25rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;line-height:1.4}
th,td{text-align:left;vertical-align:baseline;padding:.42rem .9rem .42rem 0;border-bottom:1px solid var(--rule);
overflow-wrap:normal}
th{color:var(--soft);font-weight:500;white-space:nowrap;border-bottom-color:var(--soft)}
td:last-child,th:last-child{padding-right:0}
.r{text-align:right;white-space:nowrap}
.r+:not(.r){padding-left:1.2rem}
.best td{font-weight:650}
.best td:first-child{color:var(--accent)}
.note{margin:.5rem 0 0}
code,pre{font:.84em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{background:var(--tint);border-radius:6px;padding:.8rem 1rem;margin:.5rem 0;white-space:pre-wrap}
code{background:var(--tint);border-radius:4px;padding:.15em .4em}
details{margin:.75rem 0}
summary{cursor:pointer;font-size:.95rem}
details p{margin:.25rem 0}
.next{padding-left:1.1rem;margin:0}
.next li{margin:.5rem 0}
footer{margin-top:3.5rem;padding-top:1rem;border-top:1px solid var(--rule)}
@media print{body{background:none}main{padding:0;max-width:none}}
""".strip()
"""Restrained: one accent, thin rules, figures that line up; wraps on a phone, prints on paper."""
