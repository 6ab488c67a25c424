#include "unfold/train/report_page.h"

namespace unfold {

// The content security policy lets nothing be loaded and no script run but the one whose hash it names.
const std::string_view kReportPage = R"html(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{{hash}}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Unfold">
<title>{{title_text}}</title>
<style>{{style}}</style>
</head>
<body>
<header>
<h1>{{title}}</h1>
<p class="sub">{{subtitle}}</p>
{{note}}</header>
<main>
{{main}}</main>
<footer><p>Written by Unfold. This page is one file: it loads nothing and sends nothing.</p></footer>
<script>{{script}}</script>
</body>
</html>
)html";

// Blue and vermillion stay apart for every kind of colour blindness; right and wrong are also told in words.
const std::string_view kReportStyle = R"css(
:root {
  --bg: #fcfcfb; --card: #ffffff; --ink: #1b2430; --soft: #566070; --rule: #dfe2e6;
  --blue: #1f5fa8; --red: #b3470b; --on: #ffffff; --b: 31,95,168; --r: 196,82,14; --note: #fff4e0; --edge: #c98a1b;
  --c2: #00755a; --c3: #8a3d8f; --c4: #7a5c00; --c5: #0f7bab; --c6: #55606c; --c7: #c2417c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #13171c; --card: #1a2027; --ink: #e7eaee; --soft: #a5afbb; --rule: #333c46;
    --blue: #82b6f2; --red: #f5a469; --on: #10141a; --b: 130,182,242; --r: 245,164,105; --note: #33290f; --edge: #d9a441;
    --c2: #5fcfa8; --c3: #d59be0; --c4: #e3c565; --c5: #74d3ef; --c6: #b7c0ca; --c7: #f59ac0;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.25rem 2rem; max-width: 76rem; background: var(--bg); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Ubuntu, Cantarell, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1 { margin: 0; font-size: clamp(1.6rem, 4.5vw, 2.3rem); line-height: 1.2; font-weight: 650; letter-spacing: -.015em; }
h2 { margin: 0 0 .35rem; font-size: 1.3rem; line-height: 1.3; font-weight: 650; }
h3 { margin: 0 0 .4rem; font-size: 1rem; font-weight: 600; }
h3 small { font-weight: 400; color: var(--soft); }
p { margin: .25rem 0 .9rem; max-width: 46rem; }
.sub, .hint, footer { color: var(--soft); }
.sub { font-size: 1.1rem; margin: .3rem 0 0; max-width: none; text-wrap: balance; }
.note { margin: 1.25rem 0 0; padding: .7rem 1rem; background: var(--note); border-left: 4px solid var(--edge); border-radius: 0 6px 6px 0; }
section { margin-top: 3.25rem; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--rule); font-size: .9rem; }

.figures { display: flex; flex-wrap: wrap; gap: 1px; margin: 2rem 0 0; background: var(--rule); border: 1px solid var(--rule);
  border-radius: 10px; overflow: hidden; }
.figures div { flex: 1 1 9.5rem; padding: 1rem 1.15rem .9rem; background: var(--card); display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.figures dt { color: var(--soft); font-size: .9rem; line-height: 1.35; }
.figures dd { margin: 0; font-size: 1.7rem; font-weight: 620; letter-spacing: -.02em; line-height: 1.3; }
.figures .main dd { color: var(--blue); }

.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21.5rem), 1fr)); gap: 1.25rem; margin: 1rem 0 1.5rem; }
figure { margin: 0; }
.charts figure { padding: 1rem 1rem .6rem; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; break-inside: avoid; }
.chart { display: block; width: 100%; height: auto; overflow: visible; }
.chart text { font-size: 12px; fill: var(--ink); }
.axis text, .best text { fill: var(--soft); }
.grid { stroke: var(--rule); }
.tick { stroke: var(--soft); }
.chart [class^="s"] { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.s0 { stroke: var(--blue); } .s1 { stroke: var(--red); stroke-dasharray: 6 4; } .s2 { stroke: var(--c2); stroke-dasharray: 2 4; }
.s3 { stroke: var(--c3); stroke-dasharray: 10 4 2 4; } .s4 { stroke: var(--c4); } .s5 { stroke: var(--c5); stroke-dasharray: 6 4; }
.s6 { stroke: var(--c6); stroke-dasharray: 2 4; } .s7 { stroke: var(--c7); stroke-dasharray: 10 4 2 4; }
.m0 { fill: var(--blue); } .m1 { fill: var(--red); } .m2 { fill: var(--c2); } .m3 { fill: var(--c3); }
.m4, .m5, .m6, .m7 { fill: var(--card); stroke: var(--c4); stroke-width: 1.5; } .m5 { stroke: var(--c5); } .m6 { stroke: var(--c6); } .m7 { stroke: var(--c7); }
.at { stroke: var(--soft); stroke-dasharray: 2 3; }
.hit { fill: transparent; }
.e { outline: none; } .e .r { visibility: hidden; }
.e:hover .r, .e:focus .r { visibility: visible; }
.big { transform-box: fill-box; transform-origin: center; transform: scale(1.9); }
.m0.big, .m1.big, .m2.big, .m3.big { stroke: var(--card); stroke-width: 2; }
.chart:hover .e:focus:not(:hover) .r { visibility: hidden; }
.chart:hover .legend, .chart:focus-within .legend { visibility: hidden; }
.e:focus-visible .hit { stroke: var(--blue); stroke-width: 2; }

.scroll { overflow: auto; max-height: 34rem; border: 1px solid var(--rule); border-radius: 10px; background: var(--card); width: fit-content; max-width: 100%; }
.scroll:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
table { border-collapse: separate; border-spacing: 0; font-size: .92rem; line-height: 1.35; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
th, td { padding: .38rem .8rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; }
thead th { position: sticky; top: 0; z-index: 1; background: var(--card); color: var(--soft); border-bottom: 1px solid var(--rule); vertical-align: bottom; }
tbody th { position: sticky; left: 0; background: var(--card); }
tbody tr + tr > * { border-top: 1px solid var(--rule); }
details { margin: 1.25rem 0 0; } summary { cursor: pointer; margin-bottom: .6rem; width: fit-content; }
summary:focus-visible { outline: 2px solid var(--blue); outline-offset: 3px; }
.names th:first-child { text-align: left; }
.names tbody th { white-space: normal; min-width: 7rem; max-width: 24rem; }
.pairs td:nth-child(2), .pairs th:nth-child(2) { text-align: left; }
.pairs td:nth-child(2) { white-space: normal; max-width: 16rem; min-width: 5.5rem; }
tr.top td, tr.top th { font-weight: 650; color: var(--blue); }
.meter { display: inline-block; width: 4.5rem; height: .55rem; margin-right: .6rem; border-radius: 3px; background: var(--rule); overflow: hidden; vertical-align: baseline; }
.meter i { display: block; height: 100%; background: var(--blue); }

.matrix td, .matrix thead th { min-width: 2.7rem; padding: .45rem .4rem; text-align: center; }
.matrix tbody tr + tr > *, .matrix td { border: 0; }
.matrix thead th:first-child { text-align: right; white-space: pre-line; font-size: .85em; line-height: 1.25; font-weight: 400; z-index: 2; left: 0; padding-right: .8rem; }
.matrix tbody th { border-right: 1px solid var(--rule); max-width: 11rem; overflow: hidden; text-overflow: ellipsis; }
.many { font-size: .72rem; } .many td, .many thead th { min-width: 1.6rem; padding: .15rem .2rem; }
.tall thead th:not(:first-child) span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 10rem; overflow: hidden; text-overflow: ellipsis; }
.z { color: var(--soft); }
.b1 { background: rgba(var(--b),.1); } .b2 { background: rgba(var(--b),.18); } .b3 { background: rgba(var(--b),.27); } .b4 { background: rgba(var(--b),.36); }
.w1 { background: rgba(var(--r),.13); } .w2 { background: rgba(var(--r),.23); } .w3 { background: rgba(var(--r),.33); } .w4 { background: rgba(var(--r),.44); }
.b5 { background: var(--blue); color: var(--on); } .w5 { background: var(--red); color: var(--on); }
.two { display: flex; flex-wrap: wrap; gap: 1.75rem 2.5rem; align-items: flex-start; margin-top: 1rem; }
.two > * { min-width: 0; max-width: 100%; }
.key { display: inline-block; width: .95em; height: .95em; border-radius: 3px; vertical-align: -.1em; }

.samples { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.2rem, 1fr)); gap: .9rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.samples li { padding: .6rem; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; text-align: center; break-inside: avoid; }
.samples img { display: block; width: 100%; max-width: 8rem; height: auto; margin: 0 auto .5rem; border-radius: 5px; image-rendering: pixelated; }
.samples span { display: block; font-size: .85rem; line-height: 1.4; color: var(--soft); }
.samples b { color: var(--ink); font-weight: 650; } .samples .no b { color: var(--red); } .samples .yes b { color: var(--blue); }
.facts th { text-align: left; min-width: 6.5rem; vertical-align: top; color: var(--soft); font-weight: 400; white-space: normal; }
.facts td { text-align: left; white-space: normal; }

@media (max-width: 40rem) {
  body { padding: 1.5rem 1rem; }
  section { margin-top: 2.5rem; }
  .figures div { flex-basis: 40%; }
  th, td { padding: .35rem .6rem; } .matrix td, .matrix thead th { min-width: 2.3rem; padding: .4rem .25rem; }
  .matrix tbody th { max-width: 7rem; }
  .samples { grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); gap: .6rem; }
}
@media print {
  :root { --bg: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #ccc; --blue: #1f5fa8; --red: #b3470b; --on: #fff; --b: 31,95,168; --r: 196,82,14; --note: #fff; }
  body { padding: 0; max-width: none; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .scroll { max-height: none; overflow: visible; } thead th, tbody th { position: static; }
  .charts { grid-template-columns: 1fr 1fr; } section { margin-top: 1.5rem; } h2 { break-after: avoid; } tr { break-inside: avoid; }
  .samples { grid-template-columns: repeat(6, 1fr); gap: .5rem; }
}
)css";

const std::string_view kReportScript = R"js(
for (const chart of document.querySelectorAll("svg.chart")) {
  const epochs = [...chart.querySelectorAll(".e")];
  chart.addEventListener("keydown", (event) => {
    const at = epochs.indexOf(document.activeElement);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: epochs.length - 1 }[event.key];
    if (at < 0 || !epochs[to]) return;
    epochs[at].tabIndex = -1;
    epochs[to].tabIndex = 0;
    epochs[to].focus();
    event.preventDefault();
  });
}
)js";

}  // namespace unfold
