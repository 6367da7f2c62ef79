// Signals, events and group updates over the last five minutes, and their sums.

import { byId, el, number, setText, svg } from "./dom.js";
import { state, totals } from "./state.js";

const WIDTH = 600;
const HEIGHT = 64;
const BUCKET = 5; // seconds
const BUCKETS = 60;
let parts;

export function init() {
  const chart = byId("chart");
  parts = { area: svg("path", { class: "area" }) };
  chart.append(svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }), parts.area);
  for (const name of ["signals", "events", "updates"]) chart.append((parts[name] = svg("path", { class: name })));
  const figure = (id, text, swatch) => el("div", {}, el("dt", {}, swatch ? el("span", { class: `swatch ${swatch}`, "aria-hidden": "true" }) : null, text), el("dd", { id }, "0"));
  byId("figures").append(figure("n-signals", "signals seen", "signals"), figure("n-events", "events stored", "events"),
    figure("n-updates", "group updates", "updates"), figure("n-saved", "updates saved"));
}

export function render() {
  const sum = totals();
  setText(byId("n-signals"), state.exporters.size ? number(sum.received) : "–");
  setText(byId("n-events"), number(state.events.length - state.updates + state.dropped));
  setText(byId("n-updates"), number(state.updates));
  setText(byId("n-saved"), state.exporters.size ? number(sum.saved) : "–");
  draw(Date.now() / 1000);
}

function draw(now) {
  const end = Math.floor(now / BUCKET) + 1;
  const sums = { signals: new Array(BUCKETS).fill(0), events: new Array(BUCKETS).fill(0), updates: new Array(BUCKETS).fill(0) };
  for (const pulse of state.pulses.values()) {
    const place = BUCKETS - (end - Math.floor(pulse.second / BUCKET));
    if (place < 0 || place >= BUCKETS) continue;
    for (const name of Object.keys(sums)) sums[name][place] += pulse[name] ?? 0;
  }
  const most = Math.max(1, ...sums.signals, ...sums.events, ...sums.updates);
  const points = (values) => values.map((value, n) => `${((n / (BUCKETS - 1)) * WIDTH).toFixed(1)},${(HEIGHT - 2 - Math.sqrt(value / most) * (HEIGHT - 8)).toFixed(1)}`);
  for (const name of Object.keys(sums)) parts[name].setAttribute("d", `M${points(sums[name]).join("L")}`);
  parts.area.setAttribute("d", `M0,${HEIGHT}L${points(sums.signals).join("L")}L${WIDTH},${HEIGHT}Z`);
  const total = (name) => number(sums[name].reduce((a, b) => a + b, 0));
  byId("chart").setAttribute("aria-label", `In the last five minutes: ${total("signals")} signals, ${total("events")} events, ${total("updates")} group updates`);
}
