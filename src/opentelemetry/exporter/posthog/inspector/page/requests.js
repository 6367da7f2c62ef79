// Requests: status, size, attempt, and what real PostHog would have dropped or changed without a word.

import { byId, clock, el, link, setText, size } from "./dom.js";
import { VirtualList } from "./list.js";
import { state } from "./state.js";
import { remark, statusClass } from "./words.js";

let list;
let go;
let count = 0;
let asked = 0;

export function init(navigate) {
  go = navigate;
  list = new VirtualList(byId("list-requests"), {
    label: "Requests, newest first", grid: "requests-grid", cells: ["time", "status", "path", "num", "num", "num", "remarks"],
    at: (place) => state.requests[state.requests.length - 1 - place], fill, chosen: (request) => detail(request),
    empty: () => [el("p", {}, "No request has arrived yet.")],
  });
}

export function render(changed) {
  if (!changed.has("request") && !changed.has("hello")) return;
  list.update(state.requests.length, Math.max(0, state.requests.length - count));
  count = state.requests.length;
}

export function restart() {
  count = 0;
  list.forget();
  render(new Set(["hello"]));
  byId("detail-requests").replaceChildren(el("p", { class: "none" }, "Choose a request to see it as it came, and what there is to say of it."));
}

export function open(number) {
  render(new Set(["request"]));
  for (let place = 0; place < state.requests.length; place++) {
    if (list.at(place).number === number) return list.select(place);
  }
}

function fill([time, status, path, attempt, bytes, events, remarks], request) {
  setText(time, clock(request.t));
  status.className = "status";
  status.replaceChildren(el("span", { class: `badge ${statusClass(request.status)}` }, request.status === 0 ? "reset" : String(request.status)));
  setText(path, `${request.method} ${request.path}`);
  setText(attempt, request.attempt ? String(request.attempt) : "–");
  setText(bytes, size(request.bytes));
  setText(events, String(request.events));
  const said = [];
  if (request.refusals) said.push(`${request.refusals} refused`);
  if (request.findings) said.push(`${request.findings} found`);
  if (request.fault) said.push("fault");
  setText(remarks, said.join(", ") || "–");
}

async function detail(request) {
  const box = byId("detail-requests");
  const mine = ++asked;
  const answer = await fetch(`/requests/${request.number}`);
  if (mine !== asked || !answer.ok) return;
  const { raw, said } = await answer.json();
  if (mine !== asked) return;
  box.replaceChildren(...[
    el("h2", {}, `Request ${request.number}: ${request.method} ${request.path}`),
    el("p", { class: "sub" }, el("span", { class: `badge ${statusClass(request.status)}` }, request.status === 0 ? "connection reset" : `answered ${request.status}`),
      ` ${request.events} stored. ${request.user_agent}`),
    el("dl", { class: "facts" },
      el("dt", {}, "Arrived"), el("dd", { class: "mono" }, clock(request.t)),
      el("dt", {}, "Size"), el("dd", {}, `${size(request.bytes)}${request.encoding ? `, ${request.encoding}` : ""}`),
      el("dt", {}, "Attempt"), el("dd", {}, request.attempt ? String(request.attempt) : "not told by this protocol"),
      request.request_id ? [el("dt", {}, "Request id"), el("dd", { class: "mono" }, request.request_id)] : null,
      request.fault ? [el("dt", {}, "Fault"), el("dd", { class: "mono" }, request.fault)] : null),
    ...(said.length ? said.map(remark) : [el("p", { class: "sub" }, request.fault ? "Without the fault PostHog would take all of it as it is." : "PostHog takes all of it as it is.")]),
    el("h3", {}, "Events"),
    request.uuids.length ? null : el("p", { class: "sub" }, "None was stored."),
    el("ul", {}, request.uuids.slice(0, 50).map((uuid) => el("li", {}, link(state.byUuid.get(uuid)?.event ?? uuid, () => go("events", uuid))))),
    raw ? el("h3", {}, "As it came, without the key") : null,
    raw ? el("pre", { tabindex: "0", "aria-label": "Raw request" }, `${raw.method} ${raw.path}\n${Object.entries(raw.headers).map(([name, value]) => `${name}: ${value}`).join("\n")}\n\n${raw.body.slice(0, 200000)}`) : el("p", { class: "sub" }, "Its body is no longer kept."),
  ].filter(Boolean));
  box.scrollTop = 0;
}
