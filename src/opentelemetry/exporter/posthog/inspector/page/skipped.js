// What was not exported: why, how often, what would change it, and a few examples of each.

import { byId, clock, el, number, plural } from "./dom.js";
import { state, totals } from "./state.js";
import { setUp, stepsTable } from "./words.js";

let drawn = "";
const opened = new Set();

export function render() {
  const sum = totals();
  const version = `${JSON.stringify([...sum.reasons])}/${state.samples.size}/${sum.received}/${sum.delivered}/${sum.made}`;
  if (version === drawn) return;
  drawn = version;
  const box = byId("skipped");
  if (!state.exporters.size) {
    box.replaceChildren(el("div", { class: "setup" },
      el("h2", {}, "No exporter has reported yet"),
      el("p", {}, "What was not sent, only the exporter knows. It tells an inspector on this machine when this variable is set where the service starts:"),
      el("pre", {}, setUp().lines.split("\n")[2])));
    return;
  }
  box.replaceChildren(
    el("section", { class: "balance", "aria-label": "Balance" },
      el("p", {}, `${plural(sum.received, "signal")} received = ${number(sum.received - sum.made)} not selected + ${plural(sum.made, "event")} made. ` +
        `Of these ${number(sum.delivered)} delivered, ${number(sum.stored)} waiting on disk.` +
        (sum.untold ? ` ${plural(sum.untold, "note")} were left out because there were too many.` : ""))),
    ...[...sum.reasons].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a).map(([reason, count]) => card(reason, count)));
  if (![...sum.reasons.values()].some(Boolean)) box.append(el("p", { class: "none" }, "Every signal became an event that was delivered."));
}

export function restart() {
  drawn = "";
  render();
}

function card(reason, count) {
  const { sentence, remedy } = state.vocabulary.reasons[reason] ?? {
    sentence: "PostHog refused it, or did not take it in time.", remedy: "Look at its request.",
  };
  const samples = [...state.samples.values()].filter((sample) => sample.reason === reason).sort((a, b) => b.t - a.t);
  return el("section", { class: "reason", "aria-label": reason },
    el("header", {}, el("h2", {}, reason), el("span", { class: "many" }, number(count))),
    el("p", {}, sentence),
    el("p", { class: "remedy" }, el("b", {}, "To change it: "), remedy),
    samples.length ? sampleList(reason, samples) : null);
}

function sampleList(reason, samples) {
  return el("details", { open: opened.has(reason), ontoggle: (event) => (event.target.open ? opened.add(reason) : opened.delete(reason)) },
    el("summary", {}, samples.length === 1 ? "The signal" : `The last ${number(samples.length)} signals of these`),
    el("table", {},
      el("thead", {}, el("tr", {}, ["Time", "Signal", "Scope", "Decision"].map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, samples.map((sample) => el("tr", {},
        el("td", {}, clock(sample.t)),
        el("td", {}, `${sample.signal} `, el("b", {}, sample.name), sample.signal_kind ? ` (${sample.signal_kind})` : ""),
        el("td", {}, sample.scope || "–"),
        el("td", {}, sample.steps.length ? el("details", {}, el("summary", {}, plural(sample.steps.length, "step")), stepsTable(sample.steps)) : "–"))))));
}
