// The events view: a filtered list and one event in every detail.

import { byId, clock, copy, el, link, number, plural, setText, shown } from "./dom.js";
import * as filter from "./filter.js";
import { VirtualList } from "./list.js";
import { state } from "./state.js";
import { LOOKS, remark, setUp, signalFacts, stepsTable } from "./words.js";

let list;
let go;
let drawn = ""; // what the detail shows, to leave it alone (and its scroll, and its focus) when nothing changed

export function init(navigate) {
  go = navigate;
  list = new VirtualList(byId("list-events"), {
    label: "Events, newest first", grid: "events-grid", cells: ["time", "name", "org", "person", "preview"],
    at: filter.newest, fill, chosen: () => detail(true), empty,
  });
  for (const id of ["search", "filter-event", "filter-organization", "filter-findings"]) byId(id).addEventListener("input", refilter);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  refilter();
}

function refilter() {
  filter.parse(byId("search").value, byId("filter-event").value, byId("filter-organization").value, byId("filter-findings").checked);
  list.box.scrollTop = 0;
  list.place = -1;
  list.update(filter.count());
  matchesText();
}

/** Show the events of this person, organization or name. */
export function narrow({ search = "", organization = "", event = "" }) {
  go("events");
  selects();
  byId("search").value = search;
  byId("filter-event").value = event;
  byId("filter-organization").value = organization;
  byId("filter-findings").checked = false;
  refilter();
}

export function render(changed) {
  if (changed.has("event") || changed.has("hello")) {
    const added = filter.grow();
    list.update(filter.count(), added);
    selects();
  } else if (changed.has("finding") || changed.has("refusal") || changed.has("warning")) {
    list.draw(true);
  }
  matchesText();
  detail(false);
}

/** Choose the topmost event. */
export function first() {
  list.select(0);
}

export function restart() {
  filter.start();
  list.forget();
  list.update(filter.count());
  detail(true);
  selects();
}

function matchesText() {
  setText(byId("matches"), filter.active() ? `${number(filter.count())} of ${number(state.events.length)}` : plural(state.events.length, "row"));
}

function fill([time, name, organization, person, preview], event) {
  setText(time, clock(event.t));
  const remarks = state.said.get(event.uuid)?.length ?? 0;
  setText(name, `${remarks ? "⚠ " : ""}${event.event}${event.repeats ? ` (came ${event.repeats + 1}×)` : ""}`);
  name.className = event.update ? "name update" : "name";
  setText(organization, event.update ? String(event.properties.$group_key ?? "") : Object.values(event.groups).join(", ") || "–");
  setText(person, event.update ? "–" : event.distinct_id);
  setText(preview, summary(event));
}

const QUIET = /^(\$|posthog\.|service\.|deployment\.|span\.|log\.|http\.request\.method$)/; // the same on most events

function summary(event) {
  const properties = event.update ? (event.properties.$group_set ?? {}) : event.properties;
  const parts = [];
  const groups = Object.values(event.groups);
  for (const [name, value] of Object.entries(properties)) {
    if (!event.update && (QUIET.test(name) || groups.includes(value))) continue;
    parts.push(`${name}=${shown(value)}`);
    if (parts.length === 6) break;
  }
  return parts.join("  ");
}

const options = { "filter-event": 0, "filter-organization": 0 };
function selects() {
  fillSelect("filter-event", "All events", [...state.names.keys()]);
  fillSelect("filter-organization", "All organizations", [...new Set([...state.groups.values()].map((group) => group.key))]);
}
function fillSelect(id, all, values) {
  if (options[id] === values.length && values.length) return;
  options[id] = values.length;
  const select = byId(id);
  const chosen = select.value;
  select.replaceChildren(el("option", { value: "" }, all), ...values.slice(0, 500).sort().map((value) => el("option", { value }, value)));
  select.value = values.includes(chosen) ? chosen : "";
}

function empty() {
  if (state.events.length) return [el("p", {}, "No event matches."), link("Show all events", () => narrow({}))];
  const { lines, host } = setUp();
  return [el("div", { class: "setup" },
    el("h2", {}, "Nothing has arrived yet"),
    el("p", {}, "Point a service here, in the shell that starts it. Any key will do; nothing leaves this machine."),
    el("pre", {}, lines),
    el("div", { class: "buttons" }, el("button", { type: "button", onclick: () => copy(lines, "Environment") }, "Copy")),
    el("p", {}, `Any PostHog SDK can send here too: its host is ${host}. The third line lets the exporter say what it did not send, and why.`))];
}

// -- one event ------------------------------------------------------------------------------------

function detail(anew) {
  const event = list.selected;
  const box = byId("detail-events");
  const origin = event && state.origins.get(event.uuid);
  const remarks = (event && state.said.get(event.uuid)) ?? [];
  const version = event ? `${event.id}/${event.repeats}/${origin ? origin.steps.length : "-"}/${remarks.length}` : "none";
  if (version === drawn && !anew) return;
  const fresh = drawn.split("/")[0] !== version.split("/")[0];
  drawn = version;
  if (!event) {
    box.replaceChildren(el("p", { class: "none" }, "Choose an event to see where it came from and what PostHog made of it."));
    return;
  }
  box.replaceChildren(...parts(event, origin, remarks).filter(Boolean));
  if (fresh) box.scrollTop = 0;
}

function parts(event, origin, remarks) {
  const json = JSON.stringify(asSent(event), null, 2);
  return [
    el("h2", {}, event.event),
    el("p", { class: "sub" }, event.update ? "A group update: it writes a profile and counts as an event." : event.personless ? "Without person processing, so PostHog ignores groups." : "An event."),
    el("dl", { class: "facts" },
      el("dt", {}, "Happened"), el("dd", { class: "mono" }, event.time),
      el("dt", {}, "Arrived"), el("dd", { class: "mono" }, clock(event.t), event.repeats ? ` and ${plural(event.repeats, "time")} more; PostHog keeps one row` : ""),
      el("dt", {}, "Person"), el("dd", {}, link(event.distinct_id, () => narrow({ search: `person:"${event.distinct_id}"` }))),
      Object.entries(event.groups).map(([type, key]) => [el("dt", {}, type), el("dd", {}, link(key, () => go("organizations", `${type} ${key}`)))]),
      event.update && event.properties.$group_key ? [el("dt", {}, String(event.properties.$group_type)),
        el("dd", {}, link(String(event.properties.$group_key), () => go("organizations", `${event.properties.$group_type} ${event.properties.$group_key}`)))] : null,
      el("dt", {}, "Uuid"), el("dd", { class: "mono" }, event.uuid),
      el("dt", {}, "Request"), el("dd", {}, event.request ? link(`no. ${event.request} (${event.protocol})`, () => go("requests", event.request)) : "of an earlier run")),
    ...remarks.map(remark),
    el("h3", {}, event.update ? "What it sets" : "Properties, and where each came from"),
    propertyTable(event, origin),
    origin ? el("h3", {}, "The signal that it came from") : null,
    origin ? signalFacts(origin) : null,
    origin && origin.steps.length ? el("details", {}, el("summary", {}, `How it was decided (${plural(origin.steps.length, "step")})`), stepsTable(origin.steps)) : null,
    el("details", {}, el("summary", {}, "As JSON"), el("pre", {}, json)),
    el("div", { class: "buttons" },
      el("button", { type: "button", onclick: () => copy(json, "JSON") }, "Copy JSON"),
      el("button", { type: "button", onclick: () => copy(curl(event), "curl command") }, "Copy as curl"),
      event.request ? el("button", { type: "button", onclick: () => go("requests", event.request) }, "Raw request") : null),
  ];
}

function propertyTable(event, origin) {
  const properties = event.update ? { ...(event.properties.$group_set ?? {}) } : event.properties;
  const entries = Object.entries(properties).sort(([a], [b]) => (a.startsWith("$") - b.startsWith("$")) || (a < b ? -1 : 1));
  if (!entries.length) return el("p", { class: "sub" }, "Nothing: only the group's key was known.");
  return el("table", { class: "properties" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Property"), el("th", { scope: "col" }, "Value"), event.update ? null : el("th", { scope: "col" }, "Came from"))),
    el("tbody", {}, entries.map(([name, value]) => el("tr", {},
      el("td", {}, name),
      el("td", { class: "value" }, shown(value), event.looks[name] ? [" ", el("span", { class: "badge warn" }, `looks like ${LOOKS[event.looks[name]] ?? event.looks[name]}`)] : null),
      event.update ? null : el("td", {}, el("span", { class: "from" }, cameFrom(name, event, origin)))))));
}

function cameFrom(name, event, origin) {
  const source = origin?.sources[name];
  if (source) return source === name ? "the same attribute" : `attribute ${source}`;
  if (/^\$group_\d$/.test(name)) return "PostHog, from $groups";
  if (name === "$groups") return origin ? "the group attributes" : "$groups of the request";
  if (name.startsWith("$lib") || ["$is_server", "$geoip_disable", "$process_person_profile", "posthog.actor"].includes(name)) return origin ? "the exporter" : "the sender";
  if (/^(\$trace_id|\$span_id|log\.severity|(span|otel\.scope)\..*)$/.test(name)) return origin ? "the signal itself" : "the sender";
  if (name.startsWith("service.") || name.startsWith("deployment.")) return origin ? "the resource" : "the sender";
  if (name === "$ip") return "PostHog: the sender's address";
  return origin ? "the exporter" : "the sender";
}

const asSent = (event) => ({
  event: event.event, uuid: event.uuid, distinct_id: event.distinct_id, timestamp: event.time,
  properties: Object.fromEntries(Object.entries(event.properties).filter(([name]) => !/^\$group_\d$/.test(name))),
});

function curl(event) {
  const body = JSON.stringify({ api_key: "phc_local", batch: [asSent(event)] }).replaceAll("'", "'\\''");
  return `curl -X POST ${setUp().host}/batch/ -H 'Content-Type: application/json' -d '${body}'`;
}
