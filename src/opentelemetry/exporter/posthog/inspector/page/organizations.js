// Groups: the profile that PostHog shows, and how every property of it came to be what it is.

import { byId, clock, el, link, number, plural, setText, shown } from "./dom.js";
import * as events from "./events.js";
import { VirtualList } from "./list.js";
import { state } from "./state.js";

let list;
let go;
let sorted = [];
let drawn = "";
const opened = new Set(); // properties whose whole timeline is shown

const SHORT = 8; // entries of a timeline until somebody asks for all

export function init(navigate) {
  go = navigate;
  list = new VirtualList(byId("list-organizations"), {
    label: "Groups, last seen first", grid: "groups-grid", cells: ["name", "type", "num", "num"],
    at: (place) => sorted[place], fill, chosen: () => detail(true), empty: () => [el("p", {}, "No group has been seen yet.")],
  });
}

export function render(changed) {
  if (["event", "group", "change", "decision", "hello"].some((kind) => changed.has(kind))) {
    sorted = [...state.groups.values()].sort((a, b) => b.last - a.last || (a.id < b.id ? -1 : 1));
    list.place = -1;
    list.update(sorted.length);
  }
  detail(false);
}

export function restart() {
  sorted = [];
  list.forget();
  opened.clear();
  render(new Set(["hello"]));
  detail(true);
}

export function open(id) {
  const group = state.groups.get(id);
  if (!group) return;
  render(new Set(["group"]));
  const place = sorted.indexOf(group);
  list.select(place);
}

function fill([name, type, count, updates], group) {
  setText(name, group.key);
  setText(type, group.type);
  setText(count, number(group.events));
  setText(updates, number(group.updates));
}

function detail(anew) {
  const group = list.selected;
  const box = byId("detail-organizations");
  const version = group ? `${group.id}\n${group.version}/${group.events}/${group.updates}` : "none";
  if (version === drawn && !anew) return;
  const fresh = drawn.split("\n")[0] !== version.split("\n")[0];
  drawn = version;
  if (!group) {
    box.replaceChildren(el("p", { class: "none" }, "Choose a group to see its profile, and the timeline of every property."));
    return;
  }
  const lines = timelines(group);
  const saved = [...group.decisions.values()].reduce((sum, one) => sum + (one.verdict === "unchanged" ? one.count : 0), 0);
  box.replaceChildren(
    el("h2", {}, group.key),
    el("p", { class: "sub" }, `${group.type}. ${plural(group.events, "event")}, ${plural(group.updates, "group update")} sent. ${saved ? `${plural(saved, "time")} a property was said again and nothing was sent.` : ""}`),
    el("div", { class: "buttons" }, link("Show its events", () => events.narrow({ organization: group.key }))),
    el("h3", {}, "Profile, as PostHog shows it"),
    profile(group),
    el("h3", {}, "Timeline of every property, newest first"),
    ...(lines.length ? lines : [el("p", { class: "sub" }, "Nothing was said of this group but its key.")]),
  );
  if (fresh) box.scrollTop = 0;
}

function profile(group) {
  if (!group.properties.size) return el("p", { class: "sub" }, group.identified ? "Only the key is known." : "PostHog has no profile of it: no group update arrived.");
  return el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Property"), el("th", { scope: "col" }, "Value"))),
    el("tbody", {}, [...group.properties].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) =>
      el("tr", {}, el("td", {}, name), el("td", { class: "value" }, shown(value))))));
}

function timelines(group) {
  const byName = new Map();
  const at = (name) => byName.get(name) ?? byName.set(name, []).get(name);
  const arrived = new Map(); // "uuid name" → change
  for (const change of group.changes) arrived.set(`${change.uuid} ${change.name}`, change);
  for (const decision of group.decisions.values()) {
    const id = `${decision.uuid} ${decision.name}`;
    const change = decision.uuid ? arrived.get(id) : undefined;
    if (change) arrived.delete(id);
    at(decision.name).push(fromDecision(decision, change));
  }
  for (const change of arrived.values()) at(change.name).push(fromChange(change, group));
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, entries]) => property(group, name, entries));
}

function property(group, name, entries) {
  entries.sort((a, b) => b.t - a.t || (a.time < b.time ? 1 : -1));
  const all = opened.has(`${group.id} ${name}`);
  const rest = entries.length - SHORT;
  return el("section", { class: "property", "aria-label": `Timeline of ${name || "the group itself"}` },
    el("header", {}, el("b", {}, name || "The group itself"), el("span", { class: "sub" }, plural(entries.length, "entry", "entries"))),
    el("ol", { class: "timeline" }, (all ? entries : entries.slice(0, SHORT)).map((entry) => entry.element())),
    rest > 0 && !all ? link(`Show ${plural(rest, "older entry", "older entries")}`, () => { opened.add(`${group.id} ${name}`); detail(true); }) : null);
}

const VERDICTS = {
  sent: ["Sent", "ok"], unchanged: ["Saved", ""], older: ["Refused as older", "bad"], waits: ["Waits", "warn"], forgotten: ["Not judged", "warn"],
};

function fromDecision(decision, change) {
  const [title, tone] = VERDICTS[decision.verdict] ?? [decision.verdict, ""];
  const stored = change ? ` PostHog stored it (request ${change.request || "of an earlier run"}).` : decision.verdict === "sent" ? " PostHog has not stored it so far." : "";
  const said = decision.count > 1 ? ` Said ${number(decision.count)} times, last by` : "";
  return entry(decision.t, decision.verdict, title, tone, decision, [
    state.vocabulary.verdicts[decision.verdict]?.sentence ?? "", stored,
    said || " Said by", ` ${decision.signal} “${decision.speaker}”.`,
  ], change?.request);
}

function fromChange(change, group) {
  const older = change.changed ? "PostHog took it" : "PostHog had this very value already";
  const waited = [...group.decisions.values()].some((one) => one.verdict === "waits" && one.name === change.name && shown(one.value) === shown(change.value));
  return entry(change.t, "sent", change.changed ? "Stored" : "Stored again", change.changed ? "ok" : "", change,
    [`${older}${waited ? ", after it had waited" : ""}.`], change.request);
}

function entry(t, kind, title, tone, { name, value, time }, sentence, request) {
  return {
    t,
    time,
    element: () => el("li", { class: kind },
      el("div", { class: "line" }, el("span", { class: `badge ${tone}` }, title), name ? el("b", { class: "mono" }, shown(value)) : null,
        el("span", { class: "sub" }, `true at ${time}, arrived ${clock(t)}`)),
      el("div", { class: "says" }, sentence.join(""), request ? [" ", link(`Request ${request}`, () => go("requests", request))] : null)),
  };
}
