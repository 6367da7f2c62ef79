// Wires the stream to the views. Records are applied as they come; elements are touched once a frame, and
// only those of the view in sight.

import * as chart from "./chart.js";
import { byId, number, setText, toast } from "./dom.js";
import * as events from "./events.js";
import * as faults from "./faults.js";
import * as organizations from "./organizations.js";
import * as requests from "./requests.js";
import * as skipped from "./skipped.js";
import { apply, reset, state, totals } from "./state.js";

const VIEWS = { events, organizations, skipped, requests };
const SLICE = 12; // ms of reading at a stretch
let view = "events";
let paused = false;
const unread = []; // messages as they came
let held = []; // records that came while paused
let changed = new Set();
let due = false;

// -- the stream -----------------------------------------------------------------------------------

function connect() {
  const source = new EventSource("/stream");
  source.onopen = () => live("live", "Live");
  source.onerror = () => live("lost", source.readyState === EventSource.CLOSED ? "Closed: reload with the printed address" : "Lost, trying again");
  source.onmessage = (message) => {
    unread.push(message.data);
    if (unread.length === 1) setTimeout(read, 0);
  };
}

/** A browser hands over all messages of a chunk at once; they are read in slices, so that it can paint between. */
function read() {
  const end = performance.now() + SLICE;
  let place = 0;
  while (place < unread.length && performance.now() < end) {
    const records = JSON.parse(unread[place++]);
    if (records[0]?.kind === "hello") hello(records.shift());
    if (paused) held.push(records);
    else take(records);
  }
  unread.splice(0, place);
  if (unread.length) setTimeout(read, 0);
}

function live(name, text) {
  byId("live").dataset.state = name;
  setText(byId("live-text"), paused ? "Paused" : text);
}

function hello(record) {
  const again = state.hello !== null;
  reset();
  held = [];
  state.hello = record;
  byId("masked").hidden = !record.masked;
  byId("export-masked").hidden = record.masked;
  if (again) for (const one of Object.values(VIEWS)) one.restart();
  changed.add("hello");
  schedule();
}

function take(records) {
  for (const topic of apply(records)) changed.add(topic);
  schedule();
}

// -- drawing --------------------------------------------------------------------------------------

function schedule() {
  if (due) return;
  due = true;
  requestAnimationFrame(draw);
}

function draw() {
  due = false;
  const topics = changed;
  changed = new Set();
  VIEWS[view].render(topics);
  chart.render();
  setText(byId("count-events"), number(state.events.length + state.dropped));
  setText(byId("count-organizations"), number(state.groups.size));
  setText(byId("count-requests"), number(state.requests.length));
  setText(byId("count-skipped"), number([...totals().reasons.values()].reduce((a, b) => a + b, 0)));
  if (topics.has("request") && !byId("faults-count").hidden) faults.refresh();
}

// -- going about ----------------------------------------------------------------------------------

/** Show a view, and in it one thing. */
function go(name, what) {
  if (name !== view) {
    byId(`view-${view}`).hidden = true;
    byId(`tab-${view}`).setAttribute("aria-selected", "false");
    byId(`tab-${view}`).tabIndex = -1;
    view = name;
    byId(`view-${view}`).hidden = false;
    byId(`tab-${view}`).setAttribute("aria-selected", "true");
    byId(`tab-${view}`).tabIndex = 0;
    VIEWS[view].render(new Set(["event", "hello", "request"]));
  }
  if (what === undefined) return;
  if (name === "events") {
    events.narrow({ search: String(what) });
    events.first();
  } else VIEWS[name].open(what);
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "Escape" && typing) event.target.blur();
  if (typing || byId("faults").open) return;
  const names = Object.keys(VIEWS);
  if (event.key === "/") {
    event.preventDefault();
    go("events");
    byId("search").focus();
  } else if (names[Number(event.key) - 1]) {
    go(names[Number(event.key) - 1]);
    byId(`tab-${view}`).focus();
  }
}

function tabKeys(event) {
  const names = Object.keys(VIEWS);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  go(names[(names.indexOf(view) + step + names.length) % names.length]);
  byId(`tab-${view}`).focus();
}

function pause() {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  setText(byId("pause"), paused ? "Go on" : "Pause");
  setText(byId("live-text"), paused ? "Paused" : "Live");
  if (!paused) {
    for (const records of held) take(records);
    held = [];
  }
}

async function clear() {
  const answer = await fetch("/events", { method: "DELETE" });
  toast(answer.ok ? "Cleared" : "The inspector did not clear");
}

// -- theme ----------------------------------------------------------------------------------------

const THEMES = ["system", "light", "dark"];
function setTheme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  setText(byId("theme"), `Theme: ${name}`);
}
function nextTheme() {
  const name = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "system") + 1) % THEMES.length];
  localStorage.setItem("inspector-theme", name);
  setTheme(name);
}

// -- start ----------------------------------------------------------------------------------------

setTheme(THEMES.includes(localStorage.getItem("inspector-theme")) ? localStorage.getItem("inspector-theme") : "system");
if (location.search) history.replaceState(null, "", location.pathname); // the cookie has the token now
chart.init();
faults.init();
events.init(go);
organizations.init(go);
requests.init(go);
for (const one of Object.values(VIEWS)) one.restart();
for (const name of Object.keys(VIEWS)) byId(`tab-${name}`).addEventListener("click", () => go(name));
document.querySelector(".tabs").addEventListener("keydown", tabKeys);
document.addEventListener("keydown", keys);
byId("pause").addEventListener("click", pause);
byId("clear").addEventListener("click", clear);
byId("theme").addEventListener("click", nextTheme);
setInterval(schedule, 5000); // the chart moves on when nothing comes
fetch("/vocabulary").then((answer) => answer.json()).then((words) => { state.vocabulary = words; schedule(); });
connect();
