"""Style and script of the report page: inline, for no page may need the network."""

STYLE = """
:root { color-scheme: light dark; --ground: #fdfdfc; --ink: #1c2024; --muted: #667079;
  --line: #dfe2e6; --raised: #f3f4f6; --good: #1f7a4d; --bad: #b3384a; --accent: #2f6fbf; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171a; --ink: #e6e8ea;
  --muted: #98a2ab; --line: #31373d; --raised: #1e2327; --good: #5cc394; --bad: #ef8595;
  --accent: #7db1ee; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 5rem; background: var(--ground);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .35rem; }
p { margin: .6rem 0; max-width: 48rem; }
.muted, .note, figcaption { color: var(--muted); }
.note, figcaption { font-size: .875rem; }
.lead { font-size: 1.05rem; border-left: 3px solid var(--accent); padding-left: .9rem; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap; }
td { vertical-align: top; }
th { font-weight: 600; vertical-align: bottom; white-space: normal; }
th.text, td.text { text-align: left; }
td.quoted { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 9rem;
  max-width: 24rem; }
td.quoted bdi { display: block; overflow: hidden; }
.heat { font-size: .82rem; }
.heat th, .heat td { padding: .25rem .35rem; border: 1px solid var(--line); }
.heat thead th { padding: .45rem .2rem; border-width: 0 0 1px; }
.heat thead td { border: 0; }
.heat thead span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
.heat tbody th { white-space: nowrap; border-width: 0 1px 0 0; padding-left: 0; position: sticky;
  left: 0; background: var(--ground); }
.heat tbody td { background: rgb(209 73 91 / calc(var(--heat, 0) * 60%)); }
.heat tbody .own { background: var(--raised); font-weight: 600; }
.heat tbody .none { color: var(--muted); }
figure { margin: 1rem 0; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 38rem; height: auto; overflow: visible; }
.controls { display: flex; flex-wrap: wrap; gap: .6rem; margin: .75rem 0; align-items: center; }
.controls label { font-size: .8rem; color: var(--muted); display: grid; gap: .15rem; }
select, input, button { font: inherit; font-size: .9rem; color: inherit; background: var(--raised);
  border: 1px solid var(--line); border-radius: .35rem; padding: .3rem .5rem; max-width: 100%; }
button { cursor: pointer; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; }
summary { cursor: pointer; padding: .4rem .7rem; display: flex; flex-wrap: wrap; gap: .7rem;
  align-items: baseline; font-size: .9rem; }
summary .id { font-family: ui-monospace, monospace; font-size: .82rem; overflow-wrap: anywhere; }
.badge { border-radius: .3rem; padding: 0 .45rem; border: 1px solid currentColor;
  font-size: .8rem; }
.badge.good { color: var(--good); } .badge.bad { color: var(--bad); }
.body { padding: .2rem .9rem .8rem; border-top: 1px solid var(--line); }
.body h3 { font-size: .78rem; color: var(--muted); font-weight: 600; margin: .7rem 0 .15rem; }
.body h4 { font-size: .82rem; color: var(--muted); font-weight: 400; margin: .7rem 0 .25rem;
  overflow-wrap: anywhere; }
.body h4 .id { color: var(--ink); font-family: ui-monospace, monospace; margin-right: .5rem; }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 32rem; overflow: auto;
  font: .85rem/1.5 ui-monospace, monospace; }
pre .thought { color: var(--muted); }
"""

SCRIPT = """
"use strict";
const traces = JSON.parse(document.getElementById("traces").textContent);
const PAGE = 20;
let shown = PAGE;
const byId = (id) => document.getElementById(id);
const make = (tag, kind, text) => {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;  // never HTML: completions are not trusted
  return node;
};
const tally = (key) => {
  const counts = new Map();
  for (const trace of traces) counts.set(trace[key], (counts.get(trace[key]) || 0) + 1);
  return counts;
};
for (const key of ["source", "reason", "family"]) {
  const select = byId("by-" + key);
  select.append(make("option", "", "all"));
  select.firstChild.value = "";
  for (const [name, number] of tally(key)) {
    const option = make("option", "", (name || "(none)") + " (" + number + ")");
    option.value = "=" + name;
    select.append(option);
  }
  select.addEventListener("change", () => { shown = PAGE; draw(); });
}
byId("by-text").addEventListener("input", () => { shown = PAGE; draw(); });
byId("more").addEventListener("click", () => { shown += PAGE; draw(); });
const matching = () => {
  const words = byId("by-text").value.toLowerCase();
  return traces.filter((trace) =>
    ["source", "reason", "family"].every((key) => {
      const wanted = byId("by-" + key).value;
      return wanted === "" || wanted === "=" + trace[key];
    }) && (!words || (trace.id + " " + trace.prompt + " " + trace.completion + " " + trace.detail)
      .toLowerCase().includes(words)));
};
const completionNode = (text) => {
  const pre = make("pre");
  const end = text.indexOf("</think>");
  const cut = end < 0 ? 0 : end + "</think>".length;
  pre.append(make("span", "thought", text.slice(0, cut)), make("span", "", text.slice(cut)));
  return pre;
};
const fill = (details, trace) => {
  const body = make("div", "body");
  const part = (title, node) => body.append(make("h3", "", title), node);
  part("prompt", make("pre", "", trace.prompt));
  part("completion, " + trace.tokens + " tokens", completionNode(trace.completion));
  part("answer taken / reference", make("pre", "", trace.answer + "  /  " + trace.reference));
  details.append(body);
};
const card = (trace) => {
  const details = make("details");
  const summary = make("summary");
  summary.append(
    make("span", "badge " + (trace.good ? "good" : "bad"), trace.reason),
    make("span", "id", trace.id), make("span", "muted", trace.source),
    make("span", "muted", trace.family), make("span", "muted", trace.detail));
  details.append(summary);
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) fill(details, trace);
  });
  return details;
};
const draw = () => {
  const found = matching();
  byId("list").replaceChildren(...found.slice(0, shown).map(card));
  byId("found").textContent =
    found.length + " match, " + Math.min(shown, found.length) + " listed";
  byId("more").hidden = shown >= found.length;
};
draw();
"""
