/** The look of the status page: system fonts, two themes, one column on a phone. */
export const PAGE_STYLE = `:root {
  color-scheme: light dark;
  --back: #f5f6f8;
  --card: #ffffff;
  --line: #dde1e7;
  --text: #1b2330;
  --quiet: #596475;
  --grid: #e8ebf0;
  --blue: #1d6fb8;
  --green: #1f7f4c;
  --amber: #a86500;
  --red: #c2352b;
  --violet: #7a4fc0;
  --grey: #7b8698;
  --notice: #fff4d6;
  --notice-line: #d9a521;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #11151b;
    --card: #1a2029;
    --line: #2d3643;
    --text: #e3e8ef;
    --quiet: #9ba7b8;
    --grid: #273040;
    --blue: #5aa9ee;
    --green: #57c088;
    --amber: #e3a54a;
    --red: #f0766d;
    --violet: #b596ef;
    --grey: #8592a6;
    --notice: #37301b;
    --notice-line: #a9842a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto;
  max-width: 84rem;
  padding: 1rem 1.25rem 2rem;
  background: var(--back);
  color: var(--text);
  font: 0.9375rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, h3, p, dl, dd, figure, ul { margin: 0; }
h1 { font-size: 1.25rem; letter-spacing: -0.01em; }
h2 { margin: 1.75rem 0 0.6rem; font-size: 1rem; }
h2 .aside { margin-left: 0.35rem; color: var(--quiet); font-size: 0.8125rem; font-weight: 400; }
h3 { font-size: 0.875rem; font-weight: 600; }
a { color: var(--blue); }
a:focus-visible, .scroll:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
.quiet { color: var(--quiet); }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.15rem 0.8rem; margin-bottom: 0.9rem; }
header #about { color: var(--quiet); flex: 1 1 20rem; min-width: 0; overflow-wrap: anywhere; }
header #updated { font-size: 0.8125rem; }
.state { display: inline-flex; align-items: center; gap: 0.4rem; font-weight: 600; }
.state::before { content: ""; width: 0.6rem; height: 0.6rem; border-radius: 50%; background: var(--grey); }
.state[data-state="serving"] { color: var(--green); }
.state[data-state="serving"]::before { background: var(--green); }
.state[data-state="starting"], .state[data-state="draining"] { color: var(--amber); }
.state[data-state="starting"]::before, .state[data-state="draining"]::before { background: var(--amber); }
.state[data-state="gone"] { color: var(--red); }
.state[data-state="gone"]::before { background: var(--red); }
.notice {
  margin: 0 0 0.9rem;
  padding: 0.6rem 0.85rem;
  background: var(--notice);
  border: 1px solid var(--notice-line);
  border-radius: 0.5rem;
  overflow-wrap: anywhere;
}
.notice[hidden] { display: none; }
body.gone main { opacity: 0.55; }
#summary { display: grid; grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 0.6rem; }
#summary > div, figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem; }
#summary > div { padding: 0.65rem 0.85rem 0.7rem; min-width: 0; }
#summary dt { color: var(--quiet); font-size: 0.8125rem; }
#summary .value { font-size: 1.6rem; font-weight: 600; line-height: 1.25; letter-spacing: -0.02em; white-space: nowrap; }
#summary .value small { font-size: 0.9375rem; font-weight: 400; letter-spacing: 0; color: var(--quiet); }
#summary .value.alarm { color: var(--red); }
#summary .note { color: var(--quiet); font-size: 0.8125rem; overflow-wrap: anywhere; }
.bar { display: flex; height: 0.35rem; margin: 0.3rem 0 0.35rem; border-radius: 0.2rem; overflow: hidden; background: var(--grid); }
.bar i { display: block; flex: 0 0 auto; }
.bar .lent { background: var(--blue); }
.bar .held { background: var(--amber); }
.bar .idle { background: var(--grey); }
#charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 0.6rem; }
figure { position: relative; padding: 0.6rem 0.7rem 0.25rem; min-width: 0; }
figcaption { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0.05rem 0.9rem; min-height: 1.6rem; }
figcaption h3 { flex: 1 0 auto; }
.legend { display: flex; flex-wrap: wrap; gap: 0 0.75rem; padding: 0; list-style: none; font-size: 0.8125rem; }
.legend li[hidden] { display: none; }
.legend b { font-weight: 600; }
.legend .quiet { margin-right: 0.25rem; }
.legend li::before { content: ""; display: inline-block; width: 0.7rem; height: 0.2rem; margin-right: 0.35rem; border-radius: 1px; vertical-align: middle; background: currentColor; }
.legend .quiet, .legend b { color: var(--text); }
.legend .quiet { color: var(--quiet); }
.blue { color: var(--blue); } .green { color: var(--green); } .amber { color: var(--amber); }
.red { color: var(--red); } .violet { color: var(--violet); } .grey { color: var(--grey); }
.plot { height: 9.5rem; min-width: 0; overflow: hidden; }
.empty { position: absolute; inset: 45% 0 auto 2.5rem; text-align: center; color: var(--quiet); font-size: 0.8125rem; pointer-events: none; }
.empty[hidden] { display: none; }
.u-cursor-x, .u-cursor-y { border-color: var(--grey) !important; }
#tables { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); column-gap: 0.9rem; align-items: start; }
#tables > section { grid-column: 1 / -1; min-width: 0; }
#tables > section.half { grid-column: auto; }
.card { overflow: hidden; }
.scroll { overflow-x: auto; }
#waiters .scroll, #reasons .scroll, #holds .scroll { max-height: 17rem; overflow-y: auto; }
#waiters thead th, #reasons thead th, #holds thead th { position: sticky; top: 0; background: var(--card); }
table { width: 100%; border-collapse: collapse; font-size: 0.875rem; }
th, td { padding: 0.38rem 0.7rem; text-align: left; vertical-align: top; }
thead .code { font-family: inherit; }
thead th { color: var(--quiet); font-size: 0.8125rem; font-weight: 500; border-bottom: 1px solid var(--line); white-space: nowrap; }
tbody th { font-weight: 500; }
tbody tr + tr > * { border-top: 1px solid var(--grid); }
.number { text-align: right; white-space: nowrap; }
.word { white-space: nowrap; }
.word, .number { width: 1%; }
.name { overflow-wrap: anywhere; min-width: 6rem; }
.code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; font-size: 0.8125rem; overflow-wrap: anywhere; min-width: 15rem; width: 45%; }
.none { padding: 0.55rem 0.85rem; color: var(--quiet); }
footer { margin-top: 2rem; display: flex; gap: 1rem; font-size: 0.8125rem; }
@media (max-width: 68rem) {
  #summary { grid-template-columns: repeat(3, minmax(0, 1fr)); }
}
@media (max-width: 60rem) {
  #tables > section.half { grid-column: 1 / -1; }
}
@media (max-width: 40rem) {
  body { padding: 0.75rem 0.75rem 1.5rem; }
  #summary { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.5rem; }
  #summary > div { padding: 0.5rem 0.65rem 0.55rem; }
  #summary .value { font-size: 1.35rem; }
  .plot { height: 8rem; }
  th, td { padding: 0.35rem 0.55rem; }
  .stacked, .stacked tbody { display: block; }
  .stacked thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden; }
  .stacked tr { display: flex; flex-wrap: wrap; gap: 0.1rem 0.9rem; padding: 0.45rem 0.65rem; }
  .stacked tr + tr { border-top: 1px solid var(--grid); }
  .stacked tr > * { padding: 0; border: 0; min-width: 0; width: auto; }
  .stacked td:not(.code)::before { content: attr(data-title) " "; color: var(--quiet); }
  .stacked .code { flex: 1 1 100%; width: auto; }
  header #about { flex-basis: 100%; font-size: 0.8125rem; }
}
`;
